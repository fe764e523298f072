#!/bin/bash
# Builds the operators and the members' config agent (cargo, profile "image") and an
# image of each, loads them into the cluster with --load, and prints the archives' paths.
#   operators.sh [--load] [--no-build]
set -euo pipefail
# shellcheck source=hack/environment.sh
. "$(dirname -- "$0")/../environment.sh"
# shellcheck source=hack/console.sh
. "$ROOT/hack/console.sh"
# shellcheck source=hack/images/store.sh
. "$ROOT/hack/images/store.sh"

OPERATORS=(petset provisioner ops-manager config-agent)
BINARIES=${CARGO_TARGET_DIR:-$ROOT/target}/${PROFILE:-image}

# All builds select the whole workspace: with one package less cargo may choose other features of the same libraries, and
# builds them all once more.
compile() {
    (cd "$ROOT" && cargo build --locked --profile image --workspace "${OPERATORS[@]/#/--bin=}" >&2)
}

containerfile() { # operator
    local own=$ROOT/images/$1.Containerfile
    [[ -e $own ]] && echo "$own" || echo "$ROOT/images/operators.Containerfile"
}

make_image() { # operator, archive
    local context
    context=$(mktemp -d "$IMAGES/context.XXXXXX")
    cp -- "$BINARIES/$1" "$context/"
    strip "$context/$1"
    build_archive "$2" "docker.io/sealwright/$1:$SEALWRIGHT_VERSION" "$(containerfile "$1")" "$context" \
        --build-arg OPERATOR="$1"
    rm -rf -- "$context"
}

load='' build=yes
for argument in "$@"; do
    case $argument in
    --load) load=yes ;;
    --no-build) build='' ;;
    *) fail "unknown argument $argument" ;;
    esac
done

[[ -z $build ]] || step "operators compiled" compile
mkdir -p "$IMAGES"
exec {LOCK}>"$IMAGES/lock"
flock "$LOCK"
archives=()
for operator in "${OPERATORS[@]}"; do
    if [[ ! -x $BINARIES/$operator ]]; then
        say "no binary $BINARIES/$operator: no image of $operator" >&2
        continue
    fi
    archive=$IMAGES/$operator-$SEALWRIGHT_VERSION-$(key_of "$BINARIES/$operator" "$(containerfile "$operator")" \
        "$ROOT/images/glibc.Containerfile").tar
    if [[ ! -s $archive ]]; then
        rm -f -- "$IMAGES/$operator-"*.tar
        base_image glibc bookworm "$ROOT/images/glibc.Containerfile" >&2
        step "image $operator:$SEALWRIGHT_VERSION" make_image "$operator" "$archive" >&2
    fi
    archives+=("$archive")
    echo "$archive"
done
exec {LOCK}>&-
if [[ -n $load ]]; then
    step "operator images on every node" "$ROOT/hack/cluster/load-images.sh" "${archives[@]}" >&2
fi
