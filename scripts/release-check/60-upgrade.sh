#!/usr/bin/env bash
# The chart on a real control plane (etcd, API server, controllers, scheduler; the nodes are played): every manifest is
# admitted, a release of the official chart is upgraded in place, rolled back and uninstalled.
set -euo pipefail
cd "$(dirname "$0")/../.."

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
harness/cluster/build.sh "$place/cluster"
# The Prometheus operator's CRDs, made from its types as it makes them itself.
GOBIN=$place go install sigs.k8s.io/controller-tools/cmd/controller-gen@v0.20.1
mkdir "$place/crds"
(cd harness/chart && "$place/controller-gen" crd output:crd:dir="$place/crds" \
    paths=github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1)
bash harness/chart/run.sh -provider none -cluster "$place/cluster" -crds "$place/crds"
