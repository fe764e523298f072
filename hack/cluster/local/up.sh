#!/bin/bash
# Makes the local cluster, or completes and repairs what is there of it.
set -euo pipefail
# shellcheck source=hack/cluster/local/cluster.sh
. "$(dirname -- "$0")/cluster.sh"

interrupted() {
    trap - INT TERM EXIT
    say "interrupted; run again to continue, or remove what is there with: make clean-cluster"
    # shellcheck disable=SC2046
    kill $(jobs -p) 2>/dev/null || true
    exit 130
}

start_machines() {
    in_parallel start_machine "$CONTROL_PLANE" "${WORKERS[@]}"
}

nodes_registered() { kubectl get "${WORKERS[@]/#/node/}"; }

start_nodes() {
    seed_everywhere "$@"
    in_parallel start_containerd "${WORKERS[@]}"
    load_everywhere "$@"
}

need_root
[[ -x $TOOLS/helm ]] || "$ROOT/hack/tools/build.sh"
# Images are built before anything is started: mapfile hides a failure, so it is looked for.
mapfile -t archives < <("$ROOT/hack/images/archives.sh" || echo failed)
[[ ${archives[-1]} != failed ]] || fail "the images could not be made (see above)"
step "volume driver compiled" compile_volume_driver
take_lock
trap interrupted INT TERM

save_sysctls
make_cgroups
step "keys and certificates" make_pki
step "network" make_network
step "machines $CONTROL_PLANE, ${WORKERS[*]}" start_machines

# Containerd and the images don't need the API server, so both start at once.
start_nodes "${archives[@]}" &
nodes=$!
step "API server" start_control_plane
step "containerd and the images on every node" wait $nodes
step "kubelets and kube-proxies" in_parallel start_kubelet "${WORKERS[@]}"
step "DNS, storage and cert-manager applied" apply_addons
step "volume driver and its sidecars" start_volumes
step "nodes registered" wait_until 60 "registration of the nodes" nodes_registered
step "nodes, DNS, storage and cert-manager ready" wait_for_addons
say "the cluster is up: export KUBECONFIG=$KUBECONFIG PATH=$TOOLS:\$PATH"
