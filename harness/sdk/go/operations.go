package main

import (
	"errors"
	"fmt"
	"strings"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	kms "github.com/alibabacloud-go/kms-20160120/v3/client"
	oos "github.com/alibabacloud-go/oos-20190601/v4/client"
	"github.com/alibabacloud-go/tea/tea"
)

const account = "1234567890120000"

type key struct{ id, secret, token string }

var (
	reader   = key{"LTAI5tFakeCloudProvider1", "FakeCloudProviderSecret000001", ""}
	operator = key{"LTAI5tFakeCloudOperator1", "FakeCloudOperatorSecret000001", ""}
	outsider = key{"LTAI5tFakeCloudOutsider1", "FakeCloudOutsiderSecret000001", ""}
	disabled = key{"LTAI5tFakeCloudDisabled1", "FakeCloudDisabledSecret000001", ""}
)

func (k key) config(endpoint string) *openapi.Config {
	config := &openapi.Config{
		AccessKeyId:     tea.String(k.id),
		AccessKeySecret: tea.String(k.secret),
		Endpoint:        tea.String(endpoint),
		RegionId:        tea.String("cn-hangzhou"),
	}
	if k.token != "" {
		config.SecurityToken = tea.String(k.token)
	}
	return config
}

func getSecretValue(k key, request *kms.GetSecretValueRequest) (*kms.GetSecretValueResponseBody, error) {
	client, err := kms.NewClient(k.config("kms-vpc.cn-hangzhou.aliyuncs.com"))
	if err != nil {
		return nil, err
	}
	response, err := client.GetSecretValue(request)
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}

func getSecretParameter(k key, request *oos.GetSecretParameterRequest) (*oos.GetSecretParameterResponseBody, error) {
	client, err := oos.NewClient(k.config("oos-vpc.cn-hangzhou.aliyuncs.com"))
	if err != nil {
		return nil, err
	}
	response, err := client.GetSecretParameter(request)
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}

// call makes any operation, through the SDK that all others are built on.
func call(k key, service, action string, query map[string]string) (any, error) {
	hosts := map[string]string{"kms": "kms.cn-hangzhou.aliyuncs.com", "oos": "oos.cn-hangzhou.aliyuncs.com", "sts": "sts.aliyuncs.com"}
	versions := map[string]string{"kms": "2016-01-20", "oos": "2019-06-01", "sts": "2015-04-01"}
	client, err := openapi.NewClient(k.config(hosts[service]))
	if err != nil {
		return nil, err
	}
	parameters := &openapi.Params{
		Action: tea.String(action), Version: tea.String(versions[service]), Protocol: tea.String("HTTPS"), Pathname: tea.String("/"),
		Method: tea.String("POST"), AuthType: tea.String("AK"), Style: tea.String("RPC"), ReqBodyType: tea.String("formData"),
		BodyType: tea.String("json"),
	}
	request := &openapi.OpenApiRequest{Query: map[string]*string{}}
	for name, value := range query {
		request.Query[name] = tea.String(value)
	}
	response, err := client.CallApi(parameters, request, &runtime)
	if err != nil {
		return nil, err
	}
	return response["body"], nil
}

func code(wanted string, status int) func(error) string {
	return func(err error) string {
		var sdk *tea.SDKError
		if !errors.As(err, &sdk) {
			return fmt.Sprintf("expected %s, got no SDKError", wanted)
		}
		if tea.StringValue(sdk.Code) != wanted || tea.IntValue(sdk.StatusCode) != status {
			return fmt.Sprintf("expected %s %d, got %s %d", wanted, status, tea.StringValue(sdk.Code), tea.IntValue(sdk.StatusCode))
		}
		return ""
	}
}

func anyError(error) string { return "" }

type operation struct {
	service, action string
	key             key
	query           map[string]string
}

