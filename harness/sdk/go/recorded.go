package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	kms "github.com/alibabacloud-go/kms-20160120/v3/client"
	oos "github.com/alibabacloud-go/oos-20190601/v4/client"
	"github.com/alibabacloud-go/tea/tea"
	"github.com/aliyun/credentials-go/credentials"
)

// The answers of testdata/vectors/sdk-responses.json, given by the fake cloud: the SDK must make of each what the
// record says it made of it on the wire. The provider's own handling, which the record includes, is two lines here.

type recordedCase struct {
	Name      string
	Responses []struct {
		Status  int
		Headers [][2]string
		Body    string
		Closed  bool `json:"connection_closed_without_answer"`
	}
	Outcome string
	Result  map[string]any
	Error   struct {
		GoType  string `json:"go_type"`
		Text    string
		Code    string
		Status  int
		Message string
	}
}

func recorded(t *tally) {
	t.title, t.least = "recorded answers, as the SDKs read them", 0
	var file struct{ Cases []recordedCase }
	must(0, json.Unmarshal(must(os.ReadFile(os.Getenv("VECTORS")+"/sdk-responses.json")), &file))
	if len(file.Cases) != 76 {
		t.fail("recorded", "number of cases", len(file.Cases))
	}
	for _, c := range file.Cases {
		service := strings.SplitN(c.Name, ".", 2)[0]
		subject := service
		if service == "imds" {
			service = "metadata"
		}
		var rules []rule
		for index, response := range c.Responses {
			r := rule{"service": service, "skip": index, "times": 1}
			if response.Closed {
				r["then"] = rule{"cut": "before_head"}
				delete(r, "times")
			} else {
				contentType := ""
				for _, header := range response.Headers {
					if header[0] == "Content-Type" {
						contentType = header[1]
					}
				}
				r["then"] = rule{"answer": rule{"status": response.Status, "content_type": contentType, "body": response.Body}}
			}
			rules = append(rules, r)
		}
		with(func() {
			got, err := guarded(func() (any, error) { return take(c.Name) })
			if problem := compare(c, got, err); problem != "" {
				t.fail(subject, c.Name, problem)
			} else if err != nil {
				t.of(subject).failure++
			} else {
				t.of(subject).success++
			}
		}, rules...)
	}
}

func take(name string) (any, error) {
	switch {
	case strings.HasPrefix(name, "kms."):
		body, err := getSecretValue(reader, &kms.GetSecretValueRequest{SecretName: tea.String("secret001")})
		if err != nil {
			return nil, err
		}
		value, version := []byte(*body.SecretData), *body.VersionId
		if tea.StringValue(body.SecretDataType) == "binary" {
			if value, err = base64.StdEncoding.DecodeString(*body.SecretData); err != nil {
				return nil, err
			}
		}
		return map[string]any{"parsed": tea.ToMap(body), "value_base64": base64.StdEncoding.EncodeToString(value), "version": version}, nil
	case strings.HasPrefix(name, "oos."):
		body, err := getSecretParameter(reader, &oos.GetSecretParameterRequest{Name: tea.String("n"), WithDecryption: tea.Bool(true)})
		if err != nil {
			return nil, err
		}
		value := base64.StdEncoding.EncodeToString([]byte(*body.Parameter.Value))
		return map[string]any{"parsed": tea.ToMap(body), "value_base64": value, "version": "v1"}, nil
	}
	config := &credentials.Config{}
	switch {
	case strings.HasPrefix(name, "sts.AssumeRole."):
		config.SetType("ram_role_arn").SetAccessKeyId(reader.id).SetAccessKeySecret(reader.secret).SetRoleArn(role).SetRoleSessionName("go")
	case strings.HasPrefix(name, "sts.AssumeRoleWithOIDC."):
		config.SetType("oidc_role_arn").SetRoleArn(podRole).SetOIDCProviderArn(oidcProvider).SetRoleSessionName("go").
			SetOIDCTokenFilePath(*tokenFile("token"))
	default:
		config.SetType("ecs_ram_role")
	}
	credential, err := credentials.NewCredential(config)
	if err != nil {
		return nil, err
	}
	model, err := credential.GetCredential()
	if err != nil {
		return nil, err
	}
	return map[string]any{
		"accessKeyId": tea.StringValue(model.AccessKeyId), "accessKeySecret": tea.StringValue(model.AccessKeySecret),
		"securityToken": tea.StringValue(model.SecurityToken), "type": tea.StringValue(model.Type), "providerName": tea.StringValue(model.ProviderName),
	}, nil
}

// cause leaves out the excerpt of a map, whose order is random, that follows in some errors.
func cause(text string) string {
	return strings.SplitN(text, ", error found in", 2)[0]
}

func compare(c recordedCase, got any, err error) string {
	switch {
	case c.Outcome == "ok" && err != nil:
		return fmt.Sprintf("must be read, and is an error: %v", err)
	case c.Outcome == "ok":
		var plain any
		must(0, json.Unmarshal(must(json.Marshal(got)), &plain))
		if !reflect.DeepEqual(plain, any(c.Result)) {
			return fmt.Sprintf("read %v, recorded %v", plain, c.Result)
		}
		return ""
	case err == nil:
		return fmt.Sprintf("must be an error, and is read: %v", got)
	case c.Error.Code != "":
		var sdk *tea.SDKError
		if !errors.As(err, &sdk) {
			return fmt.Sprintf("no SDKError: %v", err)
		}
		if tea.StringValue(sdk.Code) != c.Error.Code || tea.IntValue(sdk.StatusCode) != c.Error.Status || tea.StringValue(sdk.Message) != c.Error.Message {
			return fmt.Sprintf("%v, recorded %v", err, c.Error.Text)
		}
		return ""
	case cause(err.Error()) != cause(c.Error.Text):
		return fmt.Sprintf("%q, recorded %q", err.Error(), c.Error.Text)
	}
	return ""
}
