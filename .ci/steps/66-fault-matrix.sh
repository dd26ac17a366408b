# shellcheck shell=bash
# A sample of the fault matrix; `just release-check fault-matrix` does all of it.

fault_matrix() { cargo run --quiet --release --locked -p harness-tools --bin fault-matrix -- "$static" --sample 120; }

step 'fault matrix: 120 of its cells' fault_matrix
