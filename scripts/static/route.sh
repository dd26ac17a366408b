#!/usr/bin/env bash
# The way of rustup, as far as it can be tried where its target is not to be had: with a rustup that says it is there,
# and a cargo that keeps what it is asked and hands out a binary that was built before.
#
#   scripts/static/route.sh BINARY
set -euo pipefail
binary=$(realpath "$1")
cd "$(dirname "$0")/../.."

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir "$place/bin" "$place/tree"
cp -R scripts "$place/tree"
cat >"$place/bin/rustup" <<'RUSTUP'
#!/bin/sh
[ "$*" = 'target list --installed' ] && printf '%s\n' x86_64-unknown-linux-gnu x86_64-unknown-linux-musl
RUSTUP
cat >"$place/bin/cargo" <<CARGO
#!/bin/sh
echo "\$* | \$CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS | \$CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER | \$CARGO_PROFILE_RELEASE_TRIM_PATHS" >>"$place/asked"
if [ "\$1" = install ]; then
    install -D "\$0" "\$6/bin/cargo-auditable"
    exit
fi
to=\$CARGO_TARGET_DIR/x86_64-unknown-linux-musl/release
mkdir -p "\$to" && cp "$binary" "\$to/" && cp /bin/true "\$to/unwind"
CARGO
chmod +x "$place"/bin/*

tools=$place/cache/csi-provider-tools
PATH="$place/bin:$PATH" XDG_CACHE_HOME="$place/cache" "$place/tree/scripts/static.sh" x86_64 2>"$place/said" || { cat "$place/said"; exit 1; }
grep -qx 'static: x86_64 by the way of rustup' "$place/said" || { cat "$place/said"; exit 1; }
how="-Z trim-paths --target x86_64-unknown-linux-musl"
with="-C target-feature=+crt-static -C relocation-model=pic | $place/tree/target/static/x86_64/cc | all"
diff <(sed 's/\(auditable[-@]\)[0-9.]*/\1V/g' "$place/asked") - <<ASKED
install --locked --quiet --force --root $tools/cargo-auditable-V cargo-auditable@V |  |  | 
build --quiet --locked --release $how --manifest-path scripts/static/unwind/Cargo.toml | $with
auditable build --locked --release $how --package csi-secrets-store-provider-alibabacloud --bin csi-secrets-store-provider-alibabacloud | $with
ASKED
echo 'with the target of rustup, its cargo builds, without a standard library from source'
