"""The parts of a release that are text: python3 scripts/release/package.py VERSION HELM DRIVER-CHART, after the images.

Writes the chart, the static manifests, the provenance of each image and the notes into dist/.
"""

import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

NAME = "csi-secrets-store-provider-alibabacloud"
version, helm, driver = sys.argv[1:]
registry, source, builder = (os.environ[key] for key in ("RELEASE_REGISTRY", "RELEASE_SOURCE", "RELEASE_BUILDER"))
dist = Path("dist")


def digest(program):
    (index,) = json.loads((dist / f"{program}.oci/index.json").read_text())["manifests"]
    return index["digest"]


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def replaced(text, old, new):
    if text.count(old) != 1:
        sys.exit(f"release: expected {old!r} once, found it {text.count(old)} times")
    return text.replace(old, new)


def notes():
    """The version's section of the changelog."""
    section = re.search(rf"^## \[?{re.escape(version)}\]?.*?\n(.*?)(?=^## |\Z)", Path("CHANGELOG.md").read_text(), re.M | re.S)
    return section[1].strip() + "\n"


def images():
    lines = [f"{registry}/{program}:v{version}@{digest(program)}\n" for program in (NAME, "fake-cloud")]
    return "".join(lines)


def changes():
    """The lines of the changelog, each of the kind that its heading names."""
    kind = "added"
    for line in notes().splitlines():
        if line.startswith("### "):
            kind = line[4:].lower()
        elif line.startswith("- "):
            yield {"kind": kind, "description": line[2:]}


def annotations():
    """What Artifact Hub shows. A JSON text is a YAML text too.

    No artifacthub.io/signKey: it names the PGP key of a Helm provenance file. The chart is signed by cosign, mostly
    without a key that lasts; docs/verify.md, which a link names, has the identity to trust.
    """
    return {
        "artifacthub.io/license": "Apache-2.0",
        "artifacthub.io/category": "security",
        "artifacthub.io/changes": json.dumps(list(changes()), ensure_ascii=False),
        "artifacthub.io/images": json.dumps([{
            "name": "provider",
            "image": f"{registry}/{NAME}:v{version}@{digest(NAME)}",
            "platforms": ["linux/amd64", "linux/arm64"],
        }]),
        "artifacthub.io/links": json.dumps([{"name": "Verify signatures", "url": f"{source}/blob/v{version}/docs/verify.md"}]),
    }


def chart(staged):
    shutil.copytree(f"charts/{NAME}", staged)
    shutil.copytree(driver, staged / "charts/secrets-store-csi-driver", copy_function=shutil.copyfile)
    for path in staged.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    values = staged / "values.yaml"
    text = replaced(values.read_text(), "    # Where you pushed the image that Dockerfile.scratch builds. There is no default.\n", "")
    text = replaced(text, 'repository: ""', f"repository: {registry}/{NAME}")
    values.write_text(replaced(text, 'digest: ""', f"digest: {digest(NAME)}"))
    about = {
        "home": source,
        "sources": [source],
        "icon": f"{source}/raw/v{version}/charts/{NAME}/icon.svg",
        "maintainers": [{"name": f"The authors of {NAME}", "url": source}],
        "annotations": annotations(),
    }
    with (staged / "Chart.yaml").open("a") as file:
        file.writelines(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in about.items())
    output(helm, "lint", "--strict", str(staged))
    output(helm, "package", str(staged), "--destination", str(staged.parent))
    # Helm puts the time into its archive. The same files, in order, without.
    packed = io.BytesIO()
    with tarfile.open(staged.parent / f"{NAME}-{version}.tgz") as theirs, tarfile.open(fileobj=packed, mode="w") as ours:
        for member in sorted(theirs.getmembers(), key=lambda member: (member.name != f"{NAME}/Chart.yaml", member.name)):
            clean = tarfile.TarInfo(member.name)
            clean.size, clean.mode = member.size, 0o644
            ours.addfile(clean, theirs.extractfile(member))
    with gzip.GzipFile(dist / f"{NAME}-{version}.tgz", "wb", mtime=0) as file:
        file.write(packed.getvalue())


def provenance():
    """SLSA provenance v1, as the predicate of an in-toto statement; whoever signs adds the subject."""
    crates = tomllib.loads(Path("Cargo.lock").read_text())["package"]
    materials = [{"uri": f"git+{source}@refs/tags/v{version}", "digest": {"gitCommit": output("git", "rev-parse", "HEAD")}}]
    materials += [
        {"uri": f"pkg:cargo/{crate['name']}@{crate['version']}", "digest": {"sha256": crate["checksum"]}}
        for crate in crates if "checksum" in crate
    ]
    return {
        "buildDefinition": {
            "buildType": f"{source}/blob/v{version}/scripts/release.sh",
            "externalParameters": {"version": version, "source": source},
            "internalParameters": {"rustc": compiler(), "buildah": output("buildah", "--version")},
            "resolvedDependencies": materials,
        },
        "runDetails": {"builder": {"id": builder}},
    }


def compiler():
    """The compiler that the binary names in its .comment section."""
    comment = subprocess.run(["readelf", "-p", ".comment", dist / f"{NAME}-{version}-linux-x86_64"], capture_output=True, text=True).stdout
    return next(iter(re.findall(r"rustc version [^\n]*", comment)), "unknown")


with tempfile.TemporaryDirectory() as place:
    chart(Path(place) / NAME)
for manifest in sorted(Path("deploy").glob("*.yaml")):
    # Below the generated head, which asks for the reader's own image.
    objects = manifest.read_text().partition("---\n")[2].replace(f"{NAME}:v{version}", f"{registry}/{NAME}@{digest(NAME)}")
    head = "# The provider without Helm; what each file is for: docs/install.md. The driver is not in here.\n---\n"
    (dist / manifest.name).write_text(head + objects)
(dist / "provenance.json").write_text(json.dumps(provenance(), indent=1) + "\n")
(dist / "images.txt").write_text(images())
(dist / "notes.md").write_text(f"{notes()}\nImages:\n\n```text\n{images()}```\n")
