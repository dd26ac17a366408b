#!/usr/bin/env bash
# Makes everything that a release publishes, from the committed sources, in dist/: binaries of both architectures with
# their bills of materials, an OCI image index for each image, the chart, static manifests, provenance, notes, checksums.
# The same commit and toolchain give the same bytes.
#
#   scripts/release.sh VERSION
#
# RELEASE_REGISTRY  where scripts/publish.sh pushes; the chart and the manifests name the image there, by digest
# RELEASE_SOURCE    the repository's page
# RELEASE_BUILDER   who builds, as a URI, for the provenance
set -euo pipefail
cd "$(dirname "$0")/.."

refuse() { echo "release: $1" >&2; exit 2; }
[ $# -eq 1 ] || refuse 'expected one argument: the version, such as 1.2.3'
for tool in git cargo go python3 buildah; do
    command -v $tool >/dev/null || refuse "$tool is missing; install it, or add it to PATH"
done
version=$1 own=$(sed -n '/^\[workspace.package\]/,/^version/s/^version = "\(.*\)"/\1/p' Cargo.toml)
[ "$version" = "$own" ] || refuse "expected version $own as in Cargo.toml, found $version"
found=$(python3 scripts/version.py 2>&1) || refuse "$(head -1 <<<"$found")"
grep -qE "^## \[?$version\]?( |$)" CHANGELOG.md || refuse "CHANGELOG.md: expected a heading ## $version"
changes=$(git status --porcelain 2>&1) || refuse 'this is not a git repository'
[ -z "$changes" ] || refuse "expected a clean working tree, found changes: commit, stash or remove $(awk 'NR == 1 {print $2}' <<<"$changes")"

RELEASE_REGISTRY=${RELEASE_REGISTRY:-registry.example.com}
export RELEASE_REGISTRY=${RELEASE_REGISTRY,,} # as image names are
export RELEASE_SOURCE=${RELEASE_SOURCE:-https://example.com/csi-secrets-store-provider-alibabacloud}
export RELEASE_BUILDER=${RELEASE_BUILDER:-https://example.com/somebody}
name=csi-secrets-store-provider-alibabacloud
rm -rf dist && mkdir dist

IMAGES_STORAGE=$(mktemp -d)
export IMAGES_STORAGE
trap 'rm -rf "$IMAGES_STORAGE"' EXIT
buildah=(buildah --storage-driver vfs --root "$IMAGES_STORAGE/root" --runroot "$IMAGES_STORAGE/run")
for arch in x86_64 aarch64; do
    for program in $name fake-cloud; do
        scripts/static.sh $arch $program
        scripts/sbom.sh $arch $program
        cp "target/static/$arch/$program" "dist/$program-$version-linux-$arch"
        cp "target/static/$arch/$program.cdx.json" "dist/$program-$version-linux-$arch.cdx.json"
    done
    scripts/images.sh $arch
done
for program in $name fake-cloud; do
    "${buildah[@]}" manifest create "localhost/$program:index" >/dev/null
    for platform in amd64 arm64; do
        "${buildah[@]}" manifest add "localhost/$program:index" "localhost/$program:$version-$platform" >/dev/null
    done
    "${buildah[@]}" manifest push --quiet --all "localhost/$program:index" "oci:dist/$program.oci:v$version" >/dev/null
done

helm=$(scripts/go-tool.sh helm)
driver=$(scripts/release/driver-chart.sh)
python3 scripts/release/package.py "$version" "$helm" "$driver"
(cd dist && find . -type f ! -name SHA256SUMS -printf '%P\n' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
echo "release $version: $(wc -l <dist/SHA256SUMS) files in dist/, sha256 of SHA256SUMS $(sha256sum <dist/SHA256SUMS | cut -d' ' -f1)"
