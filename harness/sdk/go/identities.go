package main

import (
	"os"
	"strings"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	kms "github.com/alibabacloud-go/kms-20160120/v3/client"
	util "github.com/alibabacloud-go/tea-utils/v2/service"
	"github.com/alibabacloud-go/tea/tea"
	"github.com/aliyun/credentials-go/credentials"
)

var runtime = util.RuntimeOptions{}

const (
	role         = "acs:ram::" + account + ":role/adminrole"
	podRole      = "acs:ram::" + account + ":role/demo-role-for-rrsa"
	oidcProvider = "acs:ram::" + account + ":oidc-provider/ack-rrsa-c0fake0cloud0cluster0000000001"
	roleList     = "http://100.100.100.200/latest/meta-data/ram/security-credentials/"
)

func readAs(config *credentials.Config) (any, error) {
	credential, err := credentials.NewCredential(config)
	if err != nil {
		return nil, err
	}
	client, err := kms.NewClient(&openapi.Config{Credential: credential, Endpoint: tea.String("kms-vpc.cn-hangzhou.aliyuncs.com")})
	if err != nil {
		return nil, err
	}
	response, err := client.GetSecretValue(&kms.GetSecretValueRequest{SecretName: tea.String("test-kms")})
	if err != nil {
		return nil, err
	}
	return *response.Body.SecretData, nil
}

func says(words string) func(error) string {
	return func(err error) string {
		if strings.Contains(err.Error(), words) {
			return ""
		}
		return "does not say " + words
	}
}

func tokenFile(token string) *string {
	file := must(os.CreateTemp(os.Getenv("WORK"), "token"))
	must(file.WriteString(token))
	must(0, file.Close())
	return tea.String(file.Name())
}

