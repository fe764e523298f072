#!/bin/bash
# Small disks (in memory) on every node of the local cluster, for members whose disk is full:
#   disk.sh make <name> <MiB>   at /var/lib/small-disks/<name>
#   disk.sh remove [name]       all of them without a name
set -euo pipefail
# shellcheck source=hack/cluster/local/cluster.sh
. "$(dirname -- "$0")/cluster.sh"
need_root
DISKS=/var/lib/small-disks

on_node() { # node, command...
    local node=$1
    shift
    nsenter --target "$(payload_of "$(run_of "$node")/init.pid")" --mount -- "$@"
}

make_disk() { # node, name, MiB
    on_node "$1" mkdir -p "$DISKS/$2"
    on_node "$1" mountpoint -q "$DISKS/$2" || on_node "$1" mount -t tmpfs -o "size=$3m,mode=1777" tmpfs "$DISKS/$2"
}

# kubelet lets go of a volume some time after its Pod is gone.
remove_disk() { # node, path
    ! on_node "$1" mountpoint -q "$2" || wait_until 30 "end of the use of $2" on_node "$1" umount "$2"
    on_node "$1" rmdir "$2"
}

remove_disks() { # node, [name]
    local path
    on_node "$1" mkdir -p "$DISKS"
    for path in $(on_node "$1" find "$DISKS" -mindepth 1 -maxdepth 1 -name "${2:-*}"); do remove_disk "$1" "$path"; done
}

for node in "${WORKERS[@]}"; do
    case ${1:-} in
    make) make_disk "$node" "${2:?a name}" "${3:?MiB}" ;;
    remove) remove_disks "$node" "${2:-}" ;;
    *) fail "usage: disk.sh make <name> <MiB>, disk.sh remove [name]" ;;
    esac
done
