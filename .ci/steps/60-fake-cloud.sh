# shellcheck shell=bash
# The fake cloud against the official SDKs, unmodified: they find it by the real cloud's names, in a network namespace
# that holds nothing else.

fake_cloud=target/debug/fake-cloud

fake_cloud_tools() {
    scripts/debian.sh ip=iproute2 unshare=util-linux && cargo build --quiet --locked -p harness --bin fake-cloud
}

sdk_python() {
    local work result
    fake_cloud_tools || return 1
    work=$(mktemp -d) || return 1
    { python3 -c 'import ensurepip' || scripts/debian.sh python3-venv; } && python3 -m venv "$work" && "$work/bin/pip" install --quiet --disable-pip-version-check -r harness/sdk/python/requirements.txt &&
        PYTHONDONTWRITEBYTECODE=1 harness/sdk/run.sh $fake_cloud "$work/bin/python" harness/sdk/python/suite.py
    result=$?
    rm -rf "$work"
    return $result
}

sdk_go() {
    local work result
    command -v go >/dev/null || { echo 'Go is not installed'; return 1; }
    fake_cloud_tools || return 1
    work=$(mktemp -d) || return 1
    (cd harness/sdk/go && test -z "$(gofmt -l .)" && go vet -mod=readonly . && go build -mod=readonly -o "$work/suite" .) &&
        VECTORS=$PWD/testdata/vectors harness/sdk/run.sh $fake_cloud "$work/suite"
    result=$?
    rm -rf "$work"
    return $result
}

# The recipes of docs/testing-your-manifests.md as they stand there, with the class of the README.
recipe() {
    local work result doc=$PWD/docs/testing-your-manifests.md binaries=$PWD/target/debug
    fake_cloud_tools && cargo build --quiet --locked --bin "$name" || return 1
    work=$(mktemp -d) || return 1
    block() { awk -v from="$1" -v kind="\`\`\`$2" 'index($0, from) { on = 1 } on && $1 == kind { take = 1; next } take && $1 == "```" { exit } take { sub(/^   /, ""); print }' "$doc"; }
    block 'The least that there can be' yaml >"$work/state.yaml"
    block '3. Write what you expect' sh >"$work/write.sh"
    block '4. Mount and compare' sh >"$work/compare.sh"
    block '## Your own commands' sh >"$work/run.sh"
    awk '/^```yaml/ { take = 1; next } take && /^```/ { exit } take' README.md >"$work/class.yaml"
    (cd "$work" && export PATH=$binaries:$PATH && fake-cloud check --state state.yaml && bash -eu write.sh && bash -eu compare.sh && bash -eu run.sh && find expected -type f)
    result=$?
    # They must be able to fail: another value, and each comparison notices.
    if [ $result = 0 ]; then
        sed -i 's/token for tests/another/' "$work/state.yaml"
        for script in compare.sh run.sh; do
            (cd "$work" && PATH=$binaries:$PATH bash -eu $script >/dev/null 2>&1) && { echo "$script does not notice a wrong value"; result=1; }
        done
    fi
    rm -rf "$work"
    return $result
}

# action.yml, run as a runner does.
action() {
    local work result
    work=$(mktemp -d) || return 1
    { python3 -c 'import ensurepip' || scripts/debian.sh python3-venv; } && python3 -m venv "$work" && "$work/bin/pip" install --quiet --disable-pip-version-check pyyaml==6.0.3 &&
        scripts/debian.sh curl=curl && "$work/bin/python" scripts/action-check.py $fake_cloud "target/debug/$name"
    result=$?
    rm -rf "$work"
    return $result
}

step 'official Python SDKs against the fake cloud' sdk_python
step 'official Go SDKs against the fake cloud, and the recorded answers' sdk_go
step 'the recipes of docs/testing-your-manifests.md' recipe
step 'the action for other repositories, as a runner runs it' action
