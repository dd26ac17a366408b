#!/usr/bin/env bash
# The second step of action.yml: `fake-cloud test` with the action's inputs.
set -euo pipefail

arguments=("$INPUT_CLASS")
option() { [ -z "$2" ] || arguments+=("--$1=$2"); }
option state "${INPUT_STATE:-}"
option expect "${INPUT_EXPECT:-}"
option expect-error "${INPUT_EXPECT_ERROR:-}"
option class-name "${INPUT_CLASS_NAME:-}"
option pod "${INPUT_POD:-}"
option publish-secret "${INPUT_PUBLISH_SECRET:-}"
option timeout "${INPUT_TIMEOUT:-}"
while IFS= read -r fault; do
    option fault "$fault"
done <<<"${INPUT_FAULTS:-}"

if fake-cloud test "${arguments[@]}"; then exit 0; fi
echo "::error file=$INPUT_CLASS::the class does not mount what is expected"
exit 1
