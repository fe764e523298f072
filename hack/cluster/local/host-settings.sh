# shellcheck shell=bash
# What the nodes change on the host outside of their namespaces: the sysctls that
# kubelet sets, and one cgroup per hierarchy. Saved first, put back at the end.

SAVED_SYSCTLS=$RUN/sysctls
KUBELET_SYSCTLS=(vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops
    kernel.keys.root_maxkeys kernel.keys.root_maxbytes)
CGROUP=$NAME

save_sysctls() {
    [[ ! -e $SAVED_SYSCTLS ]] || return 0
    sysctl "${KUBELET_SYSCTLS[@]}" >"$SAVED_SYSCTLS.partial"
    mv -- "$SAVED_SYSCTLS.partial" "$SAVED_SYSCTLS"
}

restore_sysctls() {
    [[ -e $SAVED_SYSCTLS ]] || return 0
    sysctl -q -p "$SAVED_SYSCTLS"
    rm -f -- "$SAVED_SYSCTLS"
}

cgroup_hierarchies() {
    if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
        echo /sys/fs/cgroup
    else
        awk '$3 == "cgroup" { print $2 }' /proc/mounts
    fi
}

make_cgroups() {
    local hierarchy machine
    for hierarchy in $(cgroup_hierarchies); do
        mkdir -p "$hierarchy/$CGROUP"
        prepare_cgroup "$hierarchy" "$hierarchy/$CGROUP"
        for machine in "${WORKERS[@]}"; do
            mkdir -p "$hierarchy/$CGROUP/$machine"
            prepare_cgroup "$hierarchy/$CGROUP" "$hierarchy/$CGROUP/$machine"
        done
    done
}

prepare_cgroup() { # parent, cgroup
    local file
    if [[ -e $1/cgroup.subtree_control ]]; then
        echo '+cpuset +cpu +io +memory +pids' >"$1/cgroup.subtree_control"
    fi
    # A new cpuset of version 1 has no CPU and no memory node until it is told.
    for file in cpuset.cpus cpuset.mems; do
        if [[ -e $1/$file && ! -e $1/cgroup.subtree_control && -z $(cat "$2/$file") ]]; then
            cat "$1/$file" >"$2/$file"
        fi
    done
}

remove_cgroups() {
    local hierarchy
    # In a hybrid layout runc makes one in the version 2 hierarchy, too.
    awk '$3 == "cgroup" || $3 == "cgroup2" { print $2 }' /proc/mounts | while read -r hierarchy; do
        [[ ! -d $hierarchy/$CGROUP ]] || find "$hierarchy/$CGROUP" -depth -type d -exec rmdir {} +
    done
}
