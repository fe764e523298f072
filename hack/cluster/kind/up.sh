#!/bin/bash
# Makes a kind cluster. Needs kind, kubectl, a container engine and the network
# (cert-manager's manifest and the node image are downloaded).
set -euo pipefail
# shellcheck source=hack/cluster/kind/kind.sh
. "$(dirname -- "$0")/kind.sh"
kind get clusters 2>/dev/null | grep -qx "$NAME" ||
    step "kind cluster $NAME" kind create cluster --name "$NAME" --config "$ROOT/hack/cluster/kind/cluster.yaml" --wait 120s
kind export kubeconfig --name "$NAME"
step "cert-manager applied" kubectl apply --server-side -f \
    "https://github.com/cert-manager/cert-manager/releases/download/v$CERT_MANAGER_VERSION/cert-manager.yaml"
step "cert-manager ready" kubectl -n cert-manager wait --for=condition=Available --timeout=300s deployment --all
mapfile -t archives < <("$ROOT/hack/images/archives.sh" databases)
"$ROOT/hack/cluster/kind/load-images.sh" "${archives[@]}"
