#!/bin/bash
# All tests: what needs no cluster first (unit, golden, charts, documentation), then the real cluster. With arguments,
# these are given to the cluster tests' runner (for example the name of a test).
set -euo pipefail
# shellcheck source=hack/environment.sh
. "$(dirname -- "$0")/environment.sh"
# shellcheck source=hack/console.sh
. "$ROOT/hack/console.sh"
# shellcheck source=hack/stages.sh
. "$ROOT/hack/stages.sh"
cd "$ROOT"

output=$(mktemp)

# The runner's closing lines, added up, below everything else.
conclude() {
    local status=$?
    where_the_time_went
    awk '/^test result:/ { runs++; passed += $4; failed += $6; ignored += $8 }
        END { printf "\ntest result: %s. %d passed; %d failed; %d ignored; in %d runs\n",
            failed || STATUS ? "FAILED" : "ok", passed, failed, ignored, runs }' STATUS="$status" "$output"
    rm -f -- "$output"
    exit $status
}
trap conclude EXIT

unit_tests() { cargo test --locked --workspace 2>&1 | tee -a "$output"; }

# They mostly wait, so three go on side by side; with four, two cores are never idle and clients time out. Those that
# must be alone say so themselves.
e2e_tests() {
    cargo test --locked --workspace --features e2e/cluster --test behaviour --test disruption --test ordinary --no-fail-fast -- \
        --test-threads=3 "$@" 2>&1 | tee -a "$output"
}

# Namespaces that a run left which was ended before it could clean up. The operators take the databases away.
sweep() {
    kubectl delete namespaces --selector sealwright.dev/e2e --ignore-not-found --wait=false
}

stage "packages, pinned tools, images" hack/prepare.sh
stage "cluster" hack/cluster/up.sh
stage "operators: compile, images, load" hack/images/operators.sh --load
stage "tests without a cluster" unit_tests
stage "leftovers of earlier runs" sweep
stage "tests on the cluster" e2e_tests "$@"
