#!/usr/bin/env bash
# The bill of materials (CycloneDX 1.5, JSON) of a binary that scripts/static.sh built, made from the lock file, and
# compared with the dependency list that the binary carries.
#
#   scripts/sbom.sh [x86_64|aarch64] [fake-cloud]
#
# Writes target/static/<architecture>/<name>.cdx.json.
set -euo pipefail
cd "$(dirname "$0")/.."

name=${2:-csi-secrets-store-provider-alibabacloud}
arch=${1:-x86_64}
work=target/static/$arch bill=target/static/$arch/$name.cdx.json
manifest=.
if [ "$name" = fake-cloud ]; then manifest=harness; fi

cyclonedx=$(scripts/cargo-tool.sh cargo-cyclonedx)
rust_audit_info=$(scripts/cargo-tool.sh rust-audit-info)

export SOURCE_DATE_EPOCH=0
"$cyclonedx" cyclonedx -q --format json --spec-version 1.5 --target "$arch-unknown-linux-musl" --override-filename sbom
# It writes one beside each manifest, and names the manifest's directory.
sed "s#$PWD#.#g" "$manifest/sbom.json" >"$bill"
rm -- sbom.json */sbom.json

"$rust_audit_info" "$work/$name" >"$work/embedded.json"
python3 - "$bill" "$work/embedded.json" <<'PYTHON'
import json, sys
bill, embedded = (json.load(open(path)) for path in sys.argv[1:])
listed = {(c["name"], c["version"]) for c in bill["components"]}
linked = {(p["name"], p["version"]) for p in embedded["packages"] if not p.get("root")}
if listed != linked or not listed:
    sys.exit(f"sbom: only in the bill {sorted(listed - linked)}, only in the binary {sorted(linked - listed)}")
if any("hashes" not in c or "licenses" not in c for c in bill["components"]):
    sys.exit("sbom: a component without hash or licence")
print(f"sbom: {sys.argv[1]}: {len(listed)} components with hash and licence, the same as the binary carries")
PYTHON
