#!/bin/bash
# Clients and faults on the cluster, judged by Porcupine; one table. MODE (synchronous,asynchronous), RUNS, MEMBERS, LENGTH (seconds of faults in a run) and SEALWRIGHT_E2E_SEED choose.
set -euo pipefail
# shellcheck source=hack/environment.sh
. "$(dirname -- "$0")/environment.sh"
cd "$ROOT"

checker=$CACHE/tools/porcupine/$(cat hack/tools/porcupine/go.sum hack/tools/porcupine/main.go | sha256sum | cut -c1-12)
if [[ ! -x $checker ]]; then
    (cd hack/tools/porcupine && CGO_ENABLED=0 GOFLAGS=-trimpath go build -ldflags '-s -w' -o "$checker" .)
fi
CHECKER=$checker exec cargo run --locked --quiet --profile image --bin histories
