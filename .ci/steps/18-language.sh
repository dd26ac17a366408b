# shellcheck shell=bash
# Wordings that readers stumble over, in messages, HELP, comments and documents. Some modules of src/ are still to do.

language() {
    local paths
    mapfile -t paths < <(git ls-files '*.md' docs charts deploy examples .github justfile src |
        grep -vE '^src/(auth|cloud|debug_texts|diagnostic|fuzzing|http|params|policy|sign|yaml)')
    python3 scripts/language-check.py "${paths[@]}"
}

step 'language: wordings that readers stumble over' language
