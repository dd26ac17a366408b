"""Every modelled operation through the official SDKs of the Tea generation (V3 signatures), success and errors."""

import json

from alibabacloud_kms20160120 import models as kms_models
from alibabacloud_kms20160120.client import Client as Kms
from alibabacloud_oos20190601 import models as oos_models
from alibabacloud_oos20190601.client import Client as Oos
from alibabacloud_sts20150401 import models as sts_models
from alibabacloud_sts20150401.client import Client as Sts
from alibabacloud_tea_openapi.models import Config

import cloud

ACCOUNT = "1234567890120000"
OPERATOR = ("LTAI5tFakeCloudOperator1", "FakeCloudOperatorSecret000001")
READER = ("LTAI5tFakeCloudProvider1", "FakeCloudProviderSecret000001")
OUTSIDER = ("LTAI5tFakeCloudOutsider1", "FakeCloudOutsiderSecret000001")
DISABLED = ("LTAI5tFakeCloudDisabled1", "FakeCloudDisabledSecret000001")
ROLE = f"acs:ram::{ACCOUNT}:role/adminrole"
RRSA_ROLE = f"acs:ram::{ACCOUNT}:role/demo-role-for-rrsa"
OIDC_PROVIDER = f"acs:ram::{ACCOUNT}:oidc-provider/ack-rrsa-c0fake0cloud0cluster0000000001"


def client(kind, key, token=None):
    # No endpoint is given for KMS and OOS: the SDK derives it from the region, as it does for the real cloud.
    endpoint = "sts.aliyuncs.com" if kind is Sts else None
    return kind(
        Config(
            access_key_id=key[0],
            access_key_secret=key[1],
            security_token=token,
            region_id="cn-hangzhou",
            endpoint=endpoint,
        )
    )


def body(response):
    return response.body.to_map()


class Operation:
    def __init__(self, kind, name, model, method, key, /, **good):
        self.kind, self.name, self.model, self.method = kind, name, model, method
        self.key, self.good = key, good

    @property
    def service(self):
        return {Kms: "kms", Oos: "oos", Sts: "sts"}[self.kind]

    def call(self, key=None, token=None, **params):
        method = getattr(client(self.kind, key or self.key, token), self.method)
        return body(method() if self.model is None else method(self.model(**params)))


def kms(name, method, key=OPERATOR, /, **good):
    return Operation(Kms, name, getattr(kms_models, name + "Request"), method, key, **good)


def oos(name, method, key=OPERATOR, /, **good):
    return Operation(Oos, name, getattr(oos_models, name + "Request"), method, key, **good)


GET = kms("GetSecretValue", "get_secret_value", READER, secret_name="test-kms")
CREATE = kms("CreateSecret", "create_secret", secret_name="sdk/new", secret_data="one", version_id="a")
PUT = kms("PutSecretValue", "put_secret_value", secret_name="sdk/new", secret_data="two", version_id="b")
STAGE = kms("UpdateSecretVersionStage", "update_secret_version_stage", secret_name="sdk/new",
            version_stage="ACSCurrent", move_to_version="a")
VERSIONS = kms("ListSecretVersionIds", "list_secret_version_ids", secret_name="sdk/new")
DESCRIBE = kms("DescribeSecret", "describe_secret", secret_name="sdk/new")
LIST = kms("ListSecrets", "list_secrets")
DELETE = kms("DeleteSecret", "delete_secret", secret_name="sdk/new")
RESTORE = kms("RestoreSecret", "restore_secret", secret_name="sdk/new")
OOS_GET = oos("GetSecretParameter", "get_secret_parameter", READER, name="test", with_decryption=True)
OOS_GETS = oos("GetSecretParameters", "get_secret_parameters", READER, names='["test"]', with_decryption=True)
OOS_PATH = oos("GetSecretParametersByPath", "get_secret_parameters_by_path", path="/sdk", with_decryption=True)
OOS_LIST = oos("ListSecretParameters", "list_secret_parameters")
OOS_COMMON = oos("GetParameter", "get_parameter", name="common")
OOS_CREATE = oos("CreateSecretParameter", "create_secret_parameter", name="sdk-new", value="one")
OOS_UPDATE = oos("UpdateSecretParameter", "update_secret_parameter", name="sdk-new", value="two")
OOS_DELETE = oos("DeleteSecretParameter", "delete_secret_parameter", name="sdk-new")
ASSUME = Operation(Sts, "AssumeRole", sts_models.AssumeRoleRequest, "assume_role", READER,
                   role_arn=ROLE, role_session_name="sdk")
