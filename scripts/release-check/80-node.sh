#!/usr/bin/env bash
# A real node: kubelet, containerd and the driver, booted from nothing in namespaces of its own, with this chart, this
# provider and the fake cloud. See harness/node/README.md.
#
#   scripts/release-check/80-node.sh [CASE…]    a case is a part of its name; without any, all of them run
#
#   NODE_DRIVER=v1.6.0    another version of the driver (v1.6.1)
#   NODE_IMAGE=FILE       the provider's image instead of the local binary, as `docker save` or `buildah push
#                         docker-archive:FILE` writes it
#   NODE_PROVIDER=FILE    another binary of the provider than that of scripts/static.sh
#   NODE_FLAGS=-keep      further flags: -keep leaves the node's logs, -v shows every warning
#
# Needs root, control groups of version 1, Go and Rust; installs Debian's packages that are missing.
set -euo pipefail
cd "$(dirname "$0")/../.."

driver=${NODE_DRIVER:-v1.6.1}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/csi-provider-tools
tools=$cache/node
mkdir -p "$tools"
built=0
[ "$(id -u)" -eq 0 ] || { echo 'needs root, for namespaces, mounts and control groups'; exit 1; }

scripts/debian.sh containerd runc containernetworking-plugins dnsmasq-base conntrack iptables ethtool socat iproute2 \
    busybox-static bats jq gettext-base openssl gcc libc6-dev

# Control plane, kubelet and kubectl in one program.
version=$(sed -n 's/^\tk8s.io\/kubernetes //p' harness/cluster/go.mod)
part=k8s.io/component-base/version minor=${version#v1.}
[ -x "$tools/cluster" ] || built=1
(cd harness/cluster && go build -mod=readonly -o "$tools/cluster" \
    -ldflags "-s -w -X $part.gitVersion=$version -X $part.gitMajor=1 -X $part.gitMinor=${minor%%.*}" .)

# The driver, from a copy of its module: one of its own modules is not always served (see harness/interop/README.md).
source=$(cd / && go mod download -json "sigs.k8s.io/secrets-store-csi-driver@$driver" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
if [ ! -x "$tools/driver-$driver" ]; then
    built=1
    copy=$(mktemp -d)
    cp -R "$source/." "$copy"
    chmod -R u+w "$copy"
    mlog=$PWD/harness/interop/go/mlog
    (cd "$copy" && go mod edit -replace "monis.app/mlog=$mlog" &&
        CGO_ENABLED=0 go build -mod=mod -trimpath -ldflags '-s -w' -o "$tools/driver-$driver" ./cmd/secrets-store-csi-driver)
    rm -rf "$copy"
fi

helm=$(scripts/go-tool.sh helm)
mkdir -p "$cache/bin"
ln -sf "$helm" "$cache/bin/helm"

(cd harness/node && CGO_ENABLED=0 go build -mod=readonly -ldflags '-s -w' -o "$tools/node" .)
gcc -Os -static -s -o "$tools/pause" harness/node/pause/pause.c

provider=${NODE_PROVIDER:-target/static/x86_64/csi-secrets-store-provider-alibabacloud}
[ -n "${NODE_IMAGE:-}${NODE_PROVIDER:-}" ] || scripts/static.sh x86_64
cargo build --quiet --locked -p harness --bin fake-cloud
[ $built = 1 ] && kind=cold || kind=warm
printf 'built in %d:%02d minutes, %s\n' $((SECONDS / 60)) $((SECONDS % 60)) $kind

# shellcheck disable=SC2086
exec "$tools/node" run -tools "$tools" -provider "$provider" -image "${NODE_IMAGE:-}" -cloud target/debug/fake-cloud -driver "$source" \
    -chart charts/csi-secrets-store-provider-alibabacloud -here harness/node ${NODE_FLAGS:-} "$@"
