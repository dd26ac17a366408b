#!/usr/bin/env bash
# What scripts/release.sh refuses, in one line and with exit code 2, before anything is built.
set -euo pipefail
cd "$(dirname "$0")/../.."

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
git clone --quiet --no-hardlinks . "$place/clone"
cp scripts/release.sh "$place/clone/scripts/" # as it stands here
cp -R scripts/version.py "$place/clone/scripts/"
cd "$place/clone"
version=$(sed -n '/^\[workspace.package\]/,/^version/s/^version = "\(.*\)"/\1/p' Cargo.toml)
undo() { git -c user.name=test -c user.email=test@example.com revert --no-edit HEAD >/dev/null; }
commit() { git -c user.name=test -c user.email=test@example.com commit --quiet --allow-empty -am test; }
sed -i "s/^## Unreleased/## $version/" CHANGELOG.md
commit

# Every tool by name; buildah does nothing, so that nothing can be built.
mkdir "$place/bin"
for tool in bash env dirname sed git cargo go grep awk head; do ln -s "$(command -v $tool)" "$place/bin/"; done
ln -s "$(python3 -c 'import sys; print(sys.executable)')" "$place/bin/python3"
printf '#!/bin/sh\n' >"$place/bin/buildah" && chmod +x "$place/bin/buildah"

count=0
refused() { # refused WORDS [ARGUMENT…]
    local words=$1 result=0
    shift
    PATH=$place/bin scripts/release.sh "$@" >"$place/out" 2>&1 || result=$?
    if [ $result -ne 2 ] || [ "$(wc -l <"$place/out")" -ne 1 ] || [[ $(cat "$place/out") != "release: "*"$words"* ]] || [ -e dist ] || [ -e target ]; then
        echo "expected one line with \"$words\" and exit code 2, found exit code $result:"
        cat "$place/out"
        exit 1
    fi
    count=$((count + 1))
}

refused 'expected one argument'
refused 'expected one argument' "$version" "$version"
refused "expected version $version as in Cargo.toml, found 9.9.9" 9.9.9
refused "found v$version" "v$version"
for tool in git cargo go python3 buildah; do
    mv "$place/bin/$tool" "$place/hidden"
    refused "$tool is missing" "$version"
    mv "$place/hidden" "$place/bin/$tool"
done
echo >>README.md
refused 'commit, stash or remove README.md' "$version"
git checkout --quiet README.md
touch new
refused 'commit, stash or remove new' "$version"
rm new
sed -i "s/^appVersion: .*/appVersion: 9.9.9/" charts/*/Chart.yaml && commit
refused 'Chart.yaml' "$version"
undo
sed -i "s/^## $version/## Unreleased/" CHANGELOG.md && commit
refused "expected a heading ## $version" "$version"
undo
mv .git "$place/git"
refused 'not a git repository' "$version"
echo "release.sh refuses $count kinds of bad input before it builds"
