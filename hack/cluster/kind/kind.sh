# shellcheck shell=bash
# shellcheck source=hack/environment.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../environment.sh"
# shellcheck source=hack/console.sh
. "$ROOT/hack/console.sh"
# shellcheck disable=SC2034  # read by the scripts beside this file
NAME=sealwright
command -v kind >/dev/null || fail "CLUSTER=kind needs the kind program: https://kind.sigs.k8s.io"
