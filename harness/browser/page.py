"""The page under /_fake/ in headless Chromium, driven through ChromeDriver: python3 page.py FAKE-CLOUD [SCREENSHOT]."""

import base64
import json
import subprocess
import sys
import tempfile
import time
import urllib.request

DRIVER = "http://127.0.0.1:9515"


def ask(method, url, body=None):
    data = None if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read() or "null")


def until(what, act):
    """Asks again until it is so; gives up after many times."""
    last = None
    for _ in range(200):
        try:
            last = act()
            if last:
                return last
        except OSError as error:
            last = error
        time.sleep(0.1)
    sys.exit(f"FAILED: {what}: {last!r}")


class Browser:
    def __init__(self, profile):
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync", "--window-size=1200,1500", f"--user-data-dir={profile}"]
        capabilities = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": {"args": flags, "binary": "/usr/bin/chromium"},
                                        "goog:loggingPrefs": {"browser": "ALL"}}}
        session = ask("POST", DRIVER + "/session", {"capabilities": capabilities})["value"]["sessionId"]
        self.url = f"{DRIVER}/session/{session}"

    def run(self, script):
        return ask("POST", self.url + "/execute/sync", {"script": script, "args": []})["value"]

    def text(self, selector):
        return self.run(f"return document.querySelector({json.dumps(selector)}).innerText")


def main():
    with tempfile.TemporaryDirectory() as work, subprocess.Popen(
        [sys.argv[1], "serve", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--ca", "-"], stdout=subprocess.PIPE, text=True
    ) as cloud, subprocess.Popen(["chromedriver", "--port=9515"], stdout=subprocess.DEVNULL) as driver:
        try:
            check(cloud.stdout.readline().split()[3], work)
        finally:
            cloud.terminate()
            driver.terminate()


def check(base, work):
    until("ChromeDriver", lambda: ask("GET", DRIVER + "/status")["value"]["ready"])
    browser = Browser(work)
    ask("POST", browser.url + "/url", {"url": base + "/_fake"})
    until("names and stages", lambda: "v3 ACSCurrent release" in browser.text("#secrets"))
    assert "rotated\t3" in browser.text("#parameters"), browser.text("#parameters")
    assert "Account 1234567890120000, region cn-hangzhou" in browser.text("#where")
    identities = browser.text("#identities")
    assert "csi-provider" in identities and "worker-role" in identities and "read-secrets" in identities, identities
    assert browser.text("#faults tbody") == "none: everything works"

    # What happens while the page is open comes by itself: a fault, a request, a value.
    ask("POST", base + "/_fake/faults", {"service": "metadata", "action": "*zone*", "then": {"html": {"status": 502}}})
    until("an active fault", lambda: '"html":{"status":502}' in browser.text("#faults"))
    urllib.request.urlopen(base + "/latest/meta-data/region-id").read()
    try:
        urllib.request.urlopen(base + "/latest/meta-data/zone-id")
    except urllib.error.HTTPError as error:
        assert error.code == 502
    until("requests", lambda: "/latest/meta-data/region-id" in browser.text("#requests") and "502" in browser.text("#requests"))
    canary = "canary-value"
    ask("PUT", base + "/_fake/kms/%3Cimg%20src=x%20onerror=alert(1)%3E", canary)
    until("a name that looks like markup", lambda: "<img src=x onerror=alert(1)>" in browser.text("#secrets"))
    assert browser.run("return document.images.length") == 0, "a name became markup"
    page = browser.run("return document.documentElement.outerHTML")
    for secret in [canary, "hello from KMS", "FakeCloudProviderSecret"]:
        assert secret not in page, secret

    if len(sys.argv) > 2:
        with open(sys.argv[2], "wb") as file:
            file.write(base64.b64decode(ask("GET", browser.url + "/screenshot")["value"]))
    browser.run("document.querySelector('#faults button').click()")
    until("the fault is removed", lambda: browser.text("#faults tbody") == "none: everything works")
    assert ask("GET", base + "/_fake/faults") == []
    log = ask("POST", browser.url + "/se/log", {"type": "browser"})["value"]
    assert [entry for entry in log if entry["level"] == "SEVERE"] == [], log
    ask("DELETE", browser.url)
    print("the page shows names, versions, identities, faults and requests as they come, and no value")


if __name__ == "__main__":
    main()
