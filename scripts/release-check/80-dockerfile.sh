#!/usr/bin/env bash
# `Dockerfile.scratch` in a fresh clone, where nothing is built or installed yet: its build stage, in a builder image
# made of Debian's packages, gives the bytes that scripts/static.sh gives here.
set -euo pipefail
cd "$(dirname "$0")/../.."

name=csi-secrets-store-provider-alibabacloud arch=$(uname -m)
scripts/debian.sh buildah=buildah mmdebstrap=mmdebstrap
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
buildah=(buildah --storage-driver vfs --root "$place/root" --runroot "$place/run")

# A Debian that has nothing but the certificates which this machine trusts.
mapfile -t sources < <(find /etc/apt -name '*.sources' -o -name '*.list')
mmdebstrap --quiet --variant=minbase --include=ca-certificates bookworm "$place/debian.tar" "${sources[@]}"
working=$("${buildah[@]}" from scratch)
"${buildah[@]}" add --quiet "$working" "$place/debian.tar" / >/dev/null
"${buildah[@]}" copy --quiet "$working" /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ >/dev/null
"${buildah[@]}" commit --quiet --rm "$working" localhost/builder >/dev/null
rm "$place/debian.tar"

git clone --quiet . "$place/clone"
(cd "$place/clone" && "${buildah[@]}" build --quiet --isolation chroot --timestamp 0 -f Dockerfile.scratch \
    --build-arg BUILDER=localhost/builder -t localhost/built .) >/dev/null
built=$("${buildah[@]}" from --pull-never localhost/built)
mounted=$("${buildah[@]}" mount "$built")
(cd "$mounted" && find . -type f) # in the image
scripts/static.sh "$arch" 2>&1 | grep '^static:'
cmp "$mounted/$name" "target/static/$arch/$name"
"${buildah[@]}" inspect --type image localhost/built | python3 -c '
import json, sys
image = json.load(sys.stdin)
config = image["OCIv1"]["config"]
layers = len(image["OCIv1"]["rootfs"]["diff_ids"])
labels = config["Labels"]
print(layers, "layer, runs", config["Entrypoint"], "as", config["User"], "version", labels["org.opencontainers.image.version"])
sys.exit(layers != 1)'
echo 'the build stage makes the bytes of scripts/static.sh'
