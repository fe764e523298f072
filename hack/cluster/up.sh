#!/bin/bash
# Makes the cluster of CLUSTER=local|kind|current, or completes what is there of it.
set -euo pipefail
# shellcheck source=hack/cluster/provider.sh
. "$(dirname -- "$0")/provider.sh"
run_provider up.sh "$@"
