#!/bin/bash
# Uses the cluster of the current kubeconfig as it is, and says what it lacks.
set -euo pipefail
# shellcheck source=hack/environment.sh
. "$(dirname -- "$0")/../../environment.sh"
# shellcheck source=hack/console.sh
. "$ROOT/hack/console.sh"
kubectl version >/dev/null || fail "kubectl reaches no cluster; check KUBECONFIG"
kubectl get crd certificates.cert-manager.io >/dev/null || fail "the cluster has no cert-manager; install it first: https://cert-manager.io"
kubectl get storageclass -o name | grep -q . || fail "the cluster has no StorageClass"
say "using the cluster of context $(kubectl config current-context)"
