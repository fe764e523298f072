#!/bin/bash
# Cuts a node off the network, in one direction or both, or puts it back: node.sh cut|cut-in|cut-out|heal <node>.
# Exit code 3: the provider can't.
# Kills, freezes or wakes the process of a container: node.sh kill|pause|resume <node> <id>; kill waits for
# a line on its standard input.
# Runs a program of this machine in the node's network: node.sh run <node> <program> [argument...]
set -euo pipefail
# shellcheck source=hack/cluster/provider.sh
. "$(dirname -- "$0")/provider.sh"
run_provider node.sh "$@"
