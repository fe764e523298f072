#!/bin/bash
# Captures the Pods' traffic on every node of the local cluster and on the bridge between them: capture.sh <folder>
# (one file each, until standard input ends). Prints "capturing" when all have begun.
set -euo pipefail
# shellcheck source=hack/cluster/local/cluster.sh
. "$(dirname -- "$0")/cluster.sh"
need_root
folder=${1:?a folder}
# Whole packets of every TCP connection but those of the API server and of etcd, which are TLS and many.
filter="tcp and not port $API_PORT and not port 6443 and not portrange 2379-2380"
captures=()
for network in "$FABRIC" "${WORKERS[@]/#/$PREFIX-}"; do
    ip netns exec "$network" tcpdump -Z root -i any -s 0 -U -w "$folder/$network.pcap" "$filter" 2>"$folder/$network.log" &
    captures+=($!)
done
trap 'kill -INT "${captures[@]}" 2>/dev/null || true; wait' EXIT
for network in "$FABRIC" "${WORKERS[@]/#/$PREFIX-}"; do
    until grep -q 'listening on' "$folder/$network.log"; do read -r -t 0.1 _ <><(:) || true; done
done
echo capturing
read -r _ || true
