#!/bin/bash
set -euo pipefail
# shellcheck source=hack/cluster/kind/kind.sh
. "$(dirname -- "$0")/kind.sh"
step "kind cluster $NAME removed" kind delete cluster --name "$NAME"
