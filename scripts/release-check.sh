#!/usr/bin/env bash
# What a release needs and the gate has no time for: each scripts/release-check/NN-topic.sh. Its output goes to
# target/release-check/NN-topic.txt; date, commit and the last line go to its row of docs/checks.md.
#
#   scripts/release-check.sh [TOPIC…]     a topic is a part of a file's name; without any, all of them run
set -uo pipefail
cd "$(dirname "$0")/.." || exit

failed=0 ran=0 outputs=target/release-check
# What is checked, whatever is committed meanwhile.
commit=$(git describe --always --dirty)
mkdir -p $outputs
for part in scripts/release-check/*.sh; do
    topic=$(basename "$part" .sh)
    if [ $# -gt 0 ]; then
        wanted=0
        for word in "$@"; do [[ $topic == *$word* ]] && wanted=1; done
        [ $wanted = 1 ] || continue
    fi
    printf '\n=== %s\n' "$topic"
    ran=$((ran + 1)) from=$SECONDS output=$outputs/$topic.txt
    # The output names no directory of this machine.
    { bash "$part" 2>&1; echo "exit code $?"; } | sed -u "s#$PWD#.#g; s#$HOME#~#g; s#${TMPDIR:-/tmp}/[^/ ]*#(temporary)#g" | tee "$output"
    grep -qx 'exit code 0' "$output" || { failed=$((failed + 1)); printf -- '--- FAILED: %s\n' "$topic"; }
    python3 scripts/release-check/record.py "$topic" "$commit" $((SECONDS - from)) "$output" || failed=$((failed + 1))
done
printf '\n%d parts, %d failed; outputs in %s/\n' $ran $failed $outputs
[ $ran -gt 0 ] && [ $failed -eq 0 ]
