#!/usr/bin/env bash
# A release from commit to verified pull: made twice in fresh clones with the same bytes, pushed to a registry on
# loopback with a throw-away key, verified by the commands of docs/verify.md, pulled for both architectures, rendered
# from the chart in the registry by the command of docs/install.md. Then what must be refused.
#
# RELEASE_DIST=DIRECTORY takes a dist/ that scripts/release.sh made for REGISTRY 127.0.0.1:5085 before.
set -euo pipefail
cd "$(dirname "$0")/../.."

name=csi-secrets-store-provider-alibabacloud
version=$(sed -n '/^\[workspace.package\]/,/^version/s/^version = "\(.*\)"/\1/p' Cargo.toml)
export REGISTRY=127.0.0.1:5085 VERSION=$version REPOSITORY=https://example.com/repository
crane=$(scripts/go-tool.sh crane) cosign=$(scripts/go-tool.sh cosign) helm=$(scripts/go-tool.sh helm)
place=$(mktemp -d)
registry=
finish() { [ -z "$registry" ] || kill "$registry"; rm -rf "$place"; }
trap finish EXIT
fail() { echo "release check: $*"; exit 1; }
count=0
refused() { # refused WHAT WORDS COMMAND…
    if "${@:3}" >"$place/said" 2>&1; then fail "$1 is not refused"; fi
    grep -q -- "$2" "$place/said" || { cat "$place/said"; fail "$1: refused, but not for \"$2\""; }
    echo "refused: $1: $(grep -m 1 -o -- "$2" "$place/said")"
    count=$((count + 1))
}

# Twice, in directories of different names. A changelog that still says Unreleased gets its heading.
if [ -z "${RELEASE_DIST:-}" ]; then
    for clone in "$place/a" "$place/another/much/longer"; do
        from=$SECONDS
        git clone --quiet . "$clone"
        sed -i "s/^## Unreleased/## $version/" "$clone/CHANGELOG.md"
        GIT_AUTHOR_DATE=2020-01-01T00:00:00Z GIT_COMMITTER_DATE=2020-01-01T00:00:00Z git -C "$clone" -c user.name=test -c user.email=test@example.com commit --quiet --allow-empty -am release
        RELEASE_REGISTRY=$REGISTRY RELEASE_SOURCE=$REPOSITORY "$clone/scripts/release.sh" "$version" 2>/dev/null
        echo "$(((SECONDS - from + 59) / 60)) min"
    done
    diff "$place/a/dist/SHA256SUMS" "$place/another/much/longer/dist/SHA256SUMS" || fail 'the two releases differ'
    echo "two releases, $(wc -l <"$place/a/dist/SHA256SUMS") files, the same bytes"
    RELEASE_DIST=$place/a/dist
fi
cat "$RELEASE_DIST/images.txt"
from=$SECONDS

# The registry, and scripts/publish.sh with a key that nobody keeps and no service of sigstore's.
mkdir "$place/blobs"
"$crane" registry serve --address $REGISTRY --disk "$place/blobs" >"$place/registry.log" 2>&1 &
registry=$!
for _ in $(seq 100); do "$crane" catalog $REGISTRY >/dev/null 2>&1 && break; sleep 0.1; done
cd "$place"
export COSIGN_PASSWORD=
"$cosign" generate-key-pair 2>/dev/null
"$cosign" generate-key-pair --output-key-prefix foreign 2>/dev/null
"$cosign" signing-config create >signing.json
"$cosign" trusted-root create >root.json
cd - >/dev/null
mkdir "$place/tree"
cp -R scripts "$place/tree"
cp -R "$RELEASE_DIST" "$place/tree/dist"
with=(--signing-config "$place/signing.json" --trusted-root "$place/root.json")
"$place/tree/scripts/publish.sh" --key "$place/cosign.key" "${with[@]}" 2>"$place/published" || { cat "$place/published"; exit 1; }

# The page's commands, but for the block that sets whom to trust.
export PATH=$place/bin:$PATH
mkdir "$place/bin"
ln -s "$crane" "$cosign" "$place/bin/"
commands() { # commands FIRST LAST: those blocks of shell in docs/verify.md
    awk -v first="$1" -v last="$2" '$1 == "```sh" { n++; take = 1; next } $1 == "```" { take = 0 } take && n >= first && n <= last { sub(/^   /, ""); print }' docs/verify.md
}
trust="--insecure-ignore-tlog=true --trusted-root=$place/root.json --key="
[ "$(commands 3 5 | wc -l)" = 3 ] || fail 'docs/verify.md: expected three commands'
verify() { TRUST=$trust$1 bash -eu -c "$(commands 2 5)"; }
verify "$place/cosign.pub" >"$place/verified" 2>&1 || { cat "$place/verified"; fail 'docs/verify.md does not verify the image'; }
material=$(TRUST=$trust$place/cosign.pub bash -eu -c "$(commands 2 2; commands 6 6)" 2>/dev/null)
[[ $material == *gitCommit* ]] || fail "the provenance names no commit: $material"
echo "verified by the commands of docs/verify.md; $(tr -d ' \n' <<<"$material")"

