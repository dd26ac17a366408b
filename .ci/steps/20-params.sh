# shellcheck shell=bash
# The parameter grammar: hostile parameters with their CPU and peak memory, every example through `validate`, and how
# many cases there are of each kind. The tests themselves have run before.

hostile() { cargo bench --locked --quiet --profile dev --bench hostile; }

examples_pass() {
    local files
    mapfile -t files < <(find examples -name '*.yaml' | sort)
    [ ${#files[@]} -ge 5 ] || { echo 'no examples'; return 1; }
    cargo run --quiet --locked --bin $name -- validate "${files[@]}"
}

cases() {
    local out
    out=$(cargo test --quiet --locked --lib -- --nocapture every_case_of_the_official_suite) || { printf '%s\n' "$out"; return 1; }
    grep -o 'JMESPath compliance: .*' <<<"$out" || { echo 'the compliance suite prints no count'; return 1; }
    printf '%s golden cases of parameters, %s of validate\n' \
        "$(find testdata/params -name '*.yaml' | wc -l)" "$(find testdata/validate -name '*.yaml' | wc -l)"
    printf '%s properties of parameters\n' \
        "$(grep -c '^    fn ' <(sed -n '/^proptest!/,/^}/p' src/params/properties.rs src/jmespath/tests.rs))"
}

step 'hostile parameters: CPU and memory' hostile
step 'every example passes validate' examples_pass
step 'parameters: counts of cases' cases
