# shellcheck shell=bash
# The fake cloud against the official SDKs, unmodified: they find it by the real cloud's names, in a network namespace
# that holds nothing else.

fake_cloud=target/debug/fake-cloud

fake_cloud_tools() {
    command -v ip >/dev/null 2>&1 || { apt-get update -q && apt-get install -yq iproute2; } >/dev/null || return 1
    cargo build --quiet --locked -p harness --bin fake-cloud
}

sdk_python() {
    local work result
    fake_cloud_tools || return 1
    work=$(mktemp -d) || return 1
    python3 -m venv "$work" && "$work/bin/pip" install --quiet --disable-pip-version-check -r harness/sdk/python/requirements.txt &&
        PYTHONDONTWRITEBYTECODE=1 harness/sdk/run.sh $fake_cloud "$work/bin/python" harness/sdk/python/suite.py
    result=$?
    rm -rf "$work"
    return $result
}

sdk_go() {
    local work result
    command -v go >/dev/null || { echo 'Go is not installed here: left out'; return 0; }
    fake_cloud_tools || return 1
    work=$(mktemp -d) || return 1
    (cd harness/sdk/go && test -z "$(gofmt -l .)" && go vet -mod=readonly . && go build -mod=readonly -o "$work/suite" .) &&
        VECTORS=$PWD/testdata/vectors harness/sdk/run.sh $fake_cloud "$work/suite"
    result=$?
    rm -rf "$work"
    return $result
}

step 'official Python SDKs against the fake cloud' sdk_python
step 'official Go SDKs against the fake cloud, and the recorded answers' sdk_go
