# shellcheck shell=bash
# Image archives into the containerd of every node, each archive once.

image_mark() { # node, archive
    echo "$(home_of "$1")/images/$(basename "$2")"
}

archive_identity() { stat -c '%s %Y %n' -- "$1"; }

load_archive() { # node, archive
    local mark identity
    mark=$(image_mark "$1" "$2")
    identity=$(archive_identity "$2")
    [[ $(cat "$mark" 2>/dev/null) != "$identity" ]] || return 0
    ctr -a "$(containerd_socket "$1")" -n k8s.io images import "$2" >/dev/null
    mkdir -p "$(dirname "$mark")"
    echo "$identity" >"$mark"
}

load_archives() { # node, archive...
    local node=$1 archive
    shift
    for archive in "$@"; do load_archive "$node" "$archive"; done
}

load_everywhere() { # archive...
    local node pids=() pid failed=0
    for node in "${WORKERS[@]}"; do
        load_archives "$node" "$@" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
    return $failed
}
