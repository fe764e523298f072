#!/bin/bash
# Everything that a run needs and that the cache doesn't have: Debian packages, the
# Go tools and, at the same time (they mostly wait for downloads), the images.
set -euo pipefail
# shellcheck source=hack/environment.sh
. "$(dirname -- "$0")/environment.sh"
# shellcheck source=hack/console.sh
. "$ROOT/hack/console.sh"

# What is made (GiB, measured and rounded up), as far as it is not there yet, by file system: a full disk half an hour later is
# told by whatever happens to write then.
declare -A NEEDED
needs() { # place, GiB, what is there when it was made
    local on
    [[ ! -e $3 ]] || return 0
    mkdir -p "$1"
    on=$(df --output=target "$1" | tail -1)
    NEEDED[$on]=$((${NEEDED[$on]:-0} + $2))
}
check_space() {
    local on free
    for on in "${!NEEDED[@]}"; do
        free=$(($(df --output=avail -k "$on" | tail -1) / 1024 / 1024))
        ((free >= NEEDED[$on])) || fail "$on has $free GiB left, and ${NEEDED[$on]} are needed there: free some, or remove" \
            "what older runs left (make clean-cluster, make clean-cache, cargo clean)"
    done
}
TARGET=${CARGO_TARGET_DIR:-$ROOT/target}
needs "$CACHE" 15 "$TOOLS/helm"
needs "$TARGET" 12 "$TARGET/debug"
check_space

"$ROOT/hack/packages.sh"
"$ROOT/hack/images/archives.sh" databases >/dev/null &
images=$!
trap 'kill $images 2>/dev/null || true' EXIT
"$ROOT/hack/tools/build.sh"
wait $images || fail "the database images could not be made (see above)"
trap - EXIT
"$ROOT/hack/images/archives.sh" addons >/dev/null
