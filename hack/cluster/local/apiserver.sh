#!/bin/bash
# Kills the API server of the local cluster and starts it again (restart), or starts it if it is away: apiserver.sh restart|start
set -euo pipefail
# shellcheck source=hack/cluster/local/cluster.sh
. "$(dirname -- "$0")/cluster.sh"
need_root
[[ ${1:-} == restart || ${1:-} == start ]] || fail "usage: apiserver.sh restart|start"
take_lock
[[ $1 == start ]] || end_process "$(run_of "$CONTROL_PLANE")/kube-apiserver.pid" KILL
start_apiserver
wait_until 90 "API server" apiserver_ready || fail "the API server is not ready; see $(log_of "$CONTROL_PLANE" kube-apiserver)"
