# Recipes for people. The gate is .ci/run; `just release-check` does what is too long for it.

# What there is.
default:
    @just --list

# The main job against the embedded fake cloud.
demo:
    cargo run --example demo

# Every test.
test:
    cargo test --workspace

# Mutations of the signing code: none may survive.
mutants:
    $(scripts/cargo-tool.sh cargo-mutants) mutants --no-shuffle --file 'src/sign/*.rs' -- --lib --test signature_vectors

# Bans and licences (advisories need a network: `cargo deny check advisories`).
deny:
    $(scripts/cargo-tool.sh cargo-deny) deny --config deny.toml check bans licenses sources
    $(scripts/cargo-tool.sh cargo-deny) deny --config deny-shipped.toml --exclude-dev --exclude harness --exclude harness-tools check bans

# Real clients and h2spec against the release binary (Go and Python needed).
interop:
    bash -c 'step() { shift; "$@"; }; name=csi-secrets-store-provider-alibabacloud; static=target/release/$name; cargo build --release --bin $name && . .ci/steps/40-interop.sh'

# Speed, memory and load against the fake cloud, one run, with ratios. `just bench cpu memory` runs two cases.
bench *CASES:
    scripts/static.sh x86_64
    cargo run --locked --profile fast -p harness-tools --bin bench -- target/static/x86_64/csi-secrets-store-provider-alibabacloud {{CASES}}
    {{ if CASES == "" { "just bench-allocations bench-fake" } else { "true" } }}

# Allocations of the provider per call, counted.
bench-allocations:
    cargo bench --locked --profile dev --bench allocations

# A cluster in virtual time. `just simulate nodes=200 quota=450` simulates one; without arguments, the table.
simulate *SETTINGS:
    cargo run --quiet --locked --profile fast -p simulation -- {{SETTINGS}}

# The release binary, static and for an image with nothing else in it: `just static`, `just static aarch64`.
static arch="x86_64":
    scripts/static.sh {{arch}}
    scripts/sbom.sh {{arch}}

# What is too long for the gate; each part keeps its dated output below docs/checks/. `just release-check TOPIC` runs one.
release-check *topics:
    scripts/release-check.sh {{topics}}

# Everything that a release publishes, in dist/, from a clean checkout: `just release 0.1.0`.
release version:
    scripts/release.sh {{version}}

# What the gate does.
ci:
    bash .ci/run

# Every fuzz target for as long as told, in seconds.
fuzz-long seconds="600":
    FUZZ_SECONDS={{ seconds }} bash -c 'step() { shift; "$@"; }; . .ci/steps/50-fuzz.sh'

# The chart's checks (see harness/chart/README.md).
chart:
    cargo build --locked
    bash harness/chart/run.sh -provider target/debug/csi-secrets-store-provider-alibabacloud

# Writes the chart's snapshots and the static manifests anew.
chart-update:
    cargo build --locked
    bash harness/chart/run.sh -provider target/debug/csi-secrets-store-provider-alibabacloud -update

# 200,000 Mounts of five identities, rotation, cancellations, and what they leave behind in the static binary.
soak:
    scripts/static.sh x86_64
    cargo run --release --locked -p harness-tools --bin soak -- target/static/x86_64/csi-secrets-store-provider-alibabacloud --mounts 200000

# An hour of it, with a cloud that fails now and then; `just soak-long 600` for as many seconds.
soak-long seconds="3600":
    SOAK_SECONDS={{ seconds }} scripts/release-check/50-soak.sh

# Both images from scratch, by buildah: `just images`, then `just image-smoke` runs them (root, podman, runc).
images arch="x86_64":
    scripts/static.sh {{arch}}
    scripts/static.sh {{arch}} fake-cloud
    scripts/images.sh {{arch}}

# Runs the images as a cluster would.
image-smoke:
    cargo build -p harness-tools --bin driver-smoke
    scripts/image-smoke.sh

# A real node with kubelet and the driver, and cases on it; `just node-test rotation bats` runs some (root needed).
node-test *cases:
    scripts/release-check/80-node.sh {{ cases }}

# Hostile parameters: CPU and peak memory of each, optimized.
bench-hostile:
    cargo bench --locked --bench hostile

# Every fault of the cloud × every call × first mount and republish; `just fault-matrix --sample 60` for some of them.
fault-matrix *arguments:
    cargo build --locked --release --bin csi-secrets-store-provider-alibabacloud
    cargo run --quiet --locked --release -p harness-tools --bin fault-matrix -- target/release/csi-secrets-store-provider-alibabacloud {{ arguments }}

# 20 minutes of CPU time of fuzzing, shared evenly by all targets.
fuzz-20:
    bash scripts/release-check/70-fuzz-20.sh

# How fast the fake cloud is: its start, kept connections, new TLS connections.
bench-fake:
    cargo run --quiet --release -p harness-tools --bin bench-fake

# What wiping freed memory costs: the provider with and without, in turns.
bench-allocator:
    cargo build --locked --profile fast --bin csi-secrets-store-provider-alibabacloud
    RUSTFLAGS='--cfg plain_allocator' cargo build --locked --profile fast --target-dir target/plain-allocator --bin csi-secrets-store-provider-alibabacloud
    cargo run --quiet --locked --profile fast -p harness-tools --bin bench -- --plain-allocator=target/plain-allocator/fast/csi-secrets-store-provider-alibabacloud target/fast/csi-secrets-store-provider-alibabacloud allocator
