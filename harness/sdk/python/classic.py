"""The classic SDK, aliyun-python-sdk-core: RPC signatures 1.0 for KMS and STS, its credentials, its errors."""

import json
import os

from aliyunsdkcore.auth.credentials import (AccessKeyCredential, EcsRamRoleCredential, RamRoleArnCredential,
                                            StsTokenCredential)
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from aliyunsdkkms.request.v20160120.GetSecretValueRequest import GetSecretValueRequest
from aliyunsdksts.request.v20150401.AssumeRoleRequest import AssumeRoleRequest
from aliyunsdksts.request.v20150401.GetCallerIdentityRequest import GetCallerIdentityRequest

import cloud
from operations import ASSUME, DISABLED, OUTSIDER, READER, ROLE


def client(credential=None):
    return AcsClient(region_id="cn-hangzhou", credential=credential or AccessKeyCredential(*READER), auto_retry=False,
                     verify=os.environ["FAKE_CLOUD_CA"])


def secret_value(name="test-kms", credential=None, **params):
    request = GetSecretValueRequest()
    request.set_protocol_type("https")
    request.set_endpoint("kms.cn-hangzhou.aliyuncs.com")
    if name is not None:
        request.set_SecretName(name)
    for key, value in params.items():
        request.add_query_param(key, value)
    return json.loads(client(credential).do_action_with_exception(request))


def parameter(name="test", credential=None, **params):
    request = CommonRequest(domain="oos.cn-hangzhou.aliyuncs.com", version="2019-06-01", action_name="GetSecretParameter")
    request.set_protocol_type("https")
    request.set_method("POST")
    if name is not None:
        request.add_query_param("Name", name)
    request.add_query_param("WithDecryption", "true")
    for key, value in params.items():
        request.add_query_param(key, value)
    return json.loads(client(credential).do_action_with_exception(request))


def assume(credential=None, role=ROLE, session="classic", **params):
    request = AssumeRoleRequest()
    request.set_protocol_type("https")
    request.set_endpoint("sts.aliyuncs.com")
    request.set_RoleArn(role)
    request.set_RoleSessionName(session)
    for key, value in params.items():
        request.add_query_param(key, value)
    return json.loads(client(credential).do_action_with_exception(request))


def caller(credential=None):
    request = GetCallerIdentityRequest()
    request.set_protocol_type("https")
    request.set_endpoint("sts.aliyuncs.com")
    return json.loads(client(credential).do_action_with_exception(request))


def expect(code, status=None):
    def check(error):
        got = (error.get_error_code(), getattr(error, "get_http_status", lambda: None)())
        if got[0] != code or (status and got[1] != status):
            return f"expected {code} {status or ''}, got {got[0]} {got[1]}"
        return None

    return check


def run():
    tally = cloud.Tally()
    temporary = ASSUME.call(**ASSUME.good)["Credentials"]
    session = (temporary["AccessKeyId"], temporary["AccessKeySecret"])
    for name, act in [("GetSecretValue", secret_value), ("GetSecretParameter", parameter), ("AssumeRole", assume),
                      ("GetCallerIdentity", caller)]:
        good = {
            "GetSecretValue": lambda b: b["SecretData"] == "hello from KMS",
            "GetSecretParameter": lambda b: b["Parameter"]["Value"] == "hello from OOS",
            "AssumeRole": lambda b: b["AssumedRoleUser"]["Arn"].startswith(ROLE + "/"),
            "GetCallerIdentity": lambda b: b["AccountId"] == "1234567890120000",
        }[name]
        for what, credential in [
            ("AccessKeyCredential", AccessKeyCredential(*READER)),
            ("StsTokenCredential", StsTokenCredential(*session, temporary["SecurityToken"])),
            ("EcsRamRoleCredential", EcsRamRoleCredential("worker-role")),
            ("RamRoleArnCredential", RamRoleArnCredential(*READER, ROLE, "classic")),
        ]:
            tally.success(name, what, lambda: act(credential=credential), good)
        for what, code, status, credential in [
            ("unknown key", "InvalidAccessKeyId.NotFound", 404, AccessKeyCredential("LTAInobody", "x")),
            ("disabled key", "InvalidAccessKeyId.Inactive", 400, AccessKeyCredential(*DISABLED)),
            ("wrong secret", "SignatureDoesNotMatch", 400, AccessKeyCredential(READER[0], "wrong")),
            ("session key without token", "MissingSecurityToken", 400, AccessKeyCredential(*session)),
            ("foreign token", "InvalidSecurityToken.MismatchWithAccessKey", 400, StsTokenCredential(*session, "foreign")),
            ("a user's key with a token", "InvalidSecurityToken.MismatchWithAccessKey", 400, StsTokenCredential(*READER, "t")),
        ]:
            # This SDK compares the server's string to sign with its own; if they are the same, the secret is wrong. It
            # does so for requests with everything in the query only.
            expected = "InvalidAccessKeySecret" if code == "SignatureDoesNotMatch" and act is not parameter else code
            tally.error(name, what, lambda: act(credential=credential), expect(expected))
        for seconds in (-1000, 1000):
            with cloud.clock(seconds):
                tally.error(name, "clock", act, expect("InvalidTimeStamp.Expired", 400))
        with cloud.clock(2 * 3600):
            tally.error(name, "expired token", lambda: act(credential=StsTokenCredential(*session, temporary["SecurityToken"])),
                        expect("InvalidSecurityToken.Expired", 400))
        for status, code in [(500, "InternalError"), (503, "ServiceUnavailable"), (400, "Throttling.User"), (400, "SignatureNonceUsed")]:
            with cloud.fault({"error": {"status": status, "code": code, "message": "m"}}):
                tally.error(name, f"fault {code}", act, expect(code, status))
    denied = AccessKeyCredential(*OUTSIDER)
    for name, act, code in [("GetSecretValue", secret_value, "Forbidden.NoPermission"), ("GetSecretParameter", parameter, "Forbidden.RAM"),
                            ("AssumeRole", assume, "NoPermission")]:
        tally.error(name, "no permission", lambda: act(credential=denied), expect(code, 403))
    tally.error("GetSecretValue", "not there", lambda: secret_value("gone"), expect("Forbidden.ResourceNotFound", 404))
    tally.error("GetSecretParameter", "not there", lambda: parameter("gone"), expect("EntityNotExists.Parameter", 404))
    tally.error("AssumeRole", "not there", lambda: assume(role=ROLE + "x"), expect("EntityNotExist.Role", 404))
    return tally.report("the classic Python SDK (RPC signatures)")
