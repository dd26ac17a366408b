#!/usr/bin/env bash
# Runs every fuzz target for 15 seconds (FUZZ_SECONDS), two at a time, starting from the saved corpus. With FUZZ_CPU=yes
# the seconds are CPU time, however busy the machine. What the targets check is in src/fuzzing/. No sanitizer, because
# the project has no unsafe code; plain builds find more in the same time.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

target=x86_64-unknown-linux-gnu
seconds=${FUZZ_SECONDS:-15} failures=0 built=fuzz/target/$target/release
cargo_fuzz=$(scripts/cargo-tool.sh cargo-fuzz) && scripts/debian.sh c++=g++ || exit 1
targets=$(cd fuzz && "$cargo_fuzz" fuzz list) && [ -n "$targets" ] || { echo 'no fuzz targets'; exit 1; }
# libFuzzer's instrumentation needs flags that a stable compiler takes only when told to.
(cd fuzz && RUSTC_BOOTSTRAP=1 "$cargo_fuzz" fuzz build --sanitizer none --target "$target") || exit 1
cargo run --quiet --locked -p harness-tools --bin fuzz-seeds || exit 1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

one() { # one TARGET: its line, or what it found
    local log=$work/$1.log corpus=fuzz/corpus/$1 runs=0 millis=0 left=$seconds used
    mkdir -p "$corpus"
    while [ "$left" -gt 0 ]; do
        if ! used=$({ TIMEFORMAT='%U %S' && time "$built/$1" "$corpus" "fuzz/seeds/$1" -max_total_time="$left" \
            -max_len=4096 -timeout=10 -rss_limit_mb=1024 -artifact_prefix="$work/$1-" >"$log" 2>&1; } 2>&1); then
            printf '%-24s FAILED\n' "$1"
            grep -v -e '^#' -e '^INFO' "$log" | tail -n 40
            for file in "$work/$1"-*; do [ -e "$file" ] && echo "input, in base64: $(base64 -w0 "$file")"; done
            return 1
        fi
        runs=$((runs + $(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$log")))
        # User and system time, each as SECONDS.MILLISECONDS.
        used=${used//./} millis=$((millis + 10#${used% *} + 10#${used#* }))
        left=0
        [ -z "${FUZZ_CPU:-}" ] || left=$(((1000 * seconds - millis + 999) / 1000))
    done
    printf '%-24s %s runs in %s s of CPU time, none failed\n' "$1" "$runs" $((millis / 1000))
    echo $((millis / 1000)) >>"$work/cpu"
}

running=()
for fuzzed in $targets; do
    one "$fuzzed" &
    running+=($!)
    if [ ${#running[@]} -eq 2 ]; then
        wait "${running[0]}" || failures=$((failures + 1))
        wait "${running[1]}" || failures=$((failures + 1))
        running=()
    fi
done
for job in "${running[@]}"; do wait "$job" || failures=$((failures + 1)); done
printf '%d fuzz targets, %d failed, %d s of CPU time\n' "$(wc -w <<<"$targets")" $failures \
    "$(awk '{ sum += $1 } END { print sum }' "$work/cpu")"
[ $failures -eq 0 ]
