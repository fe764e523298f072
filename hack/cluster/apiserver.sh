#!/bin/bash
# Kills the API server and starts it again (restart), or starts it if it is away: apiserver.sh restart|start. Exit
# code 3: the provider can't.
set -euo pipefail
# shellcheck source=hack/cluster/provider.sh
. "$(dirname -- "$0")/provider.sh"
run_provider apiserver.sh "$@"
