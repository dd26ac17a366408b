#!/usr/bin/env bash
# The aarch64 binary, built here and run by an emulator: Version, and one Mount from each service over TLS. Resident
# memory is measured by the gate, on x86_64 only: here most of it would be the emulator's.
set -euo pipefail
cd "$(dirname "$0")/../.."

name=csi-secrets-store-provider-alibabacloud
scripts/debian.sh qemu-aarch64-static=qemu-user-static
scripts/static.sh aarch64 2>&1 | grep '^static:'
scripts/sbom.sh aarch64

wrapper=$(mktemp)
trap 'rm -f "$wrapper"' EXIT
printf '#!/bin/sh\nexec qemu-aarch64-static %s "$@"\n' "$PWD/target/static/aarch64/$name" >"$wrapper"
chmod +x "$wrapper"
readelf -h "target/static/aarch64/$name" | grep Machine
cargo run --quiet --locked -p harness-tools --bin provider-smoke -- --emulated "$wrapper"
