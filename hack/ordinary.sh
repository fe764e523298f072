#!/bin/bash
# Ordinary inputs on the cluster, and one table: input (the test, or a pair of inputs), seconds, what the object said.
# ONLY=<test> runs one. PAIRS=<number> pairs of inputs are chosen by SEED=<number>.
set -euo pipefail
# shellcheck source=hack/environment.sh
. "$(dirname -- "$0")/environment.sh"
cd "$ROOT"

notes=${CARGO_TARGET_DIR:-target}/tmp/ordinary.tsv
rm -f -- "$notes"
export SEED=${SEED:-$RANDOM} PAIRS=${PAIRS:-20}
echo "SEED=$SEED PAIRS=$PAIRS repeats the pairs of inputs"
status=0
cargo test --locked --workspace --features e2e/cluster --test ordinary --no-fail-fast -- \
    --test-threads=3 ${ONLY:+"$ONLY"} || status=$?
if [[ -s $notes ]]; then
    printf '\n| Input | Seconds | What the object said |\n|---|---|---|\n'
    # In each test's own order.
    sort --stable --field-separator=$'\t' --key=1,1 -- "$notes" |
        awk -F '\t' '{ sub(/.*::/, "", $1); gsub(/_/, " ", $1); printf "| %s | %s | %s |\n", $1 == last ? "" : $1, $2, substr($3, 1, 220); last = $1 }'
fi
exit "$status"