var all = []operation{
	{"kms", "CreateSecret", operator, map[string]string{"SecretName": "go/new", "SecretData": "one", "VersionId": "a"}},
	{"kms", "PutSecretValue", operator, map[string]string{"SecretName": "go/new", "SecretData": "two", "VersionId": "b"}},
	{"kms", "UpdateSecretVersionStage", operator, map[string]string{"SecretName": "go/new", "VersionStage": "ACSCurrent", "MoveToVersion": "a"}},
	{"kms", "ListSecretVersionIds", operator, map[string]string{"SecretName": "go/new"}},
	{"kms", "DescribeSecret", operator, map[string]string{"SecretName": "go/new"}},
	{"kms", "ListSecrets", operator, nil},
	{"kms", "DeleteSecret", operator, map[string]string{"SecretName": "go/new"}},
	{"kms", "RestoreSecret", operator, map[string]string{"SecretName": "go/new"}},
	{"oos", "CreateSecretParameter", operator, map[string]string{"Name": "go-new", "Value": "one"}},
	{"oos", "UpdateSecretParameter", operator, map[string]string{"Name": "go-new", "Value": "two"}},
	{"oos", "GetSecretParameters", reader, map[string]string{"Names": `["test"]`, "WithDecryption": "true"}},
	{"oos", "GetSecretParametersByPath", operator, map[string]string{"Path": "/", "Recursive": "true"}},
	{"oos", "ListSecretParameters", operator, nil},
	{"oos", "GetParameter", operator, map[string]string{"Name": "common"}},
	{"oos", "DeleteSecretParameter", operator, map[string]string{"Name": "go-new"}},
	{"sts", "AssumeRole", reader, map[string]string{"RoleArn": "acs:ram::" + account + ":role/adminrole", "RoleSessionName": "go"}},
	{"sts", "GetCallerIdentity", reader, nil},
}

func operations(t *tally) {
	t.title, t.least = "operations, by the official Go SDKs (V3 signatures)", 10
	temporary := session()

	value := func(k key, request *kms.GetSecretValueRequest) func() (any, error) {
		return func() (any, error) {
			body, err := getSecretValue(k, request)
			if err != nil {
				return nil, err
			}
			return *body.SecretData, nil
		}
	}
	is := func(wanted string) func(any) bool { return func(got any) bool { return got == wanted } }
	name := func(name string) *kms.GetSecretValueRequest {
		return &kms.GetSecretValueRequest{SecretName: tea.String(name)}
	}
	t.succeeds("GetSecretValue", "text", value(reader, name("test-kms")), is("hello from KMS"))
	t.succeeds("GetSecretValue", "binary", value(reader, name("keystore")), is("AAECA/79/v8="))
	t.succeeds("GetSecretValue", "slash", value(reader, name("app/db-password")), is("a secret below a path"))
	t.succeeds("GetSecretValue", "ARN", value(reader, name("acs:kms:cn-hangzhou:"+account+":secret/test-kms")), is("hello from KMS"))
	t.succeeds("GetSecretValue", "stage", value(reader, name("rotated").SetVersionStage("ACSPrevious")), is("the previous one"))
	t.succeeds("GetSecretValue", "version", value(reader, name("rotated").SetVersionId("v1")), is("the oldest"))
	t.succeeds("GetSecretValue", "managed", value(reader, name("rds-account").SetFetchExtendedConfig(true)), func(got any) bool {
		return strings.Contains(got.(string), "AccountPassword")
	})
	t.succeeds("GetSecretValue", "session", value(temporary, name("test-kms")), is("hello from KMS"))
	for secret, wanted := range map[string]func(error) string{
		"gone": code("Forbidden.ResourceNotFound", 404), "forbidden": code("Forbidden.NoPermission", 403),
		"leaving": code("Rejected.ResourceInDeleteWindow", 409), "": code("MissingParameter", 400),
		"acs:kms:cn-hangzhou:9999999999990000:secret/test-kms": code("Forbidden.NoPermission", 403),
	} {
		t.fails("GetSecretValue", secret, value(reader, name(secret)), wanted)
	}
	commonErrors(t, "GetSecretValue", "kms", reader, temporary, func(k key) (any, error) { return value(k, name("test-kms"))() })

	parameter := func(k key, request *oos.GetSecretParameterRequest) func() (any, error) {
		return func() (any, error) {
			body, err := getSecretParameter(k, request.SetWithDecryption(true))
			if err != nil {
				return nil, err
			}
			return *body.Parameter.Value, nil
		}
	}
	named := func(name string) *oos.GetSecretParameterRequest {
		return &oos.GetSecretParameterRequest{Name: tea.String(name)}
	}
	t.succeeds("GetSecretParameter", "newest", parameter(reader, named("rotated")), is("third"))
	t.succeeds("GetSecretParameter", "version", parameter(reader, named("rotated").SetParameterVersion(1)), is("first"))
	t.succeeds("GetSecretParameter", "path", parameter(reader, named("My/Path/Secret")), is("a value below a path"))
	t.succeeds("GetSecretParameter", "session", parameter(temporary, named("test")), is("hello from OOS"))
	t.fails("GetSecretParameter", "gone", parameter(reader, named("gone")), code("EntityNotExists.Parameter", 404))
	t.fails("GetSecretParameter", "forbidden", parameter(reader, named("forbidden")), code("Forbidden.RAM", 403))
	t.fails("GetSecretParameter", "no such version", parameter(reader, named("rotated").SetParameterVersion(9)), code("EntityNotExists.Parameter", 404))
	commonErrors(t, "GetSecretParameter", "oos", reader, temporary, func(k key) (any, error) { return parameter(k, named("test"))() })

	for _, o := range all {
		act := func(k key) (any, error) { return call(k, o.service, o.action, o.query) }
		t.succeeds(o.action, "as documented", func() (any, error) { return act(o.key) }, func(body any) bool {
			return body.(map[string]any)["RequestId"] != nil
		})
	}
	for _, o := range all {
		commonErrors(t, o.action, o.service, o.key, temporary, func(k key) (any, error) { return call(k, o.service, o.action, o.query) })
	}
	t.of("GetSecretValue")
}