func identities(t *tally) {
	t.title, t.least = "credential types, by credentials-go", 10
	hello := func(got any) bool { return got == "hello from KMS" }
	temporary := session()
	set := func() *credentials.Config { return &credentials.Config{} }
	types := []struct {
		name   string
		good   func() *credentials.Config
		faults string // the service whose faults break it
		bad    map[string]func(*credentials.Config) *credentials.Config
	}{
		{"access_key", func() *credentials.Config {
			return set().SetType("access_key").SetAccessKeyId(reader.id).SetAccessKeySecret(reader.secret)
		}, "kms", map[string]func(*credentials.Config) *credentials.Config{
			"InvalidAccessKeyId.NotFound": func(c *credentials.Config) *credentials.Config { return c.SetAccessKeyId("LTAInobody") },
			"SignatureDoesNotMatch":       func(c *credentials.Config) *credentials.Config { return c.SetAccessKeySecret("wrong") },
			"InvalidAccessKeyId.Inactive": func(c *credentials.Config) *credentials.Config {
				return c.SetAccessKeyId(disabled.id).SetAccessKeySecret(disabled.secret)
			},
			"Forbidden.NoPermission": func(c *credentials.Config) *credentials.Config {
				return c.SetAccessKeyId(outsider.id).SetAccessKeySecret(outsider.secret)
			},
			"MissingSecurityToken": func(c *credentials.Config) *credentials.Config {
				return c.SetAccessKeyId(temporary.id).SetAccessKeySecret(temporary.secret)
			},
		}},
		{"sts", func() *credentials.Config {
			return set().SetType("sts").SetAccessKeyId(temporary.id).SetAccessKeySecret(temporary.secret).SetSecurityToken(temporary.token)
		}, "kms", map[string]func(*credentials.Config) *credentials.Config{
			"InvalidSecurityToken.MismatchWithAccessKey": func(c *credentials.Config) *credentials.Config { return c.SetSecurityToken("CAISforeign") },
			"SignatureDoesNotMatch":                      func(c *credentials.Config) *credentials.Config { return c.SetAccessKeySecret("wrong") },
			"InvalidAccessKeyId.NotFound":                func(c *credentials.Config) *credentials.Config { return c.SetAccessKeyId("STS.nobody") },
		}},
		{"ram_role_arn", func() *credentials.Config {
			return set().SetType("ram_role_arn").SetAccessKeyId(reader.id).SetAccessKeySecret(reader.secret).SetRoleArn(role).SetRoleSessionName("go")
		}, "sts", map[string]func(*credentials.Config) *credentials.Config{
			"EntityNotExist.Role": func(c *credentials.Config) *credentials.Config { return c.SetRoleArn(role + "x") },
			"NoPermission": func(c *credentials.Config) *credentials.Config {
				return c.SetRoleArn("acs:ram::" + account + ":role/worker-role")
			},
			"InvalidParameter.RoleArn":         func(c *credentials.Config) *credentials.Config { return c.SetRoleArn("role") },
			"InvalidParameter.RoleSessionName": func(c *credentials.Config) *credentials.Config { return c.SetRoleSessionName("a b") },
			"InvalidParameter.DurationSeconds": func(c *credentials.Config) *credentials.Config { return c.SetRoleSessionExpiration(7201) },
			"InvalidParameter.PolicyGrammar":   func(c *credentials.Config) *credentials.Config { return c.SetPolicy("{") },
			"InvalidAccessKeyId.NotFound":      func(c *credentials.Config) *credentials.Config { return c.SetAccessKeyId("LTAInobody") },
			"SignatureDoesNotMatch":            func(c *credentials.Config) *credentials.Config { return c.SetAccessKeySecret("wrong") },
		}},
		{"oidc_role_arn", func() *credentials.Config {
			return set().SetType("oidc_role_arn").SetRoleArn(podRole).SetOIDCProviderArn(oidcProvider).SetRoleSessionName("go").
				SetOIDCTokenFilePath(*tokenFile(podToken(nil)))
		}, "sts", map[string]func(*credentials.Config) *credentials.Config{
			"OIDCToken.Expired": func(c *credentials.Config) *credentials.Config {
				return c.SetOIDCTokenFilePath(*tokenFile(podToken(map[string]any{"lifetime_seconds": -5})))
			},
			"OIDCToken.AudienceNotMatch": func(c *credentials.Config) *credentials.Config {
				return c.SetOIDCTokenFilePath(*tokenFile(podToken(map[string]any{"audience": "vault"})))
			},
			"OIDCToken.Invalid": func(c *credentials.Config) *credentials.Config { return c.SetOIDCTokenFilePath(*tokenFile("canary")) },
			"MissingOIDCToken":  func(c *credentials.Config) *credentials.Config { return c.SetOIDCTokenFilePath(*tokenFile("")) },
			"AuthenticationFail.NoPermission": func(c *credentials.Config) *credentials.Config {
				return c.SetOIDCTokenFilePath(*tokenFile(podToken(map[string]any{"service_account": "other"})))
			},
			"EntityNotExist.Role": func(c *credentials.Config) *credentials.Config { return c.SetRoleArn(podRole + "x") },
			"no such file":        func(c *credentials.Config) *credentials.Config { return c.SetOIDCTokenFilePath("/no/such/file") },
		}},
		{"ecs_ram_role", func() *credentials.Config { return set().SetType("ecs_ram_role") }, "metadata",
			map[string]func(*credentials.Config) *credentials.Config{
				"404": func(c *credentials.Config) *credentials.Config { return c.SetRoleName("other") },
			}},
		{"credentials_uri", func() *credentials.Config {
			return set().SetType("credentials_uri").SetURLCredential(roleList + "worker-role")
		}, "metadata",
			map[string]func(*credentials.Config) *credentials.Config{
				"404": func(c *credentials.Config) *credentials.Config { return c.SetURLCredential(roleList + "other") },
			}},
	}
	for _, one := range types {
		read := func() (any, error) { return readAs(one.good()) }
		t.succeeds(one.name, "reads", read, hello)
		for words, change := range one.bad {
			t.fails(one.name, words, func() (any, error) { return readAs(change(one.good())) }, says(words))
		}
		for what, then := range map[string]any{
			"throttled": "throttle", "500": apiError(500, "InternalError"), "503": apiError(503, "ServiceUnavailable"),
			"403": apiError(403, "Forbidden.InDebt"), "HTML": rule{"html": rule{"status": 502}},
			"truncated": "truncated_body", "cut": rule{"cut": "before_head"}, "cut inside": rule{"cut": "inside_body"},
			"not JSON": rule{"answer": rule{"status": 200, "body": "oops"}},
		} {
			with(func() { t.fails(one.name, what, read, anyError) }, rule{"service": one.faults, "then": then})
		}
	}
}
