# shellcheck shell=bash
# What a release rests on and a test of the code does not see: workflows and the version.

workflows() {
    local actionlint file wrong
    scripts/debian.sh shellcheck=shellcheck && actionlint=$(scripts/go-tool.sh actionlint) && "$actionlint" || return 1
    # Every action by its commit, with the version beside it; no right that a job does not ask for by name.
    wrong=$(grep -nE '^ *(- )?uses:' .github/workflows/*.yml | grep -vE 'uses: [A-Za-z0-9_./-]+@[0-9a-f]{40} # v[0-9]+\.[0-9]+\.[0-9]+$')
    [ -z "$wrong" ] || { echo "expected OWNER/NAME@COMMIT # vX.Y.Z: $wrong"; return 1; }
    for file in .github/workflows/*.yml; do
        grep -qx 'permissions: {}' "$file" || { echo "$file: expected \"permissions: {}\" at the top"; return 1; }
        [ "$(grep -c '^    runs-on:' "$file")" = "$(grep -c '^    permissions:' "$file")" ] || { echo "$file: expected permissions for each job"; return 1; }
    done
    echo "$(ls .github/workflows/*.yml | wc -l) workflows, $(cat .github/workflows/*.yml | grep -c 'uses:') actions by commit"
}

# The version, and that the check notices another one in any place.
versions() {
    local place file version count=0
    python3 scripts/version.py || return 1
    version=$(sed -n '/^\[workspace.package\]/,/^version/s/^version = "\(.*\)"/\1/p' Cargo.toml)
    place=$(mktemp -d) || return 1
    git ls-files -z -- '*.md' '*.yaml' '*.scratch' 'Cargo.*' | xargs -0 cp --parents -t "$place" || return 1
    for file in Cargo.toml Cargo.lock charts/$name/Chart.yaml Dockerfile.scratch harness/Dockerfile.scratch docs/install.md docs/verify.md \
        docs/install.zh-CN.md deploy/provider-rrsa.yaml harness/chart/deploy/provider-rrsa.yaml; do
        sed -i "s/$version/9.9.9/g" "$place/$file"
        if python3 scripts/version.py "$place" >/dev/null; then echo "$file: another version is not noticed"; break; fi
        cp "$file" "$place/$file" && count=$((count + 1))
    done
    rm -rf "$place"
    echo "another version is noticed in $count of 10 files"
    [ $count = 10 ]
}

step 'workflows: actionlint, actions by commit, rights by job' workflows
step 'version: one everywhere' versions
step 'release: bad input is refused before anything is built' scripts/release/refusals.sh
