# shellcheck shell=bash
# Names and addresses of the local cluster. A "machine" is a set of Linux
# namespaces (net, mount, pid, uts, ipc) kept by its own pid 1. All machines hang
# on one bridge in the namespace sw-fabric; the host has no route to it.

# shellcheck disable=SC2034  # read by the files that source this one
CONTROL_PLANE=control-plane
# shellcheck disable=SC2034
WORKERS=(node1 node2 node3)
# shellcheck disable=SC2034
POD_NETWORK=10.244.0.0/16
# shellcheck disable=SC2034
SERVICE_NETWORK=10.96.0.0/16
# shellcheck disable=SC2034
SERVICE_DNS=10.96.0.10

machine_address() {
    case $1 in
    control-plane) echo 10.200.0.10 ;;
    node*) echo "10.200.0.1${1#node}" ;;
    esac
}

pod_subnet() { echo "10.244.${1#node}.0/24"; }

# Network namespaces: sw-node1 and so on.
if [[ $NAME == sealwright ]]; then PREFIX=sw; else PREFIX=$NAME; fi
namespace_of() { echo "$PREFIX-$1"; }

# Files of one machine: kept ($STATE) and gone after a reboot ($RUN).
home_of() { echo "$STATE/machines/$1"; }
run_of() { echo "$RUN/$1"; }
log_of() { echo "$STATE/logs/$1-$2.log"; }
containerd_socket() { echo "$RUN/$1/containerd.sock"; }
