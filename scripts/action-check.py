#!/usr/bin/env python3
"""Runs action.yml as a runner does: the steps of the composite action, with inputs and files as GitHub gives them.

    scripts/action-check.py FAKE_CLOUD PROVIDER

Needs PyYAML. Cases: a directory with the programs, a release to download, wrong ones, and what a test's outcome is.
"""
import hashlib
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
FAKE_CLOUD, PROVIDER = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
failures = []


def run(directory, inputs, releases="file:///nowhere", ref="v0.1.0"):
    """Exit code and output of all steps, as the runner would run them."""
    unknown = set(inputs) - set(ACTION["inputs"])
    assert not unknown, unknown
    path_file = directory / "path"
    path_file.write_text("")

    def evaluated(text):
        def value(match):
            for part in match[1].split("||"):
                name = part.strip()
                found = (
                    inputs.get(name.removeprefix("inputs."), "")
                    if name.startswith("inputs.")
                    else {"github.action_ref": ref, "github.server_url": releases, "github.action_repository": "x"}[name]
                )
                if found:
                    return found
            return ""

        return re.sub(r"\$\{\{(.*?)\}\}", value, text)

    output = ""
    for step in ACTION["runs"]["steps"]:
        assert step["shell"] == "bash", step
        added = path_file.read_text().split("\n")[:-1]
        environment = {
            "PATH": ":".join(added + ["/usr/bin", "/bin"]),
            "HOME": str(directory),
            "GITHUB_ACTION_PATH": str(ROOT),
            "GITHUB_PATH": str(path_file),
            "RUNNER_TEMP": str(directory),
            **{name: evaluated(text) for name, text in step["env"].items()},
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
        )
        output += done.stdout
        if done.returncode:
            return done.returncode, output
    return 0, output


def case(name, code, words, directory, inputs, **options):
    found, output = run(directory, inputs, **options)
    good = found == code and words in output
    print(f"{'ok' if good else 'FAILED':6} {name}")
    if not good:
        failures.append(name)
        print(f"  expected code {code} and {words!r}, found {found}:\n{output}")


with tempfile.TemporaryDirectory() as temporary:
    work = pathlib.Path(temporary)
    programs = work / "programs"
    programs.mkdir()
    shutil.copy(FAKE_CLOUD, programs / "fake-cloud")
    shutil.copy(PROVIDER, programs / "csi-secrets-store-provider-alibabacloud")
    expected = work / "expected"
    expected.mkdir()
    (expected / "ssh-key").write_text("a private key")
    (work / "class.yaml").write_text(
        "kind: SecretProviderClass\nmetadata: {name: c}\nspec:\n  provider: alibabacloud\n  parameters:\n    objects: \"- objectName: ssh-key\"\n"
    )
    inputs = {"class": str(work / "class.yaml"), "state": "examples/state.yaml", "expect": str(expected)}
    here = {**inputs, "directory": str(programs)}
    case("programs of a directory", 0, "ok: ", work, here)
    case("a fault that strikes", 0, "ok: ", work, {**here, "faults": "kms=throttle:1\n"})
    case("a fault that does not", 1, "no request met the fault", work, {**here, "faults": "kms=throttle:1\noos=throttle:1\n"})
    case("an expected error", 0, "ok: ", work, {"class": inputs["class"], "state": inputs["state"], "directory": str(programs), "expect-error": "403 Forbidden", "faults": "kms=403"})
    (expected / "ssh-key").write_text("another")
    case("a difference", 1, "expected \"another\"", work, here)
    (expected / "ssh-key").write_text("a private key")
    case("a directory without the programs", 1, "has no program fake-cloud", work, {**inputs, "directory": str(expected)})

    arch = {"x86_64": "x86_64", "aarch64": "aarch64"}[platform.machine()]
    release = work / "releases" / "x" / "releases" / "download" / "v0.1.0"
    release.mkdir(parents=True)
    sums = ""
    for program in ("fake-cloud", "csi-secrets-store-provider-alibabacloud"):
        file = release / f"{program}-0.1.0-linux-{arch}"
        shutil.copy(programs / program, file)
        sums += f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
    (release / "SHA256SUMS").write_text(sums)
    server = f"file://{work}/releases"
    case("a release by the action's own version", 0, "ok: ", work, inputs, releases=server)
    case("a release by its version", 0, "ok: ", work, {**inputs, "version": "v0.1.0"}, releases=server, ref="main")
    case("a branch names no release", 1, "expected a release such as v1.2.3", work, inputs, releases=server, ref="main")
    case("a release that is not there", 1, "cannot download", work, {**inputs, "version": "v9.9.9"}, releases=server)
    with open(release / f"fake-cloud-0.1.0-linux-{arch}", "ab") as file:
        file.write(b"x")
    case("a program that was tampered with", 1, "is not what SHA256SUMS says", work, inputs, releases=server)

print(f"{len(failures)} of the action's cases failed" if failures else "every case of the action passed")
sys.exit(1 if failures else 0)
