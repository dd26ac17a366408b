#!/usr/bin/env bash
# Installs a cargo tool of the version below, once and outside of the repository, and prints the path of its
# binary. A tool of another version on this machine stays as it is.
#
#   deny=$(scripts/cargo-tool.sh cargo-deny) && "$deny" deny …
set -euo pipefail

case ${1-} in
cargo-auditable) version=0.7.7 ;;
cargo-cyclonedx) version=0.5.9 ;;
cargo-deny) version=0.20.2 ;;
cargo-fuzz) version=0.13.2 ;;
cargo-mutants) version=27.1.0 ;;
rust-audit-info) version=0.5.4 ;;
*) echo "cargo-tool: unknown tool: ${1-}" >&2; exit 2 ;;
esac
root=${XDG_CACHE_HOME:-$HOME/.cache}/csi-provider-tools/$1-$version

binary=$root/bin/$1
if [ ! -x "$binary" ]; then
    # How the caller builds (target, flags, profile, compiler) is not how the tool is built. What says where crates and
    # toolchains come from stays.
    while read -r variable; do
        case $variable in
        CARGO_HOME | CARGO_HTTP_* | CARGO_NET_* | CARGO_REGISTR* | CARGO_SOURCE_* | RUSTUP_*) ;;
        CARGO* | RUST* | SOURCE_DATE_EPOCH | CC_* | AR_* | CFLAGS_*) unset "$variable" ;;
        esac
    done < <(compgen -e)
    echo "cargo-tool: installs $1 $version" >&2
    cargo install --locked --quiet --force --root "$root" "$1@$version" >&2
fi
printf '%s\n' "$binary"
