#!/usr/bin/env bash
# Builds both images from the static binaries with buildah, without a daemon, and prints their sizes.
#
#   scripts/images.sh [x86_64|aarch64]
#
# They end up in buildah's own storage as localhost/csi-secrets-store-provider-alibabacloud:TAG and
# localhost/fake-cloud:TAG, TAG being the version, and as TAG-amd64 or TAG-arm64; IMAGES_STORAGE names another place for the storage.
set -euo pipefail
cd "$(dirname "$0")/.."

name=csi-secrets-store-provider-alibabacloud
arch=${1:-x86_64}
case $arch in x86_64) platform=amd64 ;; *) platform=arm64 ;; esac
tag=$(sed -n '/^\[workspace.package\]/,/^version/s/^version = "\(.*\)"/\1/p' Cargo.toml)
scripts/debian.sh buildah=buildah
storage=()
[ -z "${IMAGES_STORAGE:-}" ] || storage=(--storage-driver vfs --root "$IMAGES_STORAGE/root" --runroot "$IMAGES_STORAGE/run")

build() { # build NAME DOCKERFILE MOST_BYTES
    buildah "${storage[@]}" build --isolation chroot --quiet --arch "$platform" --timestamp 0 --identity-label=false -f "$2" \
        -t "localhost/$1:$tag" -t "localhost/$1:$tag-$platform" \
        --build-context "build=target/static/$arch" --build-arg "ARCH=$arch" --build-arg "VERSION=$tag" --build-arg "REVISION=$(git rev-parse HEAD)" . >/dev/null
    buildah "${storage[@]}" inspect --type image "localhost/$1:$tag" | python3 -c '
import json, sys
image, most = json.load(sys.stdin), int(sys.argv[1])
layers = json.loads(image["Manifest"])["layers"]
size, config = sum(layer["size"] for layer in layers), image["OCIv1"]["config"]
name, entry = image["FromImage"], config["Entrypoint"]
print(f"image {name}: {len(layers)} layer, {size} bytes (at most {most}), runs {entry} as {config['"'"'User'"'"']}")
sys.exit(len(layers) != 1 or size > most)' "$3"
}

build $name Dockerfile.scratch 4718592
build fake-cloud harness/Dockerfile.scratch 16777216
