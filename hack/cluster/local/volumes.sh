# shellcheck shell=bash
# Volumes with a real size: the CSI driver of crates/csi-driver as one process beside each kubelet, and one beside
# external-provisioner and external-resizer on the control plane.

VOLUMES=$STATE/volumes
VOLUME_DRIVER_NAME=volumes.sealwright.dev
VOLUME_SOCKET=$(run_of "$CONTROL_PLANE")/csi.sock

# In one build of the whole workspace, as hack/images/operators.sh has it. A process keeps its own copy of the program.
compile_volume_driver() {
    local built=${CARGO_TARGET_DIR:-$ROOT/target}/image/csi-driver
    (cd "$ROOT" && cargo build --quiet --locked --profile image --workspace --bin=csi-driver)
    VOLUME_DRIVER=$VOLUMES/bin/csi-driver-$(sha256sum "$built" | cut -c1-12)
    [[ ! -x $VOLUME_DRIVER ]] || return 0
    mkdir -p "$VOLUMES/bin" "$VOLUMES/pool"
    cp -- "$built" "$VOLUME_DRIVER.partial"
    mv -- "$VOLUME_DRIVER.partial" "$VOLUME_DRIVER"
}

start_volume_driver() { # node
    local kubelet=/var/lib/kubelet
    local socket=$kubelet/plugins/$VOLUME_DRIVER_NAME/csi.sock
    start_on "$1" csi-driver "$VOLUME_DRIVER" --pool "$VOLUMES/pool" --socket "$socket" node --name "$1"
    start_on "$1" csi-registrar "$TOOLS/registrar" "$kubelet" "$VOLUME_DRIVER_NAME" "$socket"
}

start_volumes() {
    local sidecar=(--csi-address="$VOLUME_SOCKET" --kubeconfig="$PKI/storage.kubeconfig" --kube-api-qps=50 --kube-api-burst=100)
    in_parallel start_volume_driver "${WORKERS[@]}"
    start_on "$CONTROL_PLANE" csi-driver "$VOLUME_DRIVER" --pool "$VOLUMES/pool" --socket "$VOLUME_SOCKET" controller
    wait_until 10 "socket of the volume driver" test -S "$VOLUME_SOCKET"
    # It takes KUBECONFIG, which leads to the host's side of the API server, before its own argument.
    start_on "$CONTROL_PLANE" csi-provisioner env --unset=KUBECONFIG "$TOOLS/csi-provisioner" "${sidecar[@]}" \
        --strict-topology --extra-create-metadata --default-fstype=xfs --retry-interval-start=200ms
    start_on "$CONTROL_PLANE" csi-resizer "$TOOLS/csi-resizer" "${sidecar[@]}" --retry-interval-start=200ms
}

# A loop device goes with the last mount of it. One is left only where a process ended between making and mounting it.
release_loop_devices() {
    local device
    losetup --noheadings --list --output NAME,BACK-FILE | while read -r device file; do
        [[ $file != "$VOLUMES"/* ]] || losetup --detach "$device"
    done
}
