# shellcheck shell=bash
# The static binary by the way of rustup, which cannot be gone here: what its cargo would be asked.

step 'static binary by the way of rustup: what cargo is asked' scripts/static/route.sh "$static"
