"""The context of `docker build`: python3 scripts/context-check.py says which files cargo needs and .dockerignore excludes.

Cargo reads the manifest of every workspace member and looks for every target that it names, whatever is built.
"""

import subprocess
import sys
import tomllib
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

patterns = []  # (parts, whether the file is kept); the last match decides
for line in Path(".dockerignore").read_text().splitlines():
    line = line.strip()
    if not line or line.startswith("#"):
        continue
    if "**" in line:
        sys.exit(f".dockerignore: {line}: this check does not know **")
    patterns.append((PurePosixPath(line.removeprefix("!").strip("/")).parts, line.startswith("!")))


def kept(path):
    """As Docker decides: a pattern matches the file, or a directory above it."""
    parts, answer = PurePosixPath(path).parts, True
    for pattern, keep in patterns:
        head = parts[: len(pattern)]
        if len(head) == len(pattern) and all(map(fnmatchcase, head, pattern)):
            answer = keep
    return answer


def needed(member):
    """Manifest, sources and named targets of a member, and the manifests of its path dependencies."""
    place = Path(member)
    manifest = tomllib.loads((place / "Cargo.toml").read_text())
    yield place / "Cargo.toml"
    for name in subprocess.check_output(["git", "ls-files", "-z", "--", place / "src"], text=True).split("\0"):
        if name:
            yield Path(name)
    for kind, directory in [("bin", "src/bin"), ("bench", "benches"), ("test", "tests"), ("example", "examples")]:
        for target in manifest.get(kind, []):
            yield place / target.get("path", f"{directory}/{target['name']}.rs")
    if "path" in manifest.get("lib", {}):
        yield place / manifest["lib"]["path"]
    if (place / "build.rs").exists():
        yield place / "build.rs"
    for table in ["dependencies", "dev-dependencies", "build-dependencies"]:
        for dependency in manifest.get(table, {}).values():
            if isinstance(dependency, dict) and "path" in dependency:
                other = (place / dependency["path"]).resolve().relative_to(Path.cwd())
                yield other / "Cargo.toml"


members = tomllib.loads(Path("Cargo.toml").read_text())["workspace"]["members"]
files = {path for member in members for path in needed(member)}
excluded = sorted(str(path) for path in files if not kept(path))
for path in excluded:
    print(f".dockerignore: {path} is excluded, but cargo needs it; add a line !{path}, or of a directory above it")
if excluded:
    sys.exit(1)
print(f"{len(members)} workspace members, {len(files)} files: all in the context of docker build")
