#!/usr/bin/env bash
# Every cell of the fault matrix, on the release binary.
set -euo pipefail
cargo build --quiet --locked --release --bin csi-secrets-store-provider-alibabacloud
cargo run --quiet --locked --release -p harness-tools --bin fault-matrix -- target/release/csi-secrets-store-provider-alibabacloud
