#!/usr/bin/env bash
# The driver's chart, at the version of Chart.yaml, from its Go module; prints its directory, which is read-only.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=$(sed -n '/name: secrets-store-csi-driver$/,/version:/s/^ *version: //p' charts/*/Chart.yaml)
cd /
directory=$(go mod download -json "sigs.k8s.io/secrets-store-csi-driver@v$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
echo "$directory/charts/secrets-store-csi-driver"
