#!/bin/bash
# First process of a machine: gives it a file system view of its own and becomes
# its pid 1. Runs inside new mount, pid, uts and ipc namespaces, so that nothing
# mounted here is seen outside. The machine's own /run, /var/lib and /var/log keep
# container runtime and kubelet at their usual paths, apart from the host's.
set -euo pipefail
machine=$1 home=$2 run=$3 state=$4 tools=$5

hostname "$machine"

# An empty directory over the host's, with the paths that must stay visible.
cover() { # path, what to put there
    local path=$1 instead=$2 kept
    for kept in "$run" "$state" "$tools"; do
        if [[ $kept == "$path"/* ]]; then
            mkdir -p "$instead/${kept#"$path"/}"
            mount --rbind "$kept" "$instead/${kept#"$path"/}"
        fi
    done
    mount --rbind "$instead" "$path"
}

mkdir -p "$home"/{run,var-lib,var-log}
mount -t tmpfs -o mode=755,size=256m tmpfs "$home/run"
mkdir -p "$home/run/netns"
cover /run "$home/run"
mkdir -p "$home"/var-lib/{kubelet,containerd,cni,local-path-provisioner} "$home"/var-log/{pods,containers}
cover /var/lib "$home/var-lib"
cover /var/log "$home/var-log"

# kubelet wants mounts to propagate from the machine into Pods, not to the host.
mount --make-rshared /

: >"$run/$machine/made"
exec catatonit -P
