# shellcheck shell=bash
# Where things are. Sourced by every script; also by hand, to get kubectl, helm
# and the kubeconfig of the local cluster:   . hack/environment.sh

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=hack/pins.sh
. "$ROOT/hack/pins.sh"

# Built once per set of pins, kept outside the checkout.
CACHE=${SEALWRIGHT_CACHE:-$HOME/.cache/sealwright}
# Everything the local cluster keeps (removed by clean-cluster) and its sockets,
# process records and mount points (gone after a reboot).
# Another name makes a second cluster beside the first (with another API port).
NAME=${SEALWRIGHT_NAME:-sealwright}
STATE=${SEALWRIGHT_STATE:-/var/lib/$NAME}
# shellcheck disable=SC2034  # read by the files that source this one
RUN=/run/$NAME

CLUSTER=${CLUSTER:-local}
API_PORT=${SEALWRIGHT_API_PORT:-16443}

# The modules in hack/tools, and one key over all their pins. local-path and helm pin what they have in common with
# kubernetes to the same versions, so that it is compiled once.
TOOL_MODULES=(kubernetes cert-manager coredns local-path storage registrar helm)
tools_key() {
    (cd "$ROOT/hack/tools" && cat -- "${TOOL_MODULES[@]/%//go.mod}" "${TOOL_MODULES[@]/%//go.sum}" \
        cert-manager/main.go coredns/main.go registrar/main.go | sha256sum | cut -c1-12)
}
TOOLS=$CACHE/tools/$(tools_key)/bin
IMAGES=$CACHE/images

case ":$PATH:" in
*":$TOOLS:"*) ;;
*) export PATH="$TOOLS:$PATH" ;;
esac
if [[ $CLUSTER == local ]]; then
    export KUBECONFIG=$STATE/kubeconfig
fi
export CLUSTER CACHE STATE API_PORT IMAGES TOOLS
