#!/bin/bash
# Removes the local cluster: its processes, mounts, namespaces, cgroups and files,
# and puts back the sysctls that kubelet changed. Touches nothing else.
set -euo pipefail
# shellcheck source=hack/cluster/local/cluster.sh
. "$(dirname -- "$0")/cluster.sh"

end_machines() {
    end_process "$RUN/apiserver-port.pid"
    in_parallel end_machine "$CONTROL_PLANE" "${WORKERS[@]}"
}

remove_files() {
    # A mount that is still here would be emptied with the folder.
    if grep -q " $STATE/" /proc/mounts; then
        fail "something is mounted below $STATE; unmount it first: $(grep " $STATE/" /proc/mounts | cut -d' ' -f2 | head -3)"
    fi
    rm -rf -- "$STATE" "$RUN"
}

need_root
if [[ ! -e $STATE && ! -e $RUN ]]; then
    say "no local cluster here"
    exit
fi
take_lock
step "processes ended" end_machines
step "network removed" remove_network
step "cgroups removed" wait_until 20 "empty cgroups" remove_cgroups
step "sysctls put back" restore_sysctls
step "loop devices released" release_loop_devices
step "files removed" remove_files
