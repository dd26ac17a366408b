#!/usr/bin/env bash
# The release binary: fully static against musl, position independent, stripped, with its dependency list inside.
#
#   scripts/static.sh [x86_64|aarch64] [fake-cloud]
#
# Writes target/static/<architecture>/csi-secrets-store-provider-alibabacloud, or the fake cloud for its own image, and
# prints size and hash. Three ways lead there, and the first that is open is taken:
#
#   native   the compiler's own target is this one, as on Alpine
#   rustup   the target is installed (`rustup target add <architecture>-unknown-linux-musl`), and so is musl's gcc
#   debian   a standard library built from source with Debian's packages, which this script installs if it is root
#
# PROVIDER_STATIC_ROUTE=native, rustup or debian chooses. The result depends on neither the directory nor the time: the
# same sources, lock file and toolchain give the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

name=${2:-csi-secrets-store-provider-alibabacloud}
arch=${1:-x86_64}
package=$name most=4194304
if [ "$name" = fake-cloud ]; then package=harness most=16777216; fi
case $arch in
x86_64) debian_arch=amd64 gnu=x86_64-linux-gnu multiarch=x86_64-linux-musl ;;
aarch64) debian_arch=arm64 gnu=aarch64-linux-gnu multiarch=aarch64-linux-musl ;;
*) echo "no such architecture: $arch; x86_64 or aarch64" >&2; exit 2 ;;
esac
work=$PWD/target/static/$arch
output=$work/$name
target=$arch-unknown-linux-musl
variable=${target//-/_}
llvm=14
mkdir -p "$work"

say() { printf 'static: %s\n' "$*" >&2; }

# A package of another architecture, unpacked below $work/tree and installed nowhere.
unpack() {
    local options=(-o "APT::Architectures=$(dpkg --print-architecture),$debian_arch" -o "Dir::State::Lists=$work/lists"
        -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root)
    local package
    if [ ! -e "$work/lists/.done" ]; then
        mkdir -p "$work"/{lists,cache}/partial "$work/cache/archives/partial"
        apt-get "${options[@]}" update -qq
        touch "$work/lists/.done"
    fi
    for package in "$@"; do
        [ -e "$work/tree/.$package" ] && continue
        (cd "$work" && apt-get "${options[@]}" download -qq "$package:$debian_arch" && dpkg -x "$package"_*.deb tree)
        touch "$work/tree/.$package"
    done
}

is_native() { command -v rustc >/dev/null && rustc -vV | grep -qx "host: $target"; }
has_target() { command -v rustup >/dev/null && rustup target list --installed 2>/dev/null | grep -qx "$target"; }

route=${PROVIDER_STATIC_ROUTE:-$(is_native && echo native || { has_target && echo rustup || echo debian; })}
case $route in native | rustup | debian) ;; *) echo "no such route: $route; native, rustup or debian" >&2; exit 2 ;; esac
say "$arch by the way of $route"

# Debian's gcc with headers and start files of musl, for this architecture or another, as $work/cc.
here=$(uname -m) gcc=gcc root=
musl_gcc() {
    # Build scripts and procedural macros are compiled for this machine.
    scripts/debian.sh gcc libc6-dev binutils
    if [ "$arch" = "$here" ]; then
        scripts/debian.sh musl-dev
    else
        scripts/debian.sh "gcc-$gnu"
        unpack musl-dev
        gcc=$gnu-gcc root=$work/tree
    fi
    local musl=$root/usr/lib/$multiarch

    # The compiler, told about musl; Debian's own specifications for it know no static position-independent executables.
    cat >"$work/specs" <<SPECS
%rename cpp_options old_cpp_options

*cpp_options:
-nostdinc -isystem $root/usr/include/$multiarch -isystem include%s %(old_cpp_options)

*cc1:
%(cc1_cpu) -nostdinc -isystem $root/usr/include/$multiarch -isystem include%s

*link_libgcc:
-L$work/lib -L$musl -L .%s

*libgcc:
libgcc.a%s %:if-exists(libgcc_eh.a%s)

*startfile:
%{static-pie:$musl/rcrt1.o;:$musl/crt1.o} $musl/crti.o %{static-pie:crtbeginS.o%s;:crtbegin.o%s}

*endfile:
%{static-pie:crtendS.o%s;:crtend.o%s} $musl/crtn.o

*link:
-nostdlib -static %{static-pie:-pie --no-dynamic-linker -z text}

*esp_link:


*esp_options:


*esp_cpp_options:


SPECS
    # aarch64's gcc has no such definition.
    [ "$arch" = x86_64 ] || sed -i 's/^%(cc1_cpu) //' "$work/specs"
    # The last word on the kind of executable is ours: for aarch64 rustc asks for one at a fixed address.
    printf '#!/bin/sh\nexec %s -specs=%s/specs "$@" -static-pie\n' "$gcc" "$work" >"$work/cc"
    chmod +x "$work/cc"
    export "CC_$variable=$work/cc" "AR_$variable=${gcc/%gcc/ar}" "CARGO_TARGET_${variable^^}_LINKER=$work/cc"
}
if [ "$route" != native ]; then musl_gcc; fi

