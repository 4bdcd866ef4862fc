#!/usr/bin/env bash
# Brings a version into a cluster with helm, and takes it back when it does not come up (docs/kubernetes.md).
#
#   rollout.sh rolling          replace pods one by one; installs where nothing is installed yet
#   rollout.sh stage            blue-green: the idle colour gets the version, traffic stays where it is
#   rollout.sh switch           blue-green: traffic, daemon and runs go to the colour that was staged
#   rollout.sh canary SHARE     that share of repositories is judged by the ruler in RULER; 0 is the undo
#   rollout.sh undo             back to the revision before
#
# Environment: IMAGE=<tag>@sha256:<digest> (rolling, stage), VALUES="file ..." (paths of values files), and where they differ
# from the defaults: NAMESPACE=elder RELEASE=elder CHART=helm TIMEOUT=15m HELM=helm.
set -euo pipefail
NAMESPACE=${NAMESPACE:-elder} RELEASE=${RELEASE:-elder} CHART=${CHART:-helm} TIMEOUT=${TIMEOUT:-15m} HELM=${HELM:-helm}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

run() { "$HELM" --namespace "$NAMESPACE" "$@"; }

files=()
for file in ${VALUES:-}; do files+=(--values "$file"); done

# What earlier roll-outs decided and no values file says: image, colours, canary. Read from the release itself.
keep() {
    run get values "$RELEASE" --output json | python3 -c '
import json, sys
given = json.load(sys.stdin) or {}
image = {name: value for name, value in given.get("image", {}).items() if name in ("tag", "digest")}
print(json.dumps({"image": image, "rollout": given.get("rollout", {}), "canary": given.get("canary", {})}))
' > "$scratch/kept.json"
    files+=(--values "$scratch/kept.json")
}

kept() { python3 -c 'import functools, json, sys
print(functools.reduce(lambda tree, name: (tree or {}).get(name), sys.argv[2].split("."), json.load(open(sys.argv[1]))) or "")' \
    "$scratch/kept.json" "$1"; }

# Tag and digest of IMAGE, checked: a tag alone may be another image tomorrow.
image() {
    if [[ ! "${IMAGE:-}" =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}@sha256:[0-9a-f]{64}$ ]]; then
        echo "rollout: IMAGE is '${IMAGE:-}', <tag>@sha256:<digest> is needed" >&2
        exit 2
    fi
    tag=${IMAGE%@*} digest=${IMAGE#*@}
}

upgrade() {
    if run upgrade "$RELEASE" "$CHART" "${files[@]}" "$@" --wait --timeout "$TIMEOUT" && run test "$RELEASE" --timeout 5m; then
        return
    fi
    echo "rollout: it did not come up, going back" >&2
    run rollback "$RELEASE" --wait --timeout "$TIMEOUT"
    exit 1
}

colours() {
    active=$(kept rollout.active)
    active=${active:-blue}
    if [ "$active" = blue ]; then idle=green; else idle=blue; fi
}

case "${1:-}" in
rolling)
    image
    if ! run status "$RELEASE" >/dev/null 2>&1; then
        # The control plane is not ready until there is a token, so a first installation cannot be waited for.
        run install "$RELEASE" "$CHART" "${files[@]}" --set-string "image.tag=$tag,image.digest=$digest"
        echo "rollout: installed; now make the first token (docs/kubernetes.md)"
        exit 0
    fi
    keep
    upgrade --set-string "image.tag=$tag,image.digest=$digest"
    ;;
stage)
    image
    keep
    colours
    serving=$(kept "rollout.${active}Tag")
    if [ -z "$serving" ]; then serving=$(kept image.tag)@$(kept image.digest); fi
    upgrade --set rollout.strategy=blue-green --set "rollout.active=$active" \
        --set-string "rollout.${active}Tag=$serving" --set-string "rollout.${idle}Tag=$IMAGE"
    echo "rollout: $idle has $IMAGE, $active serves; look at it, then: rollout.sh switch"
    ;;
switch)
    keep
    colours
    IMAGE=$(kept "rollout.${idle}Tag")
    image
    upgrade --set "rollout.active=$idle" --set-string "image.tag=$tag,image.digest=$digest"
    echo "rollout: $idle serves $IMAGE; rollout.sh undo goes back to $active"
    ;;
canary)
    case "${2:-}" in 0 | 10 | 25 | 50 | 75 | 100) ;; *)
        echo "rollout: a share is 0, 10, 25, 50, 75 or 100, not '${2:-}'" >&2
        exit 2
        ;;
    esac
    keep
    ruler=()
    if [ "$2" != 0 ] && [ -n "${RULER:-}" ]; then ruler=(--set-file "canary.ruler=$RULER"); fi
    upgrade --set "canary.share=$2" "${ruler[@]}"
    ;;
undo)
    run rollback "$RELEASE" --wait --timeout "$TIMEOUT"
    ;;
*)
    sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
