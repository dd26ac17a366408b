# shellcheck shell=bash
# Hostile clients against the static binary, with its highest memory under each of them.

attacked() { cargo run --quiet --locked -p harness-tools --bin attack -- "$static"; }

step 'attacks: memory at most the budget and a constant, honest clients served' attacked
