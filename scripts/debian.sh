#!/usr/bin/env bash
# Installs Debian packages that are missing on this machine.
#
#   scripts/debian.sh PACKAGE|PROGRAM=PACKAGE…     a package is not needed where the program is in PATH
set -euo pipefail

missing=()
for needed in "$@"; do
    package=${needed#*=}
    [ "$package" = "$needed" ] || ! command -v "${needed%%=*}" >/dev/null || continue
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0
command -v apt-get >/dev/null && [ "$(id -u)" -eq 0 ] || {
    echo "missing: Debian's ${missing[*]}; install them, or run this as root on Debian" >&2
    exit 1
}
echo "installs Debian's ${missing[*]}" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The lists may be missing or older than the packages they name.
{ apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends "${missing[@]}"; } \
    >"$log" 2>&1 </dev/null || { tail -5 "$log" >&2; exit 1; }
