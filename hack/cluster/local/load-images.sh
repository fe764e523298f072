#!/bin/bash
# Puts image archives into all nodes of the local cluster: load-images.sh <tar>...
set -euo pipefail

# shellcheck source=hack/cluster/local/cluster.sh
. "$(dirname -- "$0")/cluster.sh"
need_root
for worker in "${WORKERS[@]}"; do
    is_running "$(run_of "$worker")/containerd.pid" || fail "the local cluster is not up; run: make cluster"
done
load_everywhere "$@"
