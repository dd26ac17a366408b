#!/usr/bin/env bash
# The ways of rustup and of a compiler for musl, as far as they can be tried where neither is to be had: with a rustup
# or rustc that says it is there, and a cargo that keeps what it is asked and hands out a binary that was built before.
#
#   scripts/static/route.sh BINARY
set -euo pipefail
binary=$(realpath "$1")
cd "$(dirname "$0")/../.."

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir "$place/bin" "$place/rustup" "$place/native" "$place/tree"
cp -R scripts "$place/tree"
cat >"$place/rustup/rustup" <<'RUSTUP'
#!/bin/sh
[ "$*" = 'target list --installed' ] && printf '%s\n' x86_64-unknown-linux-gnu x86_64-unknown-linux-musl
RUSTUP
printf '#!/bin/sh\necho host: x86_64-unknown-linux-musl\n' >"$place/native/rustc"
# Without it nothing of Debian may be asked for.
printf '#!/bin/sh\nexit 1\n' | tee "$place/native/dpkg" "$place/native/dpkg-query" >"$place/native/apt-get"
cat >"$place/bin/cargo" <<CARGO
#!/bin/sh
echo "\$* | \$CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUSTFLAGS | \$CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER | \$CARGO_PROFILE_RELEASE_TRIM_PATHS | \$RUSTC_WRAPPER" >>"$place/asked"
if [ "\$1" = install ]; then
    install -D /bin/true "\$6/bin/cargo-auditable"
    exit
fi
to=\$CARGO_TARGET_DIR/x86_64-unknown-linux-musl/release
mkdir -p "\$to" && cp "$binary" "\$to/" && cp /bin/true "\$to/unwind"
CARGO
chmod +x "$place"/*/{cargo,rustup,rustc,dpkg,dpkg-query,apt-get} 2>/dev/null || true

name=csi-secrets-store-provider-alibabacloud tools=$place/cache/csi-provider-tools
for route in rustup native; do
    rm -rf "$place/cache" "$place/asked" "$place/tree/target"
    PATH="$place/$route:$place/bin:$PATH" XDG_CACHE_HOME="$place/cache" "$place/tree/scripts/static.sh" x86_64 2>"$place/said" &&
        grep -qx "static: x86_64 by the way of $route" "$place/said" || { cat "$place/said"; exit 1; }
    how="-Z trim-paths --target x86_64-unknown-linux-musl" linker=
    [ $route = native ] || linker=$place/tree/target/static/x86_64/cc
    with="-C target-feature=+crt-static -C relocation-model=pic | $linker | all | $tools/cargo-auditable-V/bin/cargo-auditable"
    diff <(sed 's/\(auditable[-@]\)[0-9.]*/\1V/g' "$place/asked") - <<ASKED
install --locked --quiet --force --root $tools/cargo-auditable-V cargo-auditable@V |  |  |  | 
build --quiet --locked --release $how --manifest-path scripts/static/unwind/Cargo.toml | $with
build --locked --release $how --package $name --bin $name | $with
ASKED
done
echo "by the ways of rustup and of a compiler for musl, cargo builds without a standard library from source"
