#!/usr/bin/env bash
# Pushes what scripts/release.sh made, and signs and attests it: each image index with both architectures, the chart,
# bills of materials and provenance as referrers.
#
#   scripts/publish.sh COSIGN-OPTION…     such as --key cosign.key; without any, the identity of the workflow that runs this
#
# The registry is the one that dist/images.txt names. Log in before: crane auth login, helm registry login.
set -euo pipefail
cd "$(dirname "$0")/.."

refuse() { echo "publish: $1" >&2; exit 2; }
[ -s dist/images.txt ] && [ -s dist/SHA256SUMS ] || refuse 'dist/ is missing; run scripts/release.sh before'
(cd dist && sha256sum --quiet --check SHA256SUMS >&2) || refuse 'dist/ is not what scripts/release.sh made; run it again'
crane=$(scripts/go-tool.sh crane) cosign=$(scripts/go-tool.sh cosign) helm=$(scripts/go-tool.sh helm)
sign() { "$cosign" sign --yes "${options[@]}" "$@"; }
attest() { "$cosign" attest --yes "${options[@]}" --type "$1" --predicate "$2" "$3"; }
options=("$@")

while read -r image; do # REGISTRY/NAME:vVERSION@sha256:…
    digest=${image#*@} tagged=${image%@*} repository=${image%:v*} program=${tagged##*/}
    version=${program#*:v} program=${program%%:*}
    pushed=$("$crane" push "dist/$program.oci" "$tagged")
    [ "$pushed" = "$repository@$digest" ] || refuse "expected $repository@$digest, pushed $pushed"
    sign --recursive "$repository@$digest"
    attest slsaprovenance1 dist/provenance.json "$repository@$digest"
    for arch in x86_64/amd64 aarch64/arm64; do
        bill=dist/$program-$version-linux-${arch%/*}.cdx.json
        attest cyclonedx "$bill" "$repository@$digest"
        attest cyclonedx "$bill" "$repository@$("$crane" digest --platform "linux/${arch#*/}" "$repository@$digest")"
    done
    echo "pushed $tagged, signed, with provenance and bills of materials: $digest"
done <dist/images.txt

charts=${repository%/*}/charts chart=$(echo dist/*.tgz) plain=()
case $charts in 127.0.0.1:* | localhost:*) plain=(--plain-http) ;; esac
digest=$("$helm" push "${plain[@]}" "$chart" "oci://$charts" 2>&1 | sed -n 's/^Digest: //p')
[[ $digest == sha256:* ]] || refuse "the chart was not pushed to $charts"
name=$(basename "$chart" "-$version.tgz")
sign "$charts/$name@$digest"
attest slsaprovenance1 dist/provenance.json "$charts/$name@$digest"
echo "pushed $charts/$name:$version, signed, with provenance: $digest"
