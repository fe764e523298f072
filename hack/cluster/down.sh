#!/bin/bash
# Removes the cluster of CLUSTER=local|kind; leaves CLUSTER=current alone.
set -euo pipefail
# shellcheck source=hack/cluster/provider.sh
. "$(dirname -- "$0")/provider.sh"
run_provider down.sh "$@"
