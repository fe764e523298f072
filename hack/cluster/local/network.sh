# shellcheck shell=bash
# One bridge, one link per machine, routes between the Pod networks of the nodes.

FABRIC=$(namespace_of fabric)
OWNED=$RUN/namespaces

# Written down before it is made, so that an interrupted run leaves nothing unknown.
make_namespace() {
    grep -qxF "$1" "$OWNED" 2>/dev/null || echo "$1" >>"$OWNED"
    [[ -e /run/netns/$1 ]] || ip netns add "$1"
    ip -n "$1" link set lo up
}

refuse_foreign_namespaces() {
    local name
    for name in "$@"; do
        if [[ -e /run/netns/$name ]] && ! grep -qxF "$name" "$OWNED" 2>/dev/null; then
            fail "a network namespace $name exists that was not made here; remove it with: ip netns del $name"
        fi
    done
}

# Every command may have been done before: an interrupted run is completed, and a
# link that a test has cut is healed.
link_machine() {
    local machine=$1 namespace
    namespace=$(namespace_of "$machine")
    make_namespace "$namespace"
    ip -n "$namespace" link show eth0 >/dev/null 2>&1 ||
        ip -n "$FABRIC" link add "$machine" type veth peer name eth0 netns "$namespace"
    ip -n "$FABRIC" link set "$machine" master br0 up
    ip -n "$namespace" addr replace "$(machine_address "$machine")/24" dev eth0
    ip -n "$namespace" link set eth0 up
}

# Routes vanish with a cut link.
route_machine() {
    local machine=$1 namespace other
    namespace=$(namespace_of "$machine")
    for other in "${WORKERS[@]}"; do
        [[ $other == "$machine" ]] ||
            ip -n "$namespace" route replace "$(pod_subnet "$other")" via "$(machine_address "$other")"
    done
    # Services: translated by kube-proxy on a node; from the control plane they go through the first one.
    if [[ $machine == "$CONTROL_PLANE" ]]; then
        ip -n "$namespace" route replace "$SERVICE_NETWORK" via "$(machine_address "${WORKERS[0]}")"
    else
        ip -n "$namespace" route replace default via "$(machine_address "$CONTROL_PLANE")"
        ip netns exec "$namespace" sysctl -qw net.ipv4.ip_forward=1
    fi
}

make_network() {
    local machine machines=("$CONTROL_PLANE" "${WORKERS[@]}")
    refuse_foreign_namespaces "$FABRIC" "${machines[@]/#/$PREFIX-}"
    make_namespace "$FABRIC"
    ip -n "$FABRIC" link show br0 >/dev/null 2>&1 || ip -n "$FABRIC" link add br0 type bridge
    ip -n "$FABRIC" link set br0 up
    for machine in "${machines[@]}"; do link_machine "$machine"; done
    for machine in "${machines[@]}"; do route_machine "$machine"; done
}

remove_network() {
    local name
    [[ -e $OWNED ]] || return 0
    while read -r name; do
        [[ ! -e /run/netns/$name ]] || ip netns del "$name"
    done <"$OWNED"
    rm -f -- "$OWNED"
}
