"""The fake cloud's controls, and a tally of what was tried."""

import collections
import contextlib
import json
import os
import urllib.parse
import urllib.request

BASE = os.environ.get("FAKE_CLOUD_HTTP", "http://127.0.0.1:8480")


def control(method, path, body=None):
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(BASE + "/_fake/" + path, data=data, method=method)
    with urllib.request.urlopen(request) as answer:
        text = answer.read()
    return text.decode()


def put_kms(name, value):
    control("PUT", "kms/" + urllib.parse.quote(name), value.encode())


def put_oos(name, value):
    control("PUT", "oos/" + urllib.parse.quote(name), value.encode())


def delete(service, name):
    control("DELETE", f"{service}/{urllib.parse.quote(name)}")


def token(namespace="rrsa-demo", service_account="demo-sa", **more):
    return control("POST", "tokens", {"namespace": namespace, "service_account": service_account, **more})


def requests(after=0):
    return json.loads(control("GET", f"requests?after={after}"))


def last_request():
    return requests()[-1]


@contextlib.contextmanager
def fault(then, **rule):
    control("POST", "faults", {"then": then, **rule})
    if "certificate" in then:  # a connection that is kept has shown its certificate
        control("DELETE", "connections")
    try:
        yield
    finally:
        control("DELETE", "faults")


@contextlib.contextmanager
def clock(offset_seconds):
    control("PUT", "clock", {"offset_seconds": offset_seconds})
    try:
        yield
    finally:
        control("PUT", "clock", {"offset_seconds": 0})


class Tally:
    """Counts successes and errors by subject; collects what was not as expected."""

    def __init__(self):
        self.passed = collections.defaultdict(lambda: {"success": 0, "error": 0})
        self.failures = []

    def success(self, subject, what, act, check):
        try:
            got = act()
            good = check(got)
        except Exception as error:  # whatever the SDK raises is the finding
            self.failures.append(f"{subject}: {what}: raised {type(error).__name__}: {error}")
            return None
        if good is False:
            self.failures.append(f"{subject}: {what}: read {got!r}")
            return None
        self.passed[subject]["success"] += 1
        return got

    def error(self, subject, what, act, check):
        """`check` gets the exception and says what is wrong with it, or None."""
        try:
            got = act()
        except Exception as error:
            problem = check(error)
            if problem:
                self.failures.append(f"{subject}: {what}: {problem} ({type(error).__name__}: {str(error)[:300]})")
            else:
                self.passed[subject]["error"] += 1
            return
        self.failures.append(f"{subject}: {what}: no error, but {got!r}"[:400])

    def report(self, title, least_errors=10):
        print(f"{title}:")
        for subject, counts in self.passed.items():
            print(f"  {subject:<46} {counts['success']:>3} successes {counts['error']:>3} errors")
            if counts["success"] < 1 or counts["error"] < least_errors:
                self.failures.append(f"{subject}: too few cases")
        for failure in self.failures:
            print("  FAILED", failure)
        total = sum(c["success"] + c["error"] for c in self.passed.values())
        print(f"  {total} cases passed, {len(self.failures)} failed")
        return not self.failures
