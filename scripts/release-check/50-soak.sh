#!/usr/bin/env bash
# An hour of Mounts with a cloud that fails now and then, in six windows, on the static binary. SOAK_SECONDS for less.
set -euo pipefail
scripts/static.sh x86_64
cargo run --quiet --locked --release -p harness-tools --bin soak -- \
    target/static/x86_64/csi-secrets-store-provider-alibabacloud --seconds "${SOAK_SECONDS:-3600}" --windows 6 --faults
