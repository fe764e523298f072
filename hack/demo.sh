#!/bin/bash
# The story of the README: everything that is missing is installed and built, the
# cluster is made, and the demo program tells the rest.
set -euo pipefail
# shellcheck source=hack/environment.sh
. "$(dirname -- "$0")/environment.sh"
# shellcheck source=hack/console.sh
. "$ROOT/hack/console.sh"
# shellcheck source=hack/stages.sh
. "$ROOT/hack/stages.sh"
cd "$ROOT"
trap where_the_time_went EXIT

# No other PostgreSQL than the one that the story runs.
POSTGRES_VERSIONS=$(sed -n 's/^ *version: "\(.*\)"/\1/p' e2e/manifests/ha-postgres.yaml)
export POSTGRES_VERSIONS

stage "packages, pinned tools, images" hack/prepare.sh
stage "cluster" hack/cluster/up.sh
stage "operators: compile, images, load" hack/images/operators.sh --load
stage "demo: compile" cargo build --locked --quiet --profile image --workspace --bin demo
stage "demo" cargo run --locked --quiet --profile image --bin demo
