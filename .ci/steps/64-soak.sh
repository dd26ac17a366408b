# shellcheck shell=bash
# Load for two minutes: undisturbed, and with a cloud that fails now and then. `just soak` does more.

soak() { # soak FLAG…
    cargo run --quiet --release --locked -p harness-tools --bin soak -- "$static" "$@"
}

step 'soak: mixed Mounts, cancellations, deadlines, a policy that changes, for a minute' soak --seconds 60
step 'soak: the same with a cloud that fails now and then, and values kept for outages' soak --seconds 60 --faults
