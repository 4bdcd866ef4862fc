#!/usr/bin/env bash
# Runs the gate in any pipeline: finds the base, writes the reports, ends as the gate does.
#
#   docs/ci/gate.sh [ELDER]
#
# Reads BASE (where the change would land), else what GitLab says of a merge request, else BASE_BRANCH, else BEFORE (the
# commit before a push); TARGET (default .).
# Writes elder.md and the folder elder-sarif (large reports come in several files); on GitHub also the summary of the run.
set -u -o pipefail
elder="${1:-elder}"
target="${TARGET:-.}"
base="${BASE:-}"
if [ -z "$base" ]; then
  case "${CI_MERGE_REQUEST_EVENT_TYPE:-}" in
    merged_result | merge_train)
      # HEAD already holds what others landed, on a train also the requests ahead: they are its first parent. Without a
      # merge commit (fast-forward) the target branch is the last commit that is surely before the whole request.
      if git -C "$target" rev-parse 'HEAD^2' > /dev/null 2>&1; then
        base="HEAD^1"
      else
        base="${CI_MERGE_REQUEST_TARGET_BRANCH_SHA:-}"
      fi
      ;;
  esac
  base="${base:-${CI_MERGE_REQUEST_DIFF_BASE_SHA:-}}"
fi
if [ -z "$base" ] && [ -n "${BASE_BRANCH:-}" ]; then
  base="origin/$BASE_BRANCH"
fi
if [ -z "$base" ] && [ -n "${BEFORE:-}" ] && [ -n "${BEFORE//0/}" ]; then
  base="$BEFORE"
fi
if [ -z "$base" ]; then
  echo "elder: no base to compare with; auditing the whole repository" >&2
  exec "$elder" audit "$target"
fi
"$elder" gate "$target" --base "$base" --format markdown --output elder.md
status=$?
if [ "$status" -le 1 ]; then
  "$elder" gate "$target" --base "$base" --format sarif --output elder-sarif/elder.sarif --quiet 2>/dev/null
  cat elder.md
  if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
    cat elder.md >> "$GITHUB_STEP_SUMMARY"
    echo "sarif=$PWD/elder-sarif" >> "$GITHUB_OUTPUT"
  fi
fi
exit "$status"
