#!/usr/bin/env bash
# Two builds of the committed sources, in directories of different names and depths, for users with different homes,
# with crates and tools of their own: one hash.
set -euo pipefail
cd "$(dirname "$0")/../.."

name=csi-secrets-store-provider-alibabacloud
places=$(mktemp -d)
trap 'rm -rf "$places"' EXIT
hashes=()
export RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
for place in "$places/a" "$places/another/much/longer"; do
    mkdir -p "$place"
    git archive HEAD | tar -x -C "$place"
    HOME=$place/home CARGO_HOME=$place/home/.cargo XDG_CACHE_HOME=$place/home/.cache "$place/scripts/static.sh" x86_64 2>&1 | grep '^static:'
    hashes+=("$(sha256sum "$place/target/static/x86_64/$name" | cut -d' ' -f1)")
    echo "${hashes[-1]}"
    rm -rf "$place"
done
[ "${hashes[0]}" = "${hashes[1]}" ] || { echo 'the two differ'; exit 1; }
echo 'the same bytes twice'
