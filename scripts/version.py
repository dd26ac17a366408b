"""One version everywhere: python3 scripts/version.py [ROOT] compares what names this project's version with Cargo.toml."""

import re
import sys
from pathlib import Path

NAME = "csi-secrets-store-provider-alibabacloud"
SEMVER = r"\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?"

root = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
found = []  # (file, line number, version)


def look(paths, pattern):
    """Every match of the pattern, whose group is a version; a file without any is an error."""
    for path in paths:
        text = (root / path).read_text()
        matches = list(re.finditer(pattern, text, re.MULTILINE))
        if not matches:
            sys.exit(f"{path}: expected a version ({pattern}), found none")
        found.extend((path, text.count("\n", 0, match.start(1)) + 1, match[1]) for match in matches)


def files(glob, containing):
    paths = [path.relative_to(root) for path in sorted(root.glob(glob))]
    return [path for path in paths if re.search(containing, (root / path).read_text())]


version = re.search(r'^\[workspace\.package\]\nversion = "(.*)"$', (root / "Cargo.toml").read_text(), re.MULTILINE)[1]
if not re.fullmatch(SEMVER, version):
    sys.exit(f"Cargo.toml: {version} is not a semantic version")
look(["Cargo.lock"], rf'^name = "(?:{NAME}|harness|harness-tools|simulation)"\nversion = "(.*)"$')
look([f"charts/{NAME}/Chart.yaml"], r"^(?:version|appVersion): \"?([^\s\"]*)")
look(["Dockerfile.scratch", "harness/Dockerfile.scratch"], r"^ARG VERSION=(\S*)$")
look(["docs/verify.md", "docs/install.md", "docs/install.zh-CN.md"], r"^VERSION=(\S*)$")
# An image by tag, or a chart by version, wherever a user would copy it from.
image = rf"{NAME}(?:-chart)?:v?({SEMVER})"
for glob in ["*.md", "docs/*.md", f"charts/{NAME}/*.md", "deploy/*.yaml", "harness/chart/deploy/*.yaml"]:
    look(files(glob, image), image)
look(files("deploy/*.yaml", "^"), r'app\.kubernetes\.io/version: "([^"]*)"')

headings = re.findall(r"^## \[?([^\]\s]+)", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
released = [heading for heading in headings if heading != "Unreleased"]
if headings[:1] != ["Unreleased"] and released[:1] != [version]:
    sys.exit(f"CHANGELOG.md: expected Unreleased or {version} as first heading, found {headings[:1]}")
if released:
    found.append(("CHANGELOG.md", 0, released[0]))

wrong = [f"{path}:{line}: expected {version} as in Cargo.toml, found {other}" for path, line, other in found if other != version]
print("\n".join(wrong) if wrong else f"version {version}: the same in {len(found)} places of {len({path for path, _, _ in found})} files")
sys.exit(1 if wrong else 0)
