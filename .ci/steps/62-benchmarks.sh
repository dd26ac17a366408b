# shellcheck shell=bash
# What SPECIFICATION.md promises about speed, memory and load, against the static binary and in virtual time.

benchmarks() { cargo run --quiet --locked --profile fast -p harness-tools --bin bench -- --quick "$static"; }

allocations() { cargo bench --quiet --locked --profile dev --bench allocations; }

simulation() { cargo run --quiet --locked --profile fast -p simulation; }

step 'benchmarks, short: the figures of SPECIFICATION.md' benchmarks
step 'allocations per call' allocations
step 'simulation: a cluster and its quota' simulation
