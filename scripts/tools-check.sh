#!/usr/bin/env bash
# What a new machine lacks is installed: cargo's tools without anything of the build around them, Debian's packages
# with lists that are current. With a cargo, an apt-get and a dpkg-query that only keep what they are asked.
set -euo pipefail
cd "$(dirname "$0")/.."

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir "$place/bin" "$place/tree"
cp -R scripts "$place/tree"
refuse() { echo "tools: $*"; exit 1; }

# The variables that a build sets and cargo itself or its compiler would follow, whoever exported them.
cat >"$place/bin/cargo" <<CARGO
#!/bin/sh
echo "\$*" >>"$place/asked"
env | grep -E '^(CARGO_(BUILD|PROFILE|TARGET|ENCODED|INCREMENTAL)|CARGO=|RUSTC|RUSTFLAGS|SOURCE_DATE_EPOCH|(CC|AR|CFLAGS)_)' >>"$place/leaked"
[ -z "\${REFUSE:-}" ] && printf '#!/bin/sh\n' >"$place/tool" && install -D "$place/tool" "\$6/bin/\${7%@*}"
CARGO
cat >"$place/bin/apt-get" <<APT
#!/bin/sh
echo "apt-get \$1 \$(echo "\$*" | sed 's/.*--no-install-recommends //')" >>"$place/asked"
APT
# Another version of a tool, which must be neither used nor replaced.
printf '#!/bin/sh\n' >"$place/bin/cargo-deny"
chmod +x "$place"/bin/*
export PATH=$place/bin:$PATH XDG_CACHE_HOME=$place/cache CARGO_NET_OFFLINE=true
asked() { # asked LINE…: exactly that, and nothing has leaked
    touch "$place/asked"
    diff <(sed 's/\([-@]\)[0-9.]*[0-9]/\1V/g' "$place/asked") <(printf '%s\n' "$@") || refuse 'something else was asked'
    [ ! -s "$place/leaked" ] || refuse "cargo install has variables of the build: $(tr '\n' ' ' <"$place/leaked")"
    rm -f "$place/asked"
}

# Each tool, in the environment of any build; once.
tools=$place/cache/csi-provider-tools count=0
for tool in $(sed -n 's/^\([a-z-]*\)) version=.*/\1/p' scripts/cargo-tool.sh); do
    for _ in 1 2; do
        found=$(CARGO=/usr/bin/cargo RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Dwarnings SOURCE_DATE_EPOCH=0 CARGO_INCREMENTAL=0 \
            CARGO_BUILD_TARGET=none CARGO_TARGET_DIR=/none CARGO_PROFILE_RELEASE_TRIM_PATHS=all CC_none=cc AR_none=ar \
            scripts/cargo-tool.sh "$tool" 2>/dev/null)
        [ -x "$found" ] && [[ $found == "$tools/$tool"-*"/bin/$tool" ]] || refuse "$tool is not where it should be: $found"
    done
    asked "install --locked --quiet --force --root $tools/$tool-V $tool@V"
    count=$((count + 1))
done
[ $count -ge 6 ] || refuse "only $count tools"
rm -r "$tools"

# The static build, by every way, up to its tool: whatever it sets comes later.
for route in native rustup debian; do
    if REFUSE=1 PROVIDER_STATIC_ROUTE=$route timeout 30 "$place/tree/scripts/static.sh" x86_64 2>"$place/said"; then
        refuse 'a tool that cannot be installed does not end the build'
    fi
    asked "install --locked --quiet --force --root $tools/cargo-auditable-V cargo-auditable@V"
done

# Debian's packages: a program that is there needs none; lists come before packages; without root, one line.
printf '#!/bin/sh\n[ "$3" = there ] && echo install ok installed\n' >"$place/bin/dpkg-query"
printf '#!/bin/sh\necho "${USER_ID:-0}"\n' >"$place/bin/id"
chmod +x "$place"/bin/*
scripts/debian.sh cargo=not-needed there 2>/dev/null
[ ! -e "$place/asked" ] || refuse 'a package is installed without need'
scripts/debian.sh cargo=not-needed there no-such-program=one two 2>/dev/null
asked 'apt-get update update -q' 'apt-get install one two'
if USER_ID=1000 scripts/debian.sh one two 2>"$place/said"; then refuse 'missing packages, and nobody says so'; fi
[ "$(cat "$place/said")" = "missing: Debian's one two; install them, or run this as root on Debian" ] || refuse "$(cat "$place/said")"

# No other place installs for itself.
others=$(git grep -nE 'cargo install|apt-get.* install' -- .ci scripts harness justfile | grep -v -e '^scripts/cargo-tool.sh:' -e '^scripts/debian.sh:' -e '^scripts/tools-check.sh:' || true)
[ -z "$others" ] || refuse "use scripts/cargo-tool.sh or scripts/debian.sh: $others"
echo "$count tools of cargo and any package are installed where they are missing, in a clean environment"
