#!/usr/bin/env python3
"""Holds docs/unsafe.md to what ships, and Cargo.toml to giving a reason for each dependency.

Run from the top of the repository. Reads the sources of every crate that is linked into the provider, or runs while it
is built, and looks for `unsafe` blocks, functions, traits and implementations; a crate that has any must have a row in
the table of docs/unsafe.md, and the table no other row.
"""

import json
import pathlib
import re
import subprocess
import sys

PACKAGE = "csi-secrets-store-provider-alibabacloud"
UNSAFE = re.compile(r"\bunsafe\b\s*(\{|fn\b|impl\b|trait\b|extern\b)")
COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], check=True, capture_output=True, text=True).stdout


def shipped():
    """Directories of the crates of the provider's own graph, by name."""
    tree = cargo("tree", "--locked", "-e", "normal,build", "-p", PACKAGE, "--prefix", "none", "--format", "{p}")
    names = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
    packages = json.loads(cargo("metadata", "--locked", "--format-version", "1"))["packages"]
    return {
        package["name"]: pathlib.Path(package["manifest_path"]).parent
        for package in packages
        if (package["name"], "v" + package["version"]) in names and package["source"]
    }


def has_unsafe(directory):
    return any(
        UNSAFE.search(COMMENT.sub("", path.read_text(errors="replace")))
        for path in sorted((directory / "src").rglob("*.rs"))
    )


def without_reason(manifest):
    """Dependencies of what ships whose line says nothing after it."""
    section = re.search(r"^\[dependencies\]\n(.*?)(?=^\[)", manifest.read_text(), re.MULTILINE | re.DOTALL)
    lines = [line for line in section.group(1).splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) < 10:
        sys.exit("supply chain: no dependencies were found; has Cargo.toml another shape?")
    return [line.split("=")[0].strip() for line in lines if not re.search(r"#\s*\w", line)]


def main():
    problems = [f"Cargo.toml gives no reason for {name}" for name in without_reason(pathlib.Path("Cargo.toml"))]
    crates = shipped()
    found = {name for name, directory in crates.items() if has_unsafe(directory)}
    table = set(re.findall(r"^\| `([^`]+)` \|", pathlib.Path("docs/unsafe.md").read_text(), re.MULTILINE))
    problems += [f"docs/unsafe.md has no row for {name}" for name in sorted(found - table)]
    problems += [f"docs/unsafe.md has a row for {name}, which has none or does not ship" for name in sorted(table - found)]
    for problem in problems:
        print(f"supply chain: {problem}")
    print(f"supply chain: {len(crates)} crates, {len(found)} with unsafe code, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
