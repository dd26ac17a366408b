#!/usr/bin/env bash
# Installs a Go tool of the version below from the module proxy, once and outside of the repository, and prints the
# path of its binary.
#
#   actionlint=$(scripts/go-tool.sh actionlint) && "$actionlint"
set -euo pipefail

flags=()
case ${1-} in
actionlint) version=v1.7.12 package=github.com/rhysd/actionlint/cmd/actionlint ;;
cosign) version=v3.1.3 package=github.com/sigstore/cosign/v3/cmd/cosign ;;
crane) version=v0.22.1 package=github.com/google/go-containerregistry/cmd/crane ;;
helm) version=v3.18.6 package=helm.sh/helm/v3/cmd/helm flags=(-ldflags "-s -w -X helm.sh/helm/v3/internal/version.version=v3.18.6") ;;
*) echo "go-tool: unknown tool: ${1-}" >&2; exit 2 ;;
esac
root=${XDG_CACHE_HOME:-$HOME/.cache}/csi-provider-tools/$1-$version

if [ ! -x "$root/$1" ]; then
    command -v go >/dev/null || { echo "go-tool: $1 needs Go; install it, or add it to PATH" >&2; exit 1; }
    echo "go-tool: installs $1 $version" >&2
    # For this machine, whatever the caller builds for.
    env -u GOOS -u GOARCH -u GOFLAGS CGO_ENABLED=0 GOBIN="$root" go install "${flags[@]}" "$package@$version" 2> >(grep -v '^go: downloading' >&2)
fi
printf '%s\n' "$root/$1"
