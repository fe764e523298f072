# shellcheck shell=bash
# What a cluster has beyond Kubernetes itself: DNS, a StorageClass, cert-manager.

apply() { kubectl apply --server-side --force-conflicts --validate=false --field-manager=sealwright-cluster "$@" >/dev/null; }

manifests() {
    local file
    for file in "$ROOT"/hack/cluster/local/manifests/*.yaml; do
        echo "---"
        sed -e "s|@COREDNS_VERSION@|$COREDNS_VERSION|" -e "s|@LOCAL_PATH_VERSION@|$LOCAL_PATH_VERSION|" \
            -e "s|@CERT_MANAGER_VERSION@|$CERT_MANAGER_VERSION|" -e "s|@SERVICE_DNS@|$SERVICE_DNS|" "$file"
    done
}

apply_addons() {
    manifests | apply -f -
    apply -f "$TOOLS/../cert-manager-crds/"
}

wait_for_addons() {
    kubectl wait --for=condition=Established --timeout=30s \
        crd/certificates.cert-manager.io crd/issuers.cert-manager.io crd/clusterissuers.cert-manager.io >/dev/null
    kubectl wait --for=condition=Ready --timeout=120s "${WORKERS[@]/#/node/}" >/dev/null
    kubectl -n kube-system wait --for=condition=Available --timeout=120s deployment/coredns >/dev/null
    kubectl -n local-path-storage wait --for=condition=Available --timeout=120s deployment/local-path-provisioner >/dev/null
    kubectl -n cert-manager wait --for=condition=Available --timeout=120s deployment/cert-manager >/dev/null
}
