"""Each credential type of `alibabacloud_credentials`: it reads a secret, and it fails as it should."""

import os
import tempfile

from alibabacloud_credentials.client import Client as Credentials
from alibabacloud_credentials.models import Config as CredentialConfig
from alibabacloud_kms20160120 import models as kms_models
from alibabacloud_kms20160120.client import Client as Kms
from alibabacloud_tea_openapi.models import Config

import cloud
from operations import ACCOUNT, ASSUME, DISABLED, OIDC_PROVIDER, OUTSIDER, READER, ROLE, RRSA_ROLE, expect

IMDS = "http://100.100.100.200/latest/meta-data/ram/security-credentials/"


def read(secret="test-kms", **config):
    credential = Credentials(CredentialConfig(**config) if config else None)
    client = Kms(Config(credential=credential, region_id="cn-hangzhou"))
    return client.get_secret_value(kms_models.GetSecretValueRequest(secret_name=secret)).body.secret_data


def says(*words):
    """The error says these words; credential errors have the answer in their text and no code of their own."""

    def check(error):
        text = f"{getattr(error, 'code', '')} {error}"
        missing = [word for word in words if word not in text]
        return f"does not say {missing}" if missing else None

    return check


def identity():
    return cloud.last_request()["identity"]


def written(text):
    file = tempfile.NamedTemporaryFile("w", delete=False, dir=os.environ.get("WORK"))
    file.write(text)
    file.close()
    return file.name


def faults(tally, subject, act, service, host_faults=True):
    """What can go wrong on the way to any credential."""
    for what, then, words in [
        ("throttled", "throttle", ()),
        ("500", {"error": {"status": 500, "code": "InternalError", "message": "m"}}, ()),
        ("503", {"error": {"status": 503, "code": "ServiceUnavailable", "message": "m"}}, ()),
        ("HTML", {"html": {"status": 502}}, ()),
        ("empty body", "empty_body", ()),
        ("truncated JSON", "truncated_body", ()),
        ("cut before the head", {"cut": "before_head"}, ()),
        ("cut inside the body", {"cut": "inside_body"}, ()),
        ("no key", {"remove_field": {"field": "/Credentials/AccessKeyId"}} if service == "sts" else
         {"remove_field": {"field": "/AccessKeyId"}}, ()),
        ("no token", {"remove_field": {"field": "/Credentials/SecurityToken"}} if service == "sts" else
         {"remove_field": {"field": "/SecurityToken"}}, ()),
    ]:
        with cloud.fault(then, service=service):
            tally.error(subject, what, act, says(*words))


