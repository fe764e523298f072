# shellcheck shell=bash
# shellcheck source=hack/environment.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../environment.sh"
# shellcheck source=hack/console.sh
. "$ROOT/hack/console.sh"
command -v kind >/dev/null || fail "CLUSTER=kind needs the kind program: https://kind.sigs.k8s.io"
