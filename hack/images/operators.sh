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
# What an image has beside the program that it is named after.
declare -A ALSO=([config-agent]=entrypoint)
BINARIES=${CARGO_TARGET_DIR:-$ROOT/target}/${PROFILE:-image}

# All builds select the whole workspace: with one package less cargo may choose other features of the same libraries, and
# builds them all once more.
compile() {
    (cd "$ROOT" && cargo build --locked --profile image --workspace "${OPERATORS[@]/#/--bin=}" "${ALSO[@]/#/--bin=}" >&2)
}

containerfile() { # operator
    local own=$ROOT/images/$1.Containerfile
    [[ -e $own ]] && echo "$own" || echo "$ROOT/images/operators.Containerfile"
}

make_image() { # operator, archive
    local context program
    context=$(mktemp -d "$IMAGES/context.XXXXXX")
    for program in "$1" ${ALSO[$1]:-}; do
        cp -- "$BINARIES/$program" "$context/"
        strip "$context/$program"
    done
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
    programs=("$BINARIES/$operator" ${ALSO[$operator]:+"$BINARIES/${ALSO[$operator]}"})
    if [[ ! -x ${programs[0]} ]]; then
        say "no binary ${programs[0]}: no image of $operator" >&2
        continue
    fi
    [[ -x ${programs[-1]} ]] || fail "no binary ${programs[-1]}, which the image of $operator has too; build it with --bin=${ALSO[$operator]}"
    archive=$IMAGES/$operator-$SEALWRIGHT_VERSION-$(key_of "${programs[@]}" "$(containerfile "$operator")" \
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
