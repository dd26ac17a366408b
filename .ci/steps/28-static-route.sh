# shellcheck shell=bash
# The static binary by the ways that cannot be gone here: what their cargo would be asked.

step 'static binary by the ways of rustup and Alpine: what cargo is asked' scripts/static/route.sh "$static"
