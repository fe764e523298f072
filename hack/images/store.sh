# shellcheck shell=bash
# Image builds without a daemon, in a store of their own, so that no other store
# on the machine is touched. Finished images are archives in $IMAGES.

STORE=$CACHE/buildah
BASES=$IMAGES/bases

buildah_here() {
    buildah --root "$STORE/root" --runroot "$STORE/run" --storage-driver overlay "$@"
}

key_of() { cat -- "$@" | sha256sum | cut -c1-12; }

# The packages inside change with Debian; a base is remade when its recipe changes
# or when the folder is removed.
debian_base() { # suite
    local suite=$1 archive
    archive=$BASES/$suite-$(key_of "$ROOT/images/debian.Containerfile").tar
    if [[ ! -s $archive ]]; then
        mkdir -p "$BASES"
        step "Debian $suite bootstrapped" bootstrap "$suite" "$archive"
    fi
    buildah_here inspect --type image "docker.io/sealwright/debian:$suite" >/dev/null 2>&1 ||
        step "image debian:$suite" import_base "$suite" "$archive"
}

# The machine's own Debian sources (its mirrors, with updates and security), for another suite.
debian_sources() { # suite
    local host=''
    # shellcheck source=/dev/null
    host=$(. /etc/os-release && echo "$VERSION_CODENAME")
    # shellcheck disable=SC2016  # apt fills these in
    apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(CODENAME) $(COMPONENT)' 'Identifier: Packages' |
        awk -v host="$host" -v suite="$1" '$1 == "Debian" && $4 == "main" && $3 ~ "^" host "(-|$)" {
            sub("^" host, suite, $3); print "deb", $2, $3, $4 }' | sort -u
}

bootstrap() { # suite, archive
    local log=$2.log sources
    mapfile -t sources < <(debian_sources "$1")
    if ((${#sources[@]} == 0)); then
        # Only after an update apt knows whose archives they are.
        apt-get -q update >"$log" 2>&1
        mapfile -t sources < <(debian_sources "$1")
    fi
    ((${#sources[@]})) || fail "apt knows no Debian archive here; run apt-get update, and look at /etc/apt/sources.list.d"
    mmdebstrap --quiet --variant=minbase --include=ca-certificates "$1" "$2.partial.tar" \
        "${sources[@]}" >"$log" 2>&1 || { tail -20 "$log" >&2; return 1; }
    mv -- "$2.partial.tar" "$2"
}

import_base() { # suite, archive
    local context
    context=$(mktemp -d "$BASES/context.XXXXXX")
    ln -- "$2" "$context/rootfs.tar"
    build_image "docker.io/sealwright/debian:$1" "$ROOT/images/debian.Containerfile" "$context"
    rm -rf -- "$context"
}

# build_image <reference> <Containerfile> <context> [buildah argument...]
build_image() {
    local reference=$1 file=$2 context=$3 log
    shift 3
    mkdir -p "$IMAGES/logs"
    log=$IMAGES/logs/$(basename "$reference").log
    # pip in a build needs the CA certificates that this machine trusts.
    buildah_here bud --isolation chroot --pull-never --network host --format docker \
        --volume /etc/ssl/certs/ca-certificates.crt:/run/host-ca.crt:ro \
        "$@" --file "$file" --tag "$reference" "$context" >"$log" 2>&1 || { tail -30 "$log" >&2; return 1; }
}

# base_image <name> <Debian release> <Containerfile> [what else it is made from...]: an image that others are made from. It
# stays in the store, and is made again when one of its files changes.
base_image() {
    local name=$1 suite=$2 reference=docker.io/sealwright/$1:$2 mark
    mark=$STORE/$name-$suite-$(key_of "${@:3}" "$ROOT/images/debian.Containerfile")
    if [[ ! -e $mark ]] || ! buildah_here inspect --type image "$reference" >/dev/null 2>&1; then
        debian_base "$suite"
        step "image $name:$suite" build_image "$reference" "$3" "$ROOT/images" --build-arg SUITE="$suite"
        rm -f -- "$STORE/$name-$suite-"*
        : >"$mark"
    fi
}

save_image() { # reference, archive
    rm -f -- "$2.partial"
    buildah_here push --quiet "$1" "docker-archive:$2.partial:$1"
    mv -- "$2.partial" "$2"
}

# build_archive <archive> <reference> <Containerfile> <context> [buildah argument...]
build_archive() {
    local archive=$1 reference=$2
    shift
    build_image "$@"
    save_image "$reference" "$archive"
    buildah_here rmi "$reference" >/dev/null
}
