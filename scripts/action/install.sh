#!/usr/bin/env bash
# The first step of action.yml: puts fake-cloud and the provider into the PATH of the steps that follow.
#
# INPUT_DIRECTORY  a directory that has both; else they are downloaded
# INPUT_VERSION    the release, such as v1.2.3
# RELEASES         where releases are, as a URL
set -euo pipefail

programs=(fake-cloud csi-secrets-store-provider-alibabacloud)
fail() { echo "::error::$1"; exit 1; }
directory=${INPUT_DIRECTORY:-}
if [ -z "$directory" ]; then
    [[ ${INPUT_VERSION:-} =~ ^v([0-9]+\.[0-9]+\.[0-9]+.*)$ ]] ||
        fail "expected a release such as v1.2.3 after the action's @ or as version, found \"${INPUT_VERSION:-}\""
    version=${BASH_REMATCH[1]}
    case $(uname -m) in
    x86_64) arch=x86_64 ;;
    aarch64 | arm64) arch=aarch64 ;;
    *) fail "there is no build for $(uname -m); x86_64 and aarch64 have one" ;;
    esac
    directory=$RUNNER_TEMP/csi-provider-$version
    mkdir -p "$directory"
    fetch() { curl --fail --silent --show-error --location --retry 3 --output "$directory/$1" "$RELEASES/v$version/$1" || fail "cannot download $RELEASES/v$version/$1"; }
    fetch SHA256SUMS
    for program in "${programs[@]}"; do
        file=$program-$version-linux-$arch
        fetch "$file"
        (cd "$directory" && grep "[ *]$file\$" SHA256SUMS | sha256sum --check --strict --quiet) || fail "$file is not what SHA256SUMS says"
        install -m 0755 "$directory/$file" "$directory/$program"
    done
fi
for program in "${programs[@]}"; do
    [ -x "$directory/$program" ] || fail "$directory has no program $program"
done
(cd "$directory" && pwd) >>"$GITHUB_PATH"
