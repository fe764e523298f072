# shellcheck shell=bash
# The switch between cluster providers. Each is a folder beside this file with the
# same scripts: up.sh, down.sh, load-images.sh; and node.sh, apiserver.sh, disk.sh
# where the provider can disturb its cluster so.
# shellcheck source=hack/environment.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/../environment.sh"
# shellcheck source=hack/console.sh
. "$ROOT/hack/console.sh"

run_provider() { # script, argument...
    local script=$ROOT/hack/cluster/$CLUSTER/$1
    shift
    [[ -d $ROOT/hack/cluster/$CLUSTER ]] || fail "no cluster provider CLUSTER=$CLUSTER; there are: local, kind, current"
    if [[ ! -e $script ]]; then
        echo "$(basename "$script") is not supported by the cluster provider CLUSTER=$CLUSTER" >&2
        exit 3
    fi
    exec "$script" "$@"
}
