# shellcheck shell=bash
# A new node starts with all images: archives are unpacked once, into a containerd
# folder in the cache, whose files every node then shares by hard links. (Layers
# are only ever read; the databases, which are written, are copied.)

preloaded_of() { # archive...
    printf '%s\n' "${@##*/}" | cat - <(containerd --version) | sha256sum | cut -c1-12
}

# The containerd that fills the folder ends with this function, whatever happens.
fill_preloaded() (
    folder=$1
    shift
    socket=$(dirname "$folder")/preload.sock
    printf 'version = 2\nroot = "%s"\nstate = "%s"\ndisabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]\n[grpc]\naddress = "%s"\n' \
        "$folder" "$folder.state" "$socket" >"$folder.toml"
    # A mount namespace of its own: what it mounts while unpacking is not seen outside.
    unshare --mount containerd --config "$folder.toml" >"$folder.log" 2>&1 {LOCK}>&- &
    filler=$!
    trap 'kill $filler; wait $filler; rm -rf -- "$folder.state" "$folder.toml" "$socket"*' EXIT
    wait_until 30 "containerd for the image store" ctr -a "$socket" --connect-timeout 1s version
    for archive in "$@"; do
        ctr -a "$socket" -n k8s.io images import "$archive" >/dev/null
    done
)

make_preloaded() { # folder, archive...
    local folder=$1
    shift
    mkdir -p "$(dirname "$folder")"
    rm -rf -- "${IMAGES:?}/preloaded"/*
    fill_preloaded "$folder.partial" "$@"
    mv -- "$folder.partial" "$folder"
}

seed_node() { # node, folder, archive...
    local node=$1 folder=$2 into archive database
    shift 2
    into=$(home_of "$node")/var-lib/containerd
    [[ ! -e $into/io.containerd.metadata.v1.bolt ]] || return 0
    rm -rf -- "$into.partial"
    mkdir -p "$into" "$(home_of "$node")/images"
    find "$into" -mindepth 1 -delete
    # Hard links where cache and cluster are on one file system, else copies.
    cp -al -- "$folder" "$into.partial" 2>/dev/null || { rm -rf -- "$into.partial"; cp -a -- "$folder" "$into.partial"; }
    find "$into.partial" -maxdepth 2 -name '*.db' -print0 | while IFS= read -rd '' database; do
        cp --remove-destination -- "$folder/${database#"$into.partial/"}" "$database"
    done
    for archive in "$@"; do
        archive_identity "$archive" >"$(image_mark "$node" "$archive")"
    done
    # The machine may have this folder mounted, so its content is moved; last what tells that it is whole.
    find "$into.partial" -mindepth 1 -maxdepth 1 -not -name io.containerd.metadata.v1.bolt -exec mv -t "$into" -- {} +
    mv -- "$into.partial/io.containerd.metadata.v1.bolt" "$into/"
    rmdir "$into.partial"
}

node_has_no_images() { [[ ! -e $(home_of "$1")/var-lib/containerd/io.containerd.metadata.v1.bolt ]]; }

seed_everywhere() { # archive...
    local node folder pids=() pid failed=0 bare=()
    for node in "${WORKERS[@]}"; do
        ! node_has_no_images "$node" || bare+=("$node")
    done
    ((${#bare[@]})) || return 0
    folder=$IMAGES/preloaded/$(preloaded_of "$@")
    [[ -d $folder ]] || make_preloaded "$folder" "$@"
    for node in "${bare[@]}"; do
        seed_node "$node" "$folder" "$@" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
    return $failed
}
