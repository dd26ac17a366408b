#!/usr/bin/env bash
# Installs what the chart's checks need (helm, promtool, the driver's chart, the checks themselves), each once and outside of the
# repository, and runs them. Arguments go to chartcheck: -provider BINARY, and -update to write what is generated.
set -euo pipefail
cd "$(dirname "$0")"

promtool_version=0.316.0
tools=${XDG_CACHE_HOME:-$HOME/.cache}/csi-provider-tools
chart=../../charts/csi-secrets-store-provider-alibabacloud

helm=$(../../scripts/go-tool.sh helm)
if ! "$tools/bin/promtool" --version 2>/dev/null | grep -q "version $promtool_version "; then
    # Without the ways to discover targets in every cloud, which are most of it.
    GOBIN=$tools/bin go install -tags remove_all_sd \
        -ldflags "-s -w -X github.com/prometheus/common/version.Version=$promtool_version" \
        "github.com/prometheus/prometheus/cmd/promtool@v$promtool_version"
fi
go build -mod=readonly -o "$tools/bin/chartcheck" .
driver=$(../../scripts/release/driver-chart.sh)

# The chart with the driver's own beside it, as `helm dependency build` would have put it there.
staged=$(mktemp -d)
trap 'rm -rf "$staged"' EXIT
cp -R "$chart/." "$staged"
mkdir -p "$staged/charts"
cp -R "$driver" "$staged/charts/"
chmod -R u+w "$staged"

provider=
previous=
for argument in "$@"; do
    [ "$previous" = -provider ] && provider=$argument
    previous=$argument
done
[ -n "$provider" ] || { echo 'usage: run.sh -provider BINARY [-update]'; exit 2; }
cd ../..
"$tools/bin/chartcheck" -helm "$helm" -promtool "$tools/bin/promtool" -chart "$staged" -here harness/chart -deploy deploy "$@"
