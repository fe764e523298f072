#!/bin/bash
# Cuts a node of the local cluster off the network, or puts it back: node.sh cut|heal <node>
# Cuts one direction only, what comes in or what goes out: node.sh cut-in|cut-out <node>
# Kills, freezes or wakes the process of a container, by its id at containerd: node.sh kill|pause|resume <node> <id>
# (kill waits for a line on its standard input, so that whoever waits for a moment does not miss it)
# Runs a program of this machine in the node's network: node.sh run <node> <program> [argument...]
set -euo pipefail
# shellcheck source=hack/cluster/local/cluster.sh
. "$(dirname -- "$0")/cluster.sh"
need_root
action=${1:-} node=${2:-}
[[ " ${WORKERS[*]} " == *" $node "* ]] || fail "no node \"$node\"; there are: ${WORKERS[*]}"
namespace=$(namespace_of "$node")
tasks() { ctr -a "$(containerd_socket "$node")" -n k8s.io tasks "$@"; }
# In the mangle table, which kube-proxy leaves alone; its chains see what goes to and comes from Pods, too.
drop() { # command of iptables
    ip netns exec "$namespace" iptables -w -t mangle "$@" -m comment --comment sealwright-cut -j DROP
}
heal_directions() {
    while drop -D PREROUTING -i eth0 2>/dev/null; do :; done
    while drop -D POSTROUTING -o eth0 2>/dev/null; do :; done
}
case $action in
cut-in) drop -I PREROUTING -i eth0 ;;
cut-out) drop -I POSTROUTING -o eth0 ;;
cut) ip -n "$namespace" link set eth0 down ;;
heal)
    heal_directions
    ip -n "$namespace" link set eth0 up
    route_machine "$node"
    ;;
run)
    shift 2
    exec nsenter --net="/run/netns/$namespace" -- "$@"
    ;;
kill) if read -r _; then tasks kill -s SIGKILL "${3:?the id of a container}"; fi ;;
pause | resume) tasks "$action" "${3:?the id of a container}" ;;
*) fail "usage: node.sh cut|cut-in|cut-out|heal <node>, node.sh kill|pause|resume <node> <container>, node.sh run <node> <program>" ;;
esac