# What was pushed is what was built, on both architectures, by digest. (Each by itself: cosign verify takes an attestation
# of the same signer for a signature.)
image=$REGISTRY/$name index=$("$crane" digest "$REGISTRY/$name:v$version")
attached() { # attached DIGEST TYPE…: each is attached to it as a referrer
    local tree
    tree=$("$cosign" tree "$image@$1" 2>/dev/null)
    for type in "${@:2}"; do [[ $tree == *"$type"* ]] || fail "$1 has no $type"; done
}
signature=https://sigstore.dev/cosign/sign/v1 bill=https://cyclonedx.org/bom
attached "$index" $signature $bill https://slsa.dev/provenance/v1
for platform in amd64 arm64; do
    attached "$("$crane" digest --platform linux/$platform "$image@$index")" $signature $bill
done
grep -qx "$image:v$version@$index" "$RELEASE_DIST/images.txt" || fail 'the tag is another index than dist/images.txt says'
for arch in x86_64/amd64 aarch64/arm64; do
    "$crane" export --platform "linux/${arch#*/}" "$image@$index" - | tar -xO -f - $name | cmp - "$RELEASE_DIST/$name-$version-linux-${arch%/*}" ||
        fail "$arch: another binary"
    echo "pulled by digest for ${arch#*/}: the released binary"
done

# The chart, from the registry, by the command of docs/install.md, which only renders here.
words=() CHART=
eval "$(grep -m 1 '^CHART=oci://' docs/install.md)"
chart=$CHART
eval "words=($(sed -n '0,/^helm install /s///p' docs/install.md))"
"$helm" template "${words[@]}" --plain-http --kube-version 1.34.0 >"$place/rendered.yaml" 2>"$place/said" || { cat "$place/said"; exit 1; }
[ "$(grep -c "image: \"$image@$index\"" "$place/rendered.yaml")" = 2 ] || fail 'the chart does not name the image by digest'
TRUST=$trust$place/cosign.pub
# shellcheck disable=SC2086 # options
"$cosign" verify $TRUST "${chart#oci://}@$("$crane" digest "${chart#oci://}:$version")" >/dev/null 2>&1 || fail 'the chart is not signed'
echo "chart from $chart: verified, $(grep -c '^kind:' "$place/rendered.yaml") objects, image by digest"


# … and on a real control plane.
harness/cluster/build.sh "$place/cluster"
(cd harness/chart && go build -mod=readonly -o "$place/chartcheck" .)
"$place/chartcheck" -helm "$helm" -cluster "$place/cluster" -released "$chart:$version"

# What must not pass.
refused 'a foreign key' 'no matching signatures\|invalid signature\|failed to verify' verify "$place/foreign.pub"
"$crane" copy --platform linux/amd64 "$image@$index" "$REGISTRY/unsigned/$name:v$version" 2>/dev/null
REGISTRY=$REGISTRY/unsigned refused 'an image without a signature' 'no signatures found' verify "$place/cosign.pub"
"$crane" mutate "$REGISTRY/unsigned/$name:v$version" --label a=b --tag "$REGISTRY/bare/$name:v$version" >/dev/null 2>&1
"$cosign" sign --yes --key "$place/cosign.key" "${with[@]}" "$REGISTRY/bare/$name@$("$crane" digest "$REGISTRY/bare/$name:v$version")" 2>/dev/null
REGISTRY=$REGISTRY/bare refused 'an image without a bill of materials' 'none of the attestations matched the predicate type: cyclonedx' verify "$place/cosign.pub"
"$crane" tag "$image@$("$crane" digest --platform linux/arm64 "$image@$index")" old >/dev/null 2>&1
"$crane" mutate --platform linux/amd64 "$image@$index" --entrypoint /other --tag "$image:v$version" >/dev/null 2>&1
refused 'a tag that was moved to another image' 'no signatures found\|no matching' verify "$place/cosign.pub"
layer=$("$crane" manifest --platform linux/amd64 "$image@$index" | python3 -c 'import json, sys; print(json.load(sys.stdin)["layers"][0]["digest"])')
blob=$(find "$place/blobs" -type f -path "*${layer#sha256:}*")
python3 - "$blob" <<'PYTHON'
import sys
with open(sys.argv[1], "r+b") as file:
    byte = file.seek(1000) and file.read(1)[0]
    file.seek(1000)
    file.write(bytes([byte ^ 1]))
PYTHON
refused 'a layer that was changed in the registry' 'sha256\|checksum\|unexpected' "$crane" pull --platform linux/amd64 "$image@$index" "$place/pulled.tar"
echo "$count refusals; $((SECONDS - from)) s on loopback"
