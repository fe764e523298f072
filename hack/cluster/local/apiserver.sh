#!/bin/bash
# Kills the API server of the local cluster and starts it again, or completes that: apiserver.sh restart
set -euo pipefail
# shellcheck source=hack/cluster/local/cluster.sh
. "$(dirname -- "$0")/cluster.sh"
need_root
[[ ${1:-} == restart ]] || fail "usage: apiserver.sh restart"
take_lock
end_process "$(run_of "$CONTROL_PLANE")/kube-apiserver.pid" KILL
start_apiserver
wait_until 90 "API server" apiserver_ready || fail "the API server is not ready; see $(log_of "$CONTROL_PLANE" kube-apiserver)"
