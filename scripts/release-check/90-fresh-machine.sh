#!/usr/bin/env bash
# Whatever the gate installs, on a machine that has none of it: a Debian that debootstrap made, with this machine's Rust
# and Go, empty caches, and a clone of the committed sources. And once more without the mend of scripts/static.sh and
# scripts/cargo-tool.sh, which must fail.
set -euo pipefail
cd "$(dirname "$0")/../.."

scripts/debian.sh debootstrap=debootstrap unshare=util-linux
place=$(mktemp -d)
# The mounts live in the namespace of the shell below and go with it.
trap 'rm -rf --one-file-system "$place"' EXIT
tree=$place/tree
mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | head -1)
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
# What the gate asks a machine to have: Rust, Go, Python, git and a C compiler.
debootstrap --variant=minbase --include=ca-certificates,gcc,libc6-dev,git,python3,procps "$suite" "$tree" "$mirror" >"$place/log" 2>&1 ||
    { tail -5 "$place/log"; exit 1; }
echo "a tree of $(chroot "$tree" dpkg-query -W -f='.\n' | wc -l) packages"
cp /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/"
cp -L /etc/resolv.conf /etc/hosts "$tree/etc/"
[ ! -e /etc/pip.conf ] || cp /etc/pip.conf "$tree/etc/"
rm -f "$tree/etc/apt/sources.list"
cp -r /etc/apt/sources.list.d /etc/apt/trusted.gpg.d /etc/apt/keyrings /etc/apt/apt.conf.d "$tree/etc/apt/" 2>/dev/null || true
rm -f "$tree"/etc/apt/apt.conf.d/*docker* "$tree"/etc/apt/apt.conf.d/*packagekit* "$tree"/etc/apt/apt.conf.d/*appstream*
rust=$(rustc --print sysroot) go=$(go env GOROOT)
mkdir -p "$tree/opt/rust" "$tree/opt/go" "$tree/src"
git clone --quiet . "$tree/src/clone"

inside() { # inside SCRIPT: run in the tree, in a mount namespace of its own
    # shellcheck disable=SC2016 # expanded by the shell inside
    unshare --mount --pid --fork --kill-child bash -euc '
        mount --bind "$2" "$1/opt/rust" && mount --bind "$3" "$1/opt/go"
        mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev"
        exec chroot "$1" /usr/bin/env -i HOME=/root TERM=dumb PATH=/opt/rust/bin:/opt/go/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt bash -euo pipefail -c "$4"' \
        -- "$tree" "$rust" "$go" "cd /src/clone; $1"
}

packages=$(git grep -hoE 'scripts/debian\.sh( [a-z0-9.+=-]+)+' -- .ci scripts ':!scripts/debian.sh' ':!scripts/tools-check.sh' ':!scripts/release-check' |
    cut -d' ' -f2- | tr ' ' '\n' | grep -vx -e '' | sort -u | tr '\n' ' ')
# shellcheck disable=SC2016
inside '
ok=0
did() { ok=$((ok + 1)); echo "ok: $* (${SECONDS} s)"; SECONDS=0; }
SECONDS=0
scripts/static.sh x86_64 2>&1 | grep "^static:"; did the static binary
scripts/sbom.sh x86_64 >/dev/null; did its bill of materials
for tool in $(sed -n "s/^\([a-z-]*\)) version=.*/\1/p" scripts/cargo-tool.sh); do [ -x "$(scripts/cargo-tool.sh "$tool" 2>/dev/null)" ]; did "cargo tool $tool"; done
for tool in $(sed -n "s/^\([a-z-]*\)) version=.*/\1/p" scripts/go-tool.sh); do [ -x "$(scripts/go-tool.sh "$tool" 2>/dev/null)" ]; did "Go tool $tool"; done
for package in '"$packages"'; do scripts/debian.sh "$package" 2>/dev/null; did "Debian package $package"; done
for list in harness/sdk/python harness/interop/python; do
    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install --quiet --disable-pip-version-check -r $list/requirements.txt; did "Python packages of $list"
done
cargo fetch --quiet --locked; did crates
(cd fuzz && cargo fetch --quiet --locked); did crates of the fuzz targets
for module in $(git ls-files "*go.mod"); do (cd "$(dirname "$module")" && go mod download); did "Go modules of $(dirname "$module")"; done
echo "$ok installed on a machine that had nothing"
'

# Without the mend: the tool is installed after the exports, in the environment of the build.
# shellcheck disable=SC2016
if inside '
rm -rf ~/.cache/csi-provider-tools/cargo-auditable-*
sed -i "/^    while read -r variable/,/^    done/d" scripts/cargo-tool.sh
line=$(grep "^auditable=" scripts/static.sh)
sed -i "/^auditable=/d" scripts/static.sh
sed -i "/^export CARGO_INCREMENTAL=0/a $line" scripts/static.sh
scripts/static.sh x86_64' >"$place/log" 2>&1; then
    echo 'the check does not notice that the fix is gone'
    exit 1
fi
grep -q 'trim-paths' "$place/log" || { tail -5 "$place/log"; exit 1; }
echo 'without the fix: the feature trim-paths is required'
