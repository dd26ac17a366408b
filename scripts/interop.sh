#!/usr/bin/env bash
# Independent clients and a conformance suite against the provider. See harness/interop/README.md.
#
#   scripts/interop.sh [BINARY [SUITE…]]     suites: go, python, h2spec; without any, all of them run
set -uo pipefail
cd "$(dirname "$0")/.." || exit

binary=${1:-target/static/x86_64/csi-secrets-store-provider-alibabacloud}
tools=${XDG_CACHE_HOME:-$HOME/.cache}/csi-provider-tools

staged() { # staged PROGRAM…: with a fake cloud and the provider around it
    cargo run --quiet --locked -p harness-tools --bin stage -- "$binary" "$@"
}

go_clients() {
    command -v go >/dev/null || { echo 'Go is not installed'; return 1; }
    (cd harness/interop/go && go build -mod=readonly -o "$tools/bin/interop" .) && staged "$tools/bin/interop"
}

python_client() {
    local venv=$tools/interop-python generated
    generated=$(mktemp -d) || return 1
    # Debian's Python comes without what makes a virtual environment.
    { [ -x "$venv/bin/pip" ] || { { python3 -c 'import ensurepip' || scripts/debian.sh python3-venv; } && python3 -m venv --clear "$venv"; }; } &&
        "$venv/bin/pip" install --quiet --disable-pip-version-check -r harness/interop/python/requirements.txt &&
        "$venv/bin/python" -m grpc_tools.protoc -Iproto \
            --python_out="$generated" --grpc_python_out="$generated" proto/v1alpha1/service.proto &&
        staged "$venv/bin/python" harness/interop/python/interop.py "$generated"
    local result=$?
    rm -rf "$generated"
    return $result
}

# The module proxy serves the tag, not the commit of the suite's last fixes; a case that is skipped counts as failed.
h2spec() {
    local log last bin=$tools/h2spec-2.2.1
    log=$(mktemp) || return 1
    [ -x "$bin/h2spec" ] ||
        GOBIN=$bin go install github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible || return 1
    # The arguments are expanded by the inner shell, which has the stage's environment.
    # shellcheck disable=SC2016
    staged bash -c '"$0" --host "$STAGE_HOST" --port "$STAGE_PORT" --timeout 5 generic http2 hpack' \
        "$bin/h2spec" >"$log" 2>&1 || { cat "$log"; rm "$log"; return 1; }
    last=$(tail -n 1 "$log")
    rm "$log"
    echo "h2spec: $last"
    [[ $last =~ ^([0-9]+)\ tests,\ ([0-9]+)\ passed,\ 0\ skipped,\ 0\ failed$ ]] && [ "${BASH_REMATCH[2]}" -ge 145 ]
}

[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- go python h2spec
failed=0
for suite in "$@"; do
    case $suite in
    go) go_clients ;;
    python) python_client ;;
    h2spec) h2spec ;;
    *) echo "interop: expected go, python or h2spec, found $suite" >&2; exit 2 ;;
    esac || failed=1
done
exit $failed
