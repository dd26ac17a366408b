# Recipes for developers. The gate is .ci/run; `just check` is the inner loop.

# List the recipes.
default:
    @just --list

# The inner loop: format, clippy, unit and golden tests, with the seconds of each.
check:
    scripts/check.sh

# The gate: everything that a change must pass, up to an hour.
ci:
    bash .ci/run

# The demo against the embedded fake cloud.
demo:
    cargo run --example demo

# All tests.
test:
    cargo test --workspace

# Wordings to change in documents, messages and comments; `just language docs README.md` checks some files.
language *paths:
    python3 scripts/language-check.py {{ paths }}

# Mutations of the signing code: none may survive.
mutants:
    $(scripts/cargo-tool.sh cargo-mutants) mutants --no-shuffle --file 'src/sign/*.rs' -- --lib --test signature_vectors

# Bans and licences of dependencies (advisories need a network: `cargo deny check advisories`).
deny:
    $(scripts/cargo-tool.sh cargo-deny) deny --config deny.toml check bans licenses sources
    $(scripts/cargo-tool.sh cargo-deny) deny --config deny-shipped.toml --exclude-dev --exclude harness --exclude harness-tools check bans

# Other gRPC clients and h2spec against the release binary (needs Go and Python).
interop:
    cargo build --release --bin csi-secrets-store-provider-alibabacloud
    scripts/interop.sh target/release/csi-secrets-store-provider-alibabacloud

# Speed, memory and load against the fake cloud, one run, with ratios. `just bench cpu memory` runs two cases.
bench *CASES:
    scripts/static.sh x86_64
    cargo run --locked --profile fast -p harness-tools --bin bench -- target/static/x86_64/csi-secrets-store-provider-alibabacloud {{CASES}}
    {{ if CASES == "" { "just bench-allocations bench-fake" } else { "true" } }}

# Allocations of the provider per call.
bench-allocations:
    cargo bench --locked --profile dev --bench allocations

# Hostile parameters: CPU and peak memory of each, optimized.
bench-hostile:
    cargo bench --locked --bench hostile

# Speed of the fake cloud: start, kept connections, new TLS connections.
bench-fake:
    cargo run --quiet --release -p harness-tools --bin bench-fake

# Cost of wiping freed memory: the provider with and without it, alternating.
bench-allocator:
    cargo build --locked --profile fast --bin csi-secrets-store-provider-alibabacloud
    RUSTFLAGS='--cfg plain_allocator' cargo build --locked --profile fast --target-dir target/plain-allocator --bin csi-secrets-store-provider-alibabacloud
    cargo run --quiet --locked --profile fast -p harness-tools --bin bench -- --plain-allocator=target/plain-allocator/fast/csi-secrets-store-provider-alibabacloud target/fast/csi-secrets-store-provider-alibabacloud allocator

# A cluster in virtual time. `just simulate nodes=200 quota=450` simulates one; without arguments, the table.
simulate *SETTINGS:
    cargo run --quiet --locked --profile fast -p simulation -- {{SETTINGS}}

# The static release binary and its bill of materials: `just static`, `just static aarch64`.
static arch="x86_64":
    scripts/static.sh {{arch}}
    scripts/sbom.sh {{arch}}

# Both images from scratch, by buildah: `just images`, then `just image-smoke` runs them (root, podman, runc).
images arch="x86_64":
    scripts/static.sh {{arch}}
    scripts/static.sh {{arch}} fake-cloud
    scripts/images.sh {{arch}}

# Run the images as a cluster would.
image-smoke:
    cargo build -p harness-tools --bin driver-smoke
    scripts/image-smoke.sh

# Everything that a release publishes, in dist/, from a clean checkout: `just release 0.1.0`.
release version:
    scripts/release.sh {{version}}

# Checks that are too long for the gate; results go to docs/checks.md. `just release-check TOPIC` runs one.
release-check *topics:
    scripts/release-check.sh {{topics}}

# A real node with kubelet and the driver, and cases on it; `just node-test rotation bats` runs some (needs root).
node-test *cases:
    scripts/release-check/80-node.sh {{ cases }}

# The checks of the chart (see harness/chart/README.md).
chart:
    cargo build --locked
    bash harness/chart/run.sh -provider target/debug/csi-secrets-store-provider-alibabacloud

# Rewrite the chart's snapshots and the static manifests.
chart-update:
    cargo build --locked
    bash harness/chart/run.sh -provider target/debug/csi-secrets-store-provider-alibabacloud -update

# Every fuzz target for that many seconds.
fuzz-long seconds="600":
    FUZZ_SECONDS={{ seconds }} scripts/fuzz.sh

# 20 minutes of CPU time of fuzzing, shared evenly by all targets.
fuzz-20:
    scripts/release-check/70-fuzz-20.sh

# 200,000 mounts of five identities with rotation and cancellations, and what they leave behind in the static binary.
soak:
    scripts/static.sh x86_64
    cargo run --release --locked -p harness-tools --bin soak -- target/static/x86_64/csi-secrets-store-provider-alibabacloud --mounts 200000

# An hour of the same, with a cloud that fails now and then; `just soak-long 600` for as many seconds.
soak-long seconds="3600":
    SOAK_SECONDS={{ seconds }} scripts/release-check/50-soak.sh

# Every fault of the cloud × every call × first mount and republish; `just fault-matrix --sample 60` for some of them.
fault-matrix *arguments:
    cargo build --locked --release --bin csi-secrets-store-provider-alibabacloud
    cargo run --quiet --locked --release -p harness-tools --bin fault-matrix -- target/release/csi-secrets-store-provider-alibabacloud {{ arguments }}
