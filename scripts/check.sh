#!/usr/bin/env bash
# The inner loop: format, clippy, unit and golden tests, and the tests that compare documents with the code. The gate,
# .ci/run, does everything.
set -uo pipefail
cd "$(dirname "$0")/.." || exit

failed=0
check() { # check NAME COMMAND…
    local what=$1 from=$SECONDS result=ok
    shift
    "$@" || { result=FAILED failed=1; }
    printf -- '--- %s: %s, %d s\n' "$what" $result $((SECONDS - from))
}

documents=(docs flag_docs parameter_docs authentication_docs troubleshooting layers)
check format cargo fmt --all --check
check clippy cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
check 'unit and golden tests' cargo test --locked --quiet --no-fail-fast --lib \
    --test golden_params --test golden_access --test golden_validate "${documents[@]/#/--test=}"
printf '%d s\n' $SECONDS
exit $failed