func session() key {
	body := must(call(reader, "sts", "AssumeRole", map[string]string{"RoleArn": "acs:ram::" + account + ":role/adminrole", "RoleSessionName": "go"}))
	keys := body.(map[string]any)["Credentials"].(map[string]any)
	return key{keys["AccessKeyId"].(string), keys["AccessKeySecret"].(string), keys["SecurityToken"].(string)}
}

// commonErrors are what any signed operation can be answered.
func commonErrors(t *tally, subject, service string, good, temporary key, act func(key) (any, error)) {
	fails := func(what string, k key, check func(error) string) {
		t.fails(subject, what, func() (any, error) { return act(k) }, check)
	}
	fails("unknown key", key{"LTAInobody", "x", ""}, code("InvalidAccessKeyId.NotFound", 404))
	fails("disabled key", disabled, code("InvalidAccessKeyId.Inactive", 400))
	fails("wrong secret", key{good.id, "wrong", ""}, code("SignatureDoesNotMatch", 400))
	fails("foreign token", key{good.id, good.secret, "foreign"}, code("InvalidSecurityToken.MismatchWithAccessKey", 400))
	fails("session key without token", key{temporary.id, temporary.secret, ""}, code("MissingSecurityToken", 400))
	for _, seconds := range []int{-1000, 1000} {
		atClock(seconds, func() { fails("clock", good, code("InvalidTimeStamp.Expired", 400)) })
	}
	atClock(7200, func() { fails("expired token", temporary, code("InvalidSecurityToken.Expired", 400)) })
	if subject != "GetCallerIdentity" {
		denied := map[string]string{"kms": "Forbidden.NoPermission", "oos": "Forbidden.RAM", "sts": "NoPermission"}[service]
		if subject != "GetSecretParametersByPath" { // nothing lies below the path, so nothing is refused
			fails("no permission", outsider, code(denied, 403))
		}
	}
	for status, wanted := range map[int]string{500: "InternalFailure", 503: "ServiceUnavailable", 403: "Forbidden.InDebt", 400: "SignatureNonceUsed"} {
		with(func() { fails(wanted, good, code(wanted, status)) }, rule{"service": service, "then": apiError(status, wanted)})
	}
	for what, then := range map[string]any{
		"HTML": rule{"html": rule{"status": 502}}, "cut": rule{"cut": "before_head"}, "cut inside": rule{"cut": "inside_body"},
		"truncated": "truncated_body",
	} {
		with(func() { fails(what, good, anyError) }, rule{"service": service, "then": then})
	}
	for _, wrong := range []string{"expired", "wrong_host", "unknown_authority"} {
		with(func() {
			// A connection that is kept has shown its certificate, and the SDK notices with one call that it is closed.
			control("DELETE", "connections", nil)
			_, _ = guarded(func() (any, error) { return act(good) })
			fails(wrong+" certificate", good, says("certificate"))
		}, rule{"service": service, "then": rule{"certificate": wrong}})
	}
}
