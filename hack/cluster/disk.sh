#!/bin/bash
# Small disks on every node: disk.sh make <name> <MiB>, disk.sh remove [name]. Exit code 3: the provider can't.
set -euo pipefail
# shellcheck source=hack/cluster/provider.sh
. "$(dirname -- "$0")/provider.sh"
run_provider disk.sh "$@"