OIDC = Operation(Sts, "AssumeRoleWithOIDC", sts_models.AssumeRoleWithOIDCRequest, "assume_role_with_oidc", READER,
                 role_arn=RRSA_ROLE, role_session_name="sdk", oidcprovider_arn=OIDC_PROVIDER)
CALLER = Operation(Sts, "GetCallerIdentity", None, "get_caller_identity", READER)
ALL = [GET, CREATE, PUT, STAGE, VERSIONS, DESCRIBE, LIST, DELETE, RESTORE, OOS_GET, OOS_GETS, OOS_PATH, OOS_LIST,
       OOS_COMMON, OOS_CREATE, OOS_UPDATE, OOS_DELETE, ASSUME, OIDC, CALLER]


def expect(code, status=None):
    def check(error):
        got = (getattr(error, "code", None), getattr(error, "status_code", None))
        if got[0] != code or (status is not None and got[1] != status):
            return f"expected {code} {status or ''}, got {got[0]} {got[1]}"
        return None

    return check


def successes(tally):
    """A life of a secret and of a parameter, told by the SDK's own models."""

    def good(operation, what, check, **params):
        params = params or operation.good
        return tally.success(operation.name, what, lambda: operation.call(**params), check)

    good(GET, "text", lambda b: b["SecretData"] == "hello from KMS" and b["VersionStages"]["VersionStage"] == ["ACSCurrent"])
    good(GET, "binary", lambda b: b["SecretDataType"] == "binary" and b["SecretData"] == "AAECA/79/v8=", secret_name="keystore")
    good(GET, "stage", lambda b: b["SecretData"] == "the previous one", secret_name="rotated", version_stage="ACSPrevious")
    good(GET, "version", lambda b: b["SecretData"] == "the oldest", secret_name="rotated", version_id="v1")
    good(GET, "name with a slash", lambda b: b["SecretData"] == "a secret below a path", secret_name="app/db-password")
    good(GET, "ARN", lambda b: b["SecretName"] == "test-kms", secret_name=f"acs:kms:cn-hangzhou:{ACCOUNT}:secret/test-kms")
    good(GET, "managed, with its configuration",
         lambda b: b["SecretType"] == "Rds" and "SingleUser" in b["ExtendedConfig"] and b["RotationInterval"] == "604800s",
         secret_name="rds-account", version_id="ignored", fetch_extended_config=True)

    good(CREATE, "text", lambda b: b["VersionId"] == "a" and b["Arn"].endswith("secret/sdk/new"))
    good(CREATE, "binary", lambda b: b["SecretType"] == "Generic", secret_name="sdk/binary", secret_data="AAE=",
         secret_data_type="binary", version_id="1")
    good(PUT, "a second version", lambda b: b["VersionStages"]["VersionStage"] == ["ACSCurrent"])
    good(VERSIONS, "both", lambda b: [(v["VersionId"], v["VersionStages"]["VersionStage"]) for v in b["VersionIds"]["VersionId"]]
         == [("a", ["ACSPrevious"]), ("b", ["ACSCurrent"])])
    good(STAGE, "back to the first", lambda b: b["SecretName"] == "sdk/new")
    tally.success("UpdateSecretVersionStage", "is seen by readers",
                  lambda: GET.call(key=OPERATOR, secret_name="sdk/new"), lambda b: b["SecretData"] == "one")
    good(DESCRIBE, "it", lambda b: b["SecretName"] == "sdk/new" and b["AutomaticRotation"] == "Disabled")
    good(LIST, "pages", lambda b: b["TotalCount"] >= 9 and len(b["SecretList"]["Secret"]) == 2, page_size=2, page_number=2)
    good(DELETE, "with a window", lambda b: b["PlannedDeleteTime"].endswith("Z"), secret_name="sdk/new", recovery_window_in_days="7")
    tally.error("GetSecretValue", "in its deletion window", lambda: GET.call(key=OPERATOR, secret_name="sdk/new"),
                expect("Rejected.ResourceInDeleteWindow", 409))
    good(RESTORE, "it", lambda b: b["SecretName"] == "sdk/new")
    good(DELETE, "at once", lambda b: b["SecretName"] == "sdk/binary", secret_name="sdk/binary", force_delete_without_recovery="true")

    good(OOS_GET, "the newest", lambda b: b["Parameter"]["Value"] == "hello from OOS" and b["Parameter"]["ParameterVersion"] == 1)
    good(OOS_GET, "a version", lambda b: b["Parameter"]["Value"] == "first", name="rotated", parameter_version=1, with_decryption=True)
    good(OOS_GET, "without decryption", lambda b: "Value" not in b["Parameter"], name="test")
    good(OOS_GET, "a path", lambda b: b["Parameter"]["Value"] == "a value below a path", name="My/Path/Secret", with_decryption=True)
    good(OOS_GETS, "known and unknown", lambda b: [p["Value"] for p in b["Parameters"]] == ["hello from OOS"]
         and b["InvalidParameters"] == ["no"], names='["test","no"]', with_decryption=True)
    good(OOS_CREATE, "it", lambda b: b["Parameter"]["Type"] == "Secret")
    good(OOS_CREATE, "below a path, with tags", lambda b: b["Parameter"]["Tags"] == {"k": "v"}, name="/sdk/a", value="v", tags={"k": "v"})
    good(OOS_PATH, "the folder", lambda b: [p["Name"] for p in b["Parameters"]] == ["/sdk/a"])
    good(OOS_LIST, "a page", lambda b: len(b["Parameters"]) == 2 and b["NextToken"], max_results=2)
    good(OOS_UPDATE, "a second version", lambda b: b["Parameter"]["ParameterVersion"] == 2)
    good(OOS_COMMON, "its value", lambda b: b["Parameter"]["Value"] == "in the open" and b["Parameter"]["Type"] == "String")

    keys = good(ASSUME, "a session", lambda b: b["Credentials"]["AccessKeyId"].startswith("STS.")
                and b["AssumedRoleUser"]["Arn"] == ROLE + "/sdk")
    good(OIDC, "a pod's token", lambda b: b["OIDCTokenInfo"]["Subject"] == "system:serviceaccount:rrsa-demo:demo-sa",
         **OIDC.good, oidctoken=cloud.token())
    good(CALLER, "a user", lambda b: b["Arn"] == f"acs:ram::{ACCOUNT}:user/csi-provider")
    if keys:
        keys = keys["Credentials"]
        temporary = (keys["AccessKeyId"], keys["AccessKeySecret"])
        tally.success("GetCallerIdentity", "a role", lambda: CALLER.call(key=temporary, token=keys["SecurityToken"]),
                      lambda b: b["Arn"] == f"acs:ram::{ACCOUNT}:assumed-role/adminrole/sdk")
        return temporary, keys["SecurityToken"]
    return None


