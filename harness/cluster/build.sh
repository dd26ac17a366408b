#!/usr/bin/env bash
# Builds the control plane of this directory: build.sh OUTPUT.
set -euo pipefail
output=$(realpath "$1")
cd "$(dirname "$0")"

version=$(sed -n 's/^\tk8s.io\/kubernetes //p' go.mod)
part=k8s.io/component-base/version minor=${version#v1.}
go build -mod=readonly -o "$output" \
    -ldflags "-s -w -X $part.gitVersion=$version -X $part.gitMajor=1 -X $part.gitMinor=${minor%%.*}" .
