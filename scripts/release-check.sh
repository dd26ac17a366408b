#!/usr/bin/env bash
# What a release needs and the gate has no time for: each scripts/release-check/NN-topic.sh, whose output is kept, with
# its date and commit, as docs/checks/NN-topic.txt.
#
#   scripts/release-check.sh [TOPIC…]     a topic is a part of a file's name; without any, all of them run
set -uo pipefail
cd "$(dirname "$0")/.."

failed=0 ran=0
# What is checked, whatever is committed meanwhile.
commit=$(git describe --always --dirty)
mkdir -p target docs/checks
for part in scripts/release-check/*.sh; do
    topic=$(basename "$part" .sh)
    if [ $# -gt 0 ]; then
        wanted=0
        for word in "$@"; do [[ $topic == *$word* ]] && wanted=1; done
        [ $wanted = 1 ] || continue
    fi
    printf '\n=== %s\n' "$topic"
    ran=$((ran + 1)) from=$SECONDS
    # The output names no directory of this machine.
    { bash "$part" 2>&1; echo "exit code $?"; } | sed -u "s#$PWD#.#g; s#$HOME#~#g; s#${TMPDIR:-/tmp}/[^/ ]*#(temporary)#g" | tee target/check.txt
    {
        printf '%s\ncommit %s\n%s cores, %s\n\n' "$(date -u +%Y-%m-%dT%H:%MZ)" "$commit" "$(nproc)" "$(uname -srm)"
        cat target/check.txt
        printf '%d s\n' $((SECONDS - from))
    } >"docs/checks/$topic.txt"
    grep -qx 'exit code 0' target/check.txt || { failed=$((failed + 1)); printf -- '--- FAILED: %s\n' "$topic"; }
done
printf '\n%d parts, %d failed\n' $ran $failed
[ $ran -gt 0 ] && [ $failed -eq 0 ]