# rustc and the sources of its standard library, of one version.
[ "$route" != debian ] || scripts/debian.sh rustc-web cargo-web rust-web-src
# Puts the dependency list into a section of the binary, for scanners. It is built before anything below is set.
auditable=$(scripts/cargo-tool.sh cargo-auditable)

export CARGO_INCREMENTAL=0 CARGO_PROFILE_RELEASE_TRIM_PATHS=all RUSTC_BOOTSTRAP=1 SOURCE_DATE_EPOCH=0
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS RUSTC_WORKSPACE_WRAPPER
flags="-C target-feature=+crt-static -C relocation-model=pic"
options=(-Z trim-paths)
case $route in
native | rustup)
    cargo=(cargo)
    ;;
debian)
    if [ "$arch" = "$here" ]; then
        scripts/debian.sh "libunwind-$llvm-dev"
    else
        unpack "libunwind-$llvm-dev" "libunwind-$llvm"
    fi
    # The path makes nobody else use Debian's compiler.
    export PATH=/usr/bin:/bin:/usr/sbin:/sbin:$PATH CARGO=/usr/bin/cargo RUSTC=/usr/bin/rustc
    unset RUSTUP_TOOLCHAIN
    cargo=(/usr/bin/cargo)
    options+=(-Z build-std=std,panic_unwind)
    # Unwinding, for a panic in one Mount must not end the others: LLVM's libunwind, and the one function of glibc
    # that Debian's build of it calls. The specifications say where it is, for a path among the flags would be part
    # of the bytes that come out.
    mkdir -p "$work/lib"
    cp "$root/usr/lib/llvm-$llvm/lib/libunwind.a" "$work/lib/libunwind.a"
    "$work/cc" -O2 -fPIC -c scripts/static/fortify.c -o "$work/fortify.o"
    "${gcc/%gcc/ar}" rD "$work/lib/libunwind.a" "$work/fortify.o" 2>/dev/null
    flags+=" -C link-self-contained=no"
    ;;
esac
export "CARGO_TARGET_${variable^^}_RUSTFLAGS=$flags"

# As `cargo auditable build` does, but as a wrapper whose path is no part of the bytes that come out.
export RUSTC_WRAPPER=$auditable CARGO_AUDITABLE_ORIG_ARGS='{"offline":false,"locked":true,"frozen":false,"config":[]}'
export CARGO_TARGET_DIR=$work/build
"${cargo[@]}" build --quiet --locked --release "${options[@]}" --target "$target" \
    --manifest-path scripts/static/unwind/Cargo.toml >&2
"${cargo[@]}" build --locked --release "${options[@]}" --target "$target" \
    --package "$package" --bin "$name" >&2
install -m 0755 "$work/build/$target/release/$name" "$output"

# What was promised. (Not through pipes: a reader that has seen enough would end the writer.)
dynamic=$(readelf -d "$output") segments=$(readelf -lW "$output") sections=$(readelf -SW "$output")
kind=$(readelf -h "$output" | awk '/Type:/ {print $2}')
size=$(stat -c %s "$output")
fail() { say "$output: $1"; exit 1; }
[[ $dynamic != *NEEDED* && $segments != *INTERP* ]] || fail 'not static'
[[ $sections != *.symtab* ]] || fail 'not stripped'
[[ $sections == *.dep-v0* ]] || fail 'no dependency list'
[ "$kind" = DYN ] || fail "not position independent ($kind)"
[ "$size" -le "$most" ] || fail "$size bytes are more than $most"
# A foreign binary runs if this machine has an emulator for it.
run=()
[ "$arch" = "$here" ] || run=("qemu-$arch-static")
if [ ${#run[@]} -eq 0 ] || command -v "${run[0]}" >/dev/null; then
    "${run[@]}" "$work/build/$target/release/unwind" 2>/dev/null || fail 'a panic does not unwind'
    "${run[@]}" "$output" --version >/dev/null || fail 'does not run'
else
    say "not run: ${run[0]} is missing (Debian's qemu-user-static)"
fi
say "$output: static, position independent, stripped; $size bytes, sha256 $(sha256sum "$output" | cut -d' ' -f1)"
