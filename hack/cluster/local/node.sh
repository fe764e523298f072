#!/bin/bash
# Cuts a node of the local cluster off the network, or puts it back: node.sh cut|heal <node>
set -euo pipefail
# shellcheck source=hack/cluster/local/cluster.sh
. "$(dirname -- "$0")/cluster.sh"
need_root
action=${1:-} node=${2:-}
[[ " ${WORKERS[*]} " == *" $node "* ]] || fail "no node \"$node\"; there are: ${WORKERS[*]}"
namespace=$(namespace_of "$node")
case $action in
cut) ip -n "$namespace" link set eth0 down ;;
heal)
    ip -n "$namespace" link set eth0 up
    route_machine "$node"
    ;;
*) fail "usage: node.sh cut|heal <node>" ;;
esac
