# shellcheck shell=bash
# Every fuzz target for 15 seconds (`FUZZ_SECONDS`), two at a time, from the saved corpus on. What they check is in
# src/fuzzing/. Without a sanitizer: there is no unsafe code of ours to watch, and plain builds find more in the time.

fuzz() {
    local target=x86_64-unknown-linux-gnu
    local seconds=${FUZZ_SECONDS:-15} work targets failures=0 built=fuzz/target/$target/release
    have cargo-fuzz 0.13.2 cargo-fuzz || return 1
    command -v c++ >/dev/null || { apt-get update -q && apt-get install -qy g++; } || return 1
    targets=$(cd fuzz && cargo fuzz list) && [ -n "$targets" ] || { echo 'no fuzz targets'; return 1; }
    # libFuzzer's instrumentation needs flags that a stable compiler takes only when told to.
    (cd fuzz && RUSTC_BOOTSTRAP=1 cargo fuzz build --sanitizer none --target "$target") || return 1
    cargo run --quiet --locked -p harness --bin fuzz-seeds || return 1
    work=$(mktemp -d) || return 1

    one() { # one TARGET: its line, or what it found
        local found=$work/$1.log corpus=fuzz/corpus/$1
        mkdir -p "$corpus"
        if "$built/$1" "$corpus" "fuzz/seeds/$1" -max_total_time="$seconds" -max_len=4096 -timeout=10 \
            -rss_limit_mb=1024 -artifact_prefix="$work/$1-" >"$found" 2>&1; then
            printf '%-24s %s runs, none failed\n' "$1" "$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$found")"
        else
            printf '%-24s FAILED\n' "$1"
            grep -v -e '^#' -e '^INFO' "$found" | tail -n 40
            for file in "$work/$1"-*; do [ -e "$file" ] && echo "input, in base64: $(base64 -w0 "$file")"; done
            return 1
        fi
    }

    local name running=()
    for name in $targets; do
        one "$name" &
        running+=($!)
        if [ ${#running[@]} -eq 2 ]; then
            wait "${running[0]}" || failures=$((failures + 1))
            wait "${running[1]}" || failures=$((failures + 1))
            running=()
        fi
    done
    for name in "${running[@]}"; do wait "$name" || failures=$((failures + 1)); done
    rm -rf "$work"
    printf '%d fuzz targets, %d failed\n' "$(wc -w <<<"$targets")" $failures
    [ $failures -eq 0 ]
}

step 'fuzz: every target' fuzz