def run():
    tally = cloud.Tally()
    hello = lambda value: value == "hello from KMS"
    key = dict(access_key_id=READER[0], access_key_secret=READER[1])
    temporary = ASSUME.call(**ASSUME.good)["Credentials"]
    session = dict(type="sts", access_key_id=temporary["AccessKeyId"], access_key_secret=temporary["AccessKeySecret"],
                   security_token=temporary["SecurityToken"])

    name = "access_key"
    tally.success(name, "reads", lambda: read(type="access_key", **key), hello)
    tally.success(name, "as the user", identity, lambda arn: arn.endswith(":user/csi-provider"))
    for what, code, status, change in [
        ("unknown", "InvalidAccessKeyId.NotFound", 404, {"access_key_id": "LTAInobody"}),
        ("wrong secret", "SignatureDoesNotMatch", 400, {"access_key_secret": "wrong"}),
        ("disabled", "InvalidAccessKeyId.Inactive", 400, dict(zip(("access_key_id", "access_key_secret"), DISABLED))),
        ("may not", "Forbidden.NoPermission", 403, dict(zip(("access_key_id", "access_key_secret"), OUTSIDER))),
        ("session key as a fixed one", "MissingSecurityToken", 400, {"access_key_id": temporary["AccessKeyId"],
                                                                    "access_key_secret": temporary["AccessKeySecret"]}),
    ]:
        tally.error(name, what, lambda: read(type="access_key", **{**key, **change}), expect(code, status))
    for secret, code in [("gone", "Forbidden.ResourceNotFound"), ("forbidden", "Forbidden.NoPermission"),
                         ("leaving", "Rejected.ResourceInDeleteWindow")]:
        tally.error(name, secret, lambda: read(secret, type="access_key", **key), expect(code))
    for seconds in (-1000, 1000):
        with cloud.clock(seconds):
            tally.error(name, "clock", lambda: read(type="access_key", **key), expect("InvalidTimeStamp.Expired", 400))

    name = "sts"
    tally.success(name, "reads", lambda: read(**session), hello)
    tally.success(name, "as the role", identity, lambda arn: arn.endswith(":assumed-role/adminrole/sdk"))
    for what, code, change in [
        ("foreign token", "InvalidSecurityToken.MismatchWithAccessKey", {"security_token": "CAISforeign"}),
        ("wrong secret", "SignatureDoesNotMatch", {"access_key_secret": "wrong"}),
        ("unknown key", "InvalidAccessKeyId.NotFound", {"access_key_id": "STS.nobody"}),
        ("a user's key with a token", "InvalidSecurityToken.MismatchWithAccessKey", key),
        ("shortened token", "InvalidSecurityToken.MismatchWithAccessKey", {"security_token": temporary["SecurityToken"][:-1]}),
    ]:
        tally.error(name, what, lambda: read(**{**session, **change}), expect(code))
    with cloud.clock(3601 + 60):
        tally.error(name, "expired", lambda: read(**session), expect("InvalidSecurityToken.Expired", 400))
    for secret, code in [("gone", "Forbidden.ResourceNotFound"), ("forbidden", "Forbidden.NoPermission"),
                         ("leaving", "Rejected.ResourceInDeleteWindow")]:
        tally.error(name, secret, lambda: read(secret, **session), expect(code))
    narrowed = ASSUME.call(**ASSUME.good, policy='{"Version":"1","Statement":[{"Effect":"Allow","Action":"oos:*","Resource":"*"}]}')
    narrowed = narrowed["Credentials"]
    tally.error(name, "narrowed by a session policy", lambda: read(
        type="sts", access_key_id=narrowed["AccessKeyId"], access_key_secret=narrowed["AccessKeySecret"],
        security_token=narrowed["SecurityToken"]), expect("Forbidden.NoPermission", 403))

    name = "ram_role_arn"
    role = dict(type="ram_role_arn", role_arn=ROLE, role_session_name="py", **key)
    tally.success(name, "reads", lambda: read(**role), hello)
    tally.success(name, "as the role", identity, lambda arn: arn.endswith(":assumed-role/adminrole/py"))
    tally.success(name, "on top of a session", lambda: read(
        **{**session, "type": "ram_role_arn", "role_arn": f"acs:ram::{ACCOUNT}:role/adminrole", "role_session_name": "chained"}), hello)
    for what, words, change in [
        ("no such role", "EntityNotExist.Role", {"role_arn": ROLE + "x"}),
        ("not trusted", "NoPermission", {"role_arn": f"acs:ram::{ACCOUNT}:role/worker-role"}),
        ("not an ARN", "InvalidParameter.RoleArn", {"role_arn": "role"}),
        ("bad session name", "InvalidParameter.RoleSessionName", {"role_session_name": "x"}),
        ("too long", "InvalidParameter.DurationSeconds", {"role_session_expiration": 7201}),
        ("bad policy", "InvalidParameter.PolicyGrammar", {"policy": "{"}),
        ("unknown key", "InvalidAccessKeyId.NotFound", {"access_key_id": "LTAInobody"}),
        ("wrong secret", "SignatureDoesNotMatch", {"access_key_secret": "wrong"}),
        ("may not", "NoPermission", dict(zip(("access_key_id", "access_key_secret"), OUTSIDER))),
    ]:
        tally.error(name, what, lambda: read(**{**role, **change}), says(words))
    faults(tally, name, lambda: read(**role), "sts")

    name = "oidc_role_arn"
    oidc = lambda token=None, **change: read(**{
        "type": "oidc_role_arn", "role_arn": RRSA_ROLE, "oidc_provider_arn": OIDC_PROVIDER, "role_session_name": "pod",
        "oidc_token_file_path": written(cloud.token() if token is None else token), **change})
    tally.success(name, "reads", oidc, hello)
    tally.success(name, "as the role", identity, lambda arn: arn.endswith(":assumed-role/demo-role-for-rrsa/pod"))
    for what, words, token, change in [
        ("expired", "OIDCToken.Expired", cloud.token(lifetime_seconds=-5), {}),
        ("another audience", "OIDCToken.AudienceNotMatch", cloud.token(audience="vault"), {}),
        ("not a token", "OIDCToken.Invalid", "canary", {}),
        ("with a blank line", "OIDCToken.Invalid", cloud.token() + "\n", {}),
        ("empty", "MissingOIDCToken", "", {}),
        ("another pod", "AuthenticationFail.NoPermission", cloud.token(service_account="other"), {}),
        ("no such role", "EntityNotExist.Role", None, {"role_arn": RRSA_ROLE + "x"}),
        ("no such provider", "AuthenticationFail.NoPermission", None, {"oidc_provider_arn": OIDC_PROVIDER + "x"}),
        ("no file", "No such file", None, {"oidc_token_file_path": "/no/such/file"}),
    ]:
        tally.error(name, what, lambda: oidc(token, **change), says(words))
    faults(tally, name, oidc, "sts")

    name = "ecs_ram_role"
    ecs = dict(type="ecs_ram_role", role_name="worker-role", disable_imds_v1=True)
    tally.success(name, "hardened", lambda: read(**ecs), hello)
    tally.success(name, "as the instance's role", identity, lambda arn: ":assumed-role/worker-role/" in arn)
    tally.success(name, "asks for the role's name", lambda: read(type="ecs_ram_role"), hello)
    with cloud.fault({"answer": {"status": 404, "body": ""}}, service="metadata", action="/latest/api/token"):
        tally.success(name, "normal mode", lambda: read(type="ecs_ram_role"), hello)
        tally.error(name, "no token, hardened only", lambda: read(**ecs), says("404"))
    tally.error(name, "no such role", lambda: read(**{**ecs, "role_name": "other"}), says("404"))
    with cloud.fault({"set_field": {"field": "/Code", "value": "Failed"}}, service="metadata"):
        tally.error(name, "code is not Success", lambda: read(**ecs), says())
    faults(tally, name, lambda: read(**ecs), "metadata")

    name = "credentials_uri"
    uri = dict(type="credentials_uri", credentials_uri=IMDS + "worker-role")
    tally.success(name, "reads", lambda: read(**uri), hello)
    tally.error(name, "no such path", lambda: read(type="credentials_uri", credentials_uri=IMDS + "other"), says("404"))
    faults(tally, name, lambda: read(**uri), "metadata")

    name = "default chain, from the environment"
    os.environ.update(ALIBABA_CLOUD_ACCESS_KEY_ID=READER[0], ALIBABA_CLOUD_ACCESS_KEY_SECRET=READER[1])
    tally.success(name, "reads", lambda: Kms(Config(access_key_id=READER[0], access_key_secret=READER[1], region_id="cn-hangzhou"))
                  .get_secret_value(kms_models.GetSecretValueRequest(secret_name="test-kms")).body.secret_data, hello)
    for secret, code in [("gone", "Forbidden.ResourceNotFound"), ("forbidden", "Forbidden.NoPermission"),
                         ("leaving", "Rejected.ResourceInDeleteWindow")]:
        tally.error(name, secret, lambda: read(secret), expect(code))
    for code, status in [("Throttling.User", 400), ("Throttling", 429), ("InternalFailure", 500), ("Forbidden.InDebt", 403),
                         ("Forbidden.KeyNotFound", 404), ("Rejected.Disabled", 409), ("Rejected.PendingDeletion", 409)]:
        with cloud.fault({"error": {"status": status, "code": code, "message": "m"}}, service="kms"):
            tally.error(name, code, read, expect(code, status))

    # A bearer token is no signature; the fake does not take one for one.
    with_bearer = lambda: read(type="bearer", bearer_token="canary")
    try:
        with_bearer()
        tally.failures.append("bearer: no error")
    except Exception as error:
        problem = says("InvalidSignatureMethod")(error)
        if problem:
            tally.failures.append(f"bearer: {problem}: {error}")
    return tally.report("credential types, by alibabacloud_credentials")
