#!/usr/bin/env bash
# 20 minutes of CPU time of fuzzing, shared evenly by all targets.
set -euo pipefail
targets=$(find fuzz/fuzz_targets -name '*.rs' | wc -l)
FUZZ_CPU=yes FUZZ_SECONDS=$((1200 / targets + 1)) exec scripts/fuzz.sh
