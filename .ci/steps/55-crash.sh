# shellcheck shell=bash
# Killed, starved and misled, and what root finds in memory: on the shipped binary, too. No case may be left out but
# for want of a control group, which a container may not be allowed to make.

on_shipped() { # on_shipped TEST LEAST: all of it, at least so many cases
    local output result
    output=$(SHIPPED_PROVIDER=$PWD/$static cargo test --quiet --locked --test "$1" -- --nocapture 2>&1)
    result=$?
    printf '%s\n' "$output"
    [ $result -eq 0 ] || return 1
    if grep 'left out' <<<"$output" | grep -v 'no control group here'; then return 1; fi
    [[ $output =~ ([0-9]+)\ passed ]] && [ "${BASH_REMATCH[1]}" -ge "$2" ]
}

step 'libfaketime for clocks that jump' scripts/debian.sh libfaketime
step 'restart and resource cases: kill -9, disk, names, descriptors, threads, crowds, paths, clocks, 32 MiB' on_shipped crash 30
step 'memory search by root: this build and the shipped one, plain and TLS' on_shipped hygiene 10
