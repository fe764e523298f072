#!/bin/bash
# Makes image archives known to all nodes: load-images.sh <tar>...
set -euo pipefail
# shellcheck source=hack/cluster/provider.sh
. "$(dirname -- "$0")/provider.sh"
run_provider load-images.sh "$@"
