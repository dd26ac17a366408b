# shellcheck shell=bash
# Every fuzz target for 15 seconds.

step 'fuzz: every target' scripts/fuzz.sh