def common_errors(tally, operation, temporary):
    """What any signed operation can be answered."""
    good = dict(operation.good)
    if operation is OIDC:
        good["oidctoken"] = cloud.token()

    def error(what, check, key=None, token=None):
        tally.error(operation.name, what, lambda: operation.call(key=key, token=token, **good), check)

    if operation is not OIDC:  # it carries no signature
        error("unknown key", expect("InvalidAccessKeyId.NotFound", 404), key=("LTAInobody", "x"))
        error("disabled key", expect("InvalidAccessKeyId.Inactive", 400), key=DISABLED)
        error("wrong secret", expect("SignatureDoesNotMatch", 400), key=(operation.key[0], "wrong"))
        error("token of somebody else", expect("InvalidSecurityToken.MismatchWithAccessKey", 400), token="foreign")
        error("temporary key without token", expect("MissingSecurityToken", 400), key=temporary[0])
        with cloud.clock(16 * 60):
            error("the cloud's clock is ahead", expect("InvalidTimeStamp.Expired", 400))
        with cloud.clock(-16 * 60):
            error("the cloud's clock is behind", expect("InvalidTimeStamp.Expired", 400))
        with cloud.clock(2 * 3600):
            error("expired token", expect("InvalidSecurityToken.Expired", 400), key=temporary[0], token=temporary[1])
    if operation not in (OIDC, CALLER):
        denied = {"kms": "Forbidden.NoPermission", "oos": "Forbidden.RAM", "sts": "NoPermission"}[operation.service]
        error("no permission", expect(denied, 403), key=OUTSIDER)
    throttled = {"kms": ("Rejected.Throttling", 429)}.get(operation.service, ("Throttling.User", 400))
    for then, (code, status) in [
        ("throttle", throttled),
        ("throttle_by_gateway", ("Throttling.User", 400)),
        *[
            ({"error": {"status": status, "code": code, "message": "m"}}, (code, status))
            for status, code in [
                (500, "InternalFailure"),
                (500, "InternalError"),
                (503, "ServiceUnavailable"),
                (503, "ServiceUnavailableTemporary"),
                (403, "Forbidden.InDebt"),
                (400, "SignatureNonceUsed"),
            ]
        ],
    ]:
        with cloud.fault(then, service=operation.service):
            error(f"fault {code}", expect(code, status))
    for what, then in [
        ("HTML", {"html": {"status": 502}}),
        ("cut before the head", {"cut": "before_head"}),
        ("cut inside the body", {"cut": "inside_body"}),
        ("truncated JSON", "truncated_body"),
        ("empty error", {"answer": {"status": 500, "body": ""}}),
    ]:
        with cloud.fault(then, service=operation.service):
            error(what, lambda error: None)
    for wrong in ("expired", "wrong_host", "unknown_authority"):
        with cloud.fault({"certificate": wrong}, service=operation.service):
            error(f"{wrong} certificate", lambda error: None if "certificate verify failed" in str(error) else "not about the certificate")


