#!/bin/bash
# Captures what members, operators and clients send each other: capture.sh <folder>. One file for each node's network, until
# standard input ends. Exit code 3: the provider can't.
set -euo pipefail
# shellcheck source=hack/cluster/provider.sh
. "$(dirname -- "$0")/provider.sh"
run_provider capture.sh "$@"
