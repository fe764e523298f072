#!/bin/bash
# Prints the image archives of the named groups (addons, databases; all by default),
# one path a line, after building those that the cache doesn't have. POSTGRES_VERSIONS names the versions of PostgreSQL that
# are wanted, with spaces between them (default: all).
set -euo pipefail
# shellcheck source=hack/environment.sh
. "$(dirname -- "$0")/../environment.sh"
# shellcheck source=hack/console.sh
. "$ROOT/hack/console.sh"
# shellcheck source=hack/images/store.sh
. "$ROOT/hack/images/store.sh"

FILES=$ROOT/images

# ensure <name> <tag> <key> <make function...>: prints the archive's path.
ensure() {
    local name=$1 tag=$2 archive=$IMAGES/$1-$2-$3.tar
    shift 3
    [[ -s $archive ]] || step "image $name:$tag" "$@" "$archive" "docker.io/sealwright/$name:$tag" >&2
    echo "$archive"
}

# The file that holds one program as build context.
program_context() {
    local context
    context=$(mktemp -d "$IMAGES/context.XXXXXX")
    cp -- "$1" "$context/"
    echo "$context"
}

make_program() { # program, archive, reference
    local context
    context=$(program_context "$1")
    build_archive "$2" "$3" "$FILES/$(basename "$1").Containerfile" "$context"
    rm -rf -- "$context"
}

make_pause() { # archive, reference
    local context
    context=$(program_context /usr/bin/catatonit)
    build_archive "$1" "$2" "$FILES/pause.Containerfile" "$context"
    rm -rf -- "$context"
}

make_plain() { # name, archive, reference
    debian_base bookworm
    build_archive "$2" "$3" "$FILES/$1.Containerfile" "$FILES"
}

# What every PostgreSQL version's image is made from.
PATRONI_FILES=("$FILES/patroni.Containerfile" "$FILES/patroni/"* "$FILES/pg_service.conf")

make_postgres() { # version, sha256, archive, reference
    base_image pip "$POSTGRES_SUITE" "$FILES/pip.Containerfile"
    base_image patroni "$POSTGRES_SUITE" "${PATRONI_FILES[@]}" "$FILES/pip.Containerfile"
    build_archive "$3" "$4" "$FILES/postgres.Containerfile" "$FILES" \
        --build-arg SUITE="$POSTGRES_SUITE" --build-arg PG_VERSION="$1" --build-arg PG_SHA256="$2"
}

make_exporter() { # archive, reference
    debian_base trixie
    build_archive "$1" "$2" "$FILES/postgres-exporter.Containerfile" "$FILES" \
        --build-arg EXPORTER_VERSION="$EXPORTER_VERSION"
}

program_image() { # program, tag
    ensure "$1" "$2" "$(key_of "$FILES/$1.Containerfile" <(tools_key))" make_program "$TOOLS/$1"
}

addons() {
    ensure pause "$PAUSE_VERSION" "$(key_of "$FILES/pause.Containerfile" /usr/bin/catatonit)" make_pause
    program_image coredns "$COREDNS_VERSION"
    program_image cert-manager "$CERT_MANAGER_VERSION"
    program_image local-path-provisioner "$LOCAL_PATH_VERSION"
    ensure volume-helper "$LOCAL_PATH_VERSION" \
        "$(key_of "$FILES/volume-helper.Containerfile" "$FILES/debian.Containerfile")" make_plain volume-helper
}

databases() {
    local entry version sha256
    for entry in "${POSTGRES_IMAGES[@]}"; do
        read -r version sha256 <<<"$entry"
        [[ -z ${POSTGRES_VERSIONS:-} || " $POSTGRES_VERSIONS " == *" $version "* ]] || continue
        ensure postgres "$version" \
            "$(key_of "$FILES/postgres.Containerfile" "${PATRONI_FILES[@]}" "$FILES/pip.Containerfile" "$FILES/debian.Containerfile" \
                <(echo "$POSTGRES_SUITE $sha256"))" \
            make_postgres "$version" "$sha256"
    done
    ensure postgres-exporter "$EXPORTER_VERSION" \
        "$(key_of "$FILES/postgres-exporter.Containerfile" "$FILES/debian.Containerfile")" make_exporter
}

mkdir -p "$IMAGES"
exec {LOCK}>"$IMAGES/lock"
flock "$LOCK"
(($#)) || set -- addons databases
for group in "$@"; do
    case $group in
    addons | databases) "$group" ;;
    *) fail "no group of images \"$group\"; there are: addons databases" ;;
    esac
done
