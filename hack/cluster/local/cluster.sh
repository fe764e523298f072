# shellcheck shell=bash
# All parts of the local cluster, for the scripts in this folder.
# shellcheck source=hack/environment.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../../environment.sh"
# shellcheck source=hack/console.sh
. "$ROOT/hack/console.sh"
for part in layout processes machines network host-settings pki images preload control-plane worker volumes addons; do
    # shellcheck source=/dev/null
    . "$ROOT/hack/cluster/local/$part.sh"
done
unset part

need_root() {
    ((EUID == 0)) || fail "the local cluster makes network namespaces, mounts and cgroups, so it needs root." \
        "Run as root, or use a cluster that you have: CLUSTER=current"
}

# One script at a time changes the cluster. After an interrupted run a copy may
# still be finishing, so the lock is waited for.
take_lock() {
    mkdir -p "$RUN" "$STATE/logs"
    chmod 700 "$RUN" "$STATE"
    exec {LOCK}>"$RUN/lock"
    flock --timeout 60 "$LOCK" || fail "another script is changing the local cluster (lock $RUN/lock)"
}
