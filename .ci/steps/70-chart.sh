# shellcheck shell=bash
# The chart: lint, render, snapshots, strict decoding, the official values. See harness/chart/README.md.

chart() {
    command -v go >/dev/null || { echo 'Go is not installed'; return 1; }
    bash harness/chart/run.sh -provider "$static"
}

step 'chart: lint, render, decode, snapshots, official values, static manifests' chart