def own_errors(tally):
    """What one operation can be answered, by the operation's own rules."""
    missing = {"kms": "MissingParameter", "oos": "MissingName"}
    not_found = {"kms": ("Forbidden.ResourceNotFound", 404), "oos": ("EntityNotExists.Parameter", 404)}
    for operation in ALL:
        field = next((f for f in ("secret_name", "name") if f in operation.good), None)
        if not field:
            continue
        rest = {k: v for k, v in operation.good.items() if k != field}
        tally.error(operation.name, "no name", lambda: operation.call(**rest), expect(missing[operation.service], 400))
        if operation not in (CREATE, OOS_CREATE):
            tally.error(operation.name, "not there", lambda: operation.call(**{**rest, field: "gone"}, key=OPERATOR),
                        expect(*not_found[operation.service]))

    def error(operation, what, code, status, **params):
        tally.error(operation.name, what, lambda: operation.call(**params), expect(code, status))

    error(GET, "no such version", "Forbidden.ResourceNotFound", 404, secret_name="rotated", version_id="v9")
    error(GET, "no such stage", "Forbidden.ResourceNotFound", 404, secret_name="rotated", version_stage="none")
    error(GET, "version without the stage", "Forbidden.ResourceNotFound", 404, secret_name="rotated", version_id="v1", version_stage="ACSCurrent")
    error(GET, "an explicit refusal", "Forbidden.NoPermission", 403, secret_name="forbidden")
    error(GET, "another account", "Forbidden.NoPermission", 403, secret_name="acs:kms:cn-hangzhou:9999999999990000:secret/test-kms")
    error(GET, "dry run", "DryRunOperationError", 400, secret_name="test-kms", dry_run="true")
    error(GET, "dry run of what is not there", "ValidationError", 400, secret_name="gone", dry_run="true")
    error(GET, "dry run of what is forbidden", "AccessDeniedError", 400, secret_name="forbidden", dry_run="true")
    error(GET, "managed with another stage", "InvalidParameter", 400, secret_name="rds-account", version_stage="other")
    error(CREATE, "exists", "Rejected.ResourceExist", 409, secret_name="test-kms", secret_data="x", version_id="1")
    error(CREATE, "in its window", "Rejected.ResourceInDeleteWindow", 409, secret_name="leaving", secret_data="x", version_id="1")
    error(CREATE, "reserved name", "InvalidParameter", 400, secret_name="acs/x", secret_data="x", version_id="1")
    error(CREATE, "name of 193", "InvalidParameter", 400, secret_name="n" * 193, secret_data="x", version_id="1")
    error(CREATE, "too large", "InvalidParameter", 400, secret_name="large", secret_data="x" * 30_721, version_id="1")
    error(CREATE, "not base64", "InvalidParameter", 400, secret_name="b", secret_data="*", secret_data_type="binary", version_id="1")
    error(CREATE, "no version", "MissingParameter", 400, secret_name="b", secret_data="x")
    error(PUT, "a version that is there", "Rejected.ResourceExist", 409, secret_name="rotated", secret_data="x", version_id="v1")
    error(PUT, "a managed secret", "UnsupportedOperation", 400, secret_name="rds-account", secret_data="x", version_id="n")
    error(PUT, "in its window", "Rejected.ResourceInDeleteWindow", 409, secret_name="leaving", secret_data="x", version_id="n")
    error(STAGE, "no such version", "Forbidden.ResourceNotFound", 404, secret_name="rotated", version_stage="ACSCurrent", move_to_version="v9")
    error(STAGE, "the current stage cannot be removed", "InvalidParameter", 400, secret_name="rotated", version_stage="ACSCurrent", remove_from_version="v3")
    error(DELETE, "a window of 6 days", "InvalidParameter", 400, secret_name="test-kms", recovery_window_in_days="6")
    error(DELETE, "twice", "Rejected.ResourceInDeleteWindow", 409, secret_name="leaving")
    error(LIST, "page of 101", "InvalidParameter", 400, page_size=101)
    error(OOS_GET, "no such version", "EntityNotExists.Parameter", 404, name="rotated", parameter_version=9)
    error(OOS_GET, "version 0", "InvalidParameter", 400, name="rotated", parameter_version=0)
    error(OOS_GET, "an explicit refusal", "Forbidden.RAM", 403, name="forbidden", with_decryption=True)
    error(OOS_GETS, "eleven names", "InvalidParameter", 400, names=json.dumps(["n"] * 11))
    error(OOS_PATH, "no slash", "InvalidParameter", 400, path="sdk")
    error(OOS_CREATE, "exists", "EntityAlreadyExists.Parameter", 409, name="test", value="x")
    error(OOS_CREATE, "reserved name", "InvalidParameter", 400, name="acs-x", value="x")
    error(OOS_CREATE, "name of 181", "InvalidParameter", 400, name="n" * 181, value="x")
    error(OOS_CREATE, "value of 4097", "InvalidParameter", 400, name="large", value="x" * 4097)
    error(OOS_UPDATE, "value of 4097", "InvalidParameter", 400, name="test", value="x" * 4097)
    error(ASSUME, "no such role", "EntityNotExist.Role", 404, role_arn=f"acs:ram::{ACCOUNT}:role/gone", role_session_name="sdk")
    error(ASSUME, "does not trust", "NoPermission", 403, role_arn=f"acs:ram::{ACCOUNT}:role/worker-role", role_session_name="sdk")
    error(ASSUME, "not an ARN", "InvalidParameter.RoleArn", 400, role_arn="adminrole", role_session_name="sdk")
    error(ASSUME, "session name", "InvalidParameter.RoleSessionName", 400, role_arn=ROLE, role_session_name="a b")
    error(ASSUME, "899 seconds", "InvalidParameter.DurationSeconds", 400, **ASSUME.good, duration_seconds=899)
    error(ASSUME, "7201 seconds", "InvalidParameter.DurationSeconds", 400, **ASSUME.good, duration_seconds=7201)
    error(ASSUME, "policy grammar", "InvalidParameter.PolicyGrammar", 400, **ASSUME.good, policy="{")
    error(ASSUME, "policy size", "InvalidParameter.PolicySize", 400, **ASSUME.good, policy="x" * 2049)
    error(ASSUME, "external id", "InvalidParameter.ExternalId", 400, **ASSUME.good, external_id="*")
    for what, code, status, change in [
        ("no token", "MissingOIDCToken", 400, {}),
        ("not a token", "AuthenticationFail.OIDCToken.Invalid", 400, {"oidctoken": "not.a.token"}),
        ("expired", "AuthenticationFail.OIDCToken.Expired", 400, {"oidctoken": cloud.token(lifetime_seconds=-60)}),
        ("another audience", "AuthenticationFail.OIDCToken.AudienceNotMatch", 400, {"oidctoken": cloud.token(audience="vault")}),
        ("another ServiceAccount", "AuthenticationFail.NoPermission", 403, {"oidctoken": cloud.token(service_account="other")}),
        ("no such provider", "AuthenticationFail.NoPermission", 403, {"oidctoken": cloud.token(), "oidcprovider_arn": OIDC_PROVIDER + "x"}),
        ("no such role", "EntityNotExist.Role", 404, {"oidctoken": cloud.token(), "role_arn": RRSA_ROLE + "x"}),
        ("899 seconds", "InvalidParameter.DurationSeconds", 400, {"oidctoken": cloud.token(), "duration_seconds": 899}),
    ]:
        error(OIDC, what, code, status, **{**OIDC.good, **change})


def ends(tally):
    cloud.put_oos("sdk-new", "to be deleted")  # some of the faults struck after the deletion
    tally.success("DeleteSecretParameter", "it", lambda: OOS_DELETE.call(**OOS_DELETE.good), lambda b: b["RequestId"])


def run():
    tally = cloud.Tally()
    temporary = successes(tally)
    if temporary:
        for operation in ALL:
            common_errors(tally, operation, temporary)
    own_errors(tally)
    ends(tally)
    return tally.report("operations, by the official Python SDKs (V3 signatures)")
