# shellcheck shell=bash
# One bridge, one link per machine, routes between the Pod networks of the nodes.

FABRIC=$(namespace_of fabric)
OWNED=$RUN/namespaces

make_namespace() {
    [[ ! -e /run/netns/$1 ]] || return 0
    ip netns add "$1"
    echo "$1" >>"$OWNED"
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

link_machine() {
    local machine=$1 namespace
    namespace=$(namespace_of "$machine")
    make_namespace "$namespace"
    ! ip -n "$namespace" link show eth0 >/dev/null 2>&1 || return 0
    ip -n "$FABRIC" link add "$machine" type veth peer name eth0 netns "$namespace"
    ip -n "$FABRIC" link set "$machine" master br0 up
    ip -n "$namespace" addr add "$(machine_address "$machine")/24" dev eth0
    ip -n "$namespace" link set eth0 up
}

# Routes vanish with a cut link, so they are set on every run.
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
    if ! ip -n "$FABRIC" link show br0 >/dev/null 2>&1; then
        ip -n "$FABRIC" link add br0 type bridge
        ip -n "$FABRIC" link set br0 up
    fi
    for machine in "${machines[@]}"; do link_machine "$machine"; done
    for machine in "${machines[@]}"; do
        # A link that a test has cut stays cut until somebody heals it.
        ip -n "$(namespace_of "$machine")" link show eth0 | grep -q 'state UP' && route_machine "$machine"
    done
    return 0
}

remove_network() {
    local name
    [[ -e $OWNED ]] || return 0
    while read -r name; do
        [[ ! -e /run/netns/$name ]] || ip netns del "$name"
    done <"$OWNED"
    rm -f -- "$OWNED"
}
