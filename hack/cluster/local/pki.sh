# shellcheck shell=bash
# Keys, certificates and kubeconfigs of the cluster's own parts. Made once.

PKI=$STATE/pki

make_ca() {
    [[ -s $PKI/ca.crt ]] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
        -config "$ROOT/hack/cluster/local/openssl.cnf" -extensions authority -subj /CN=sealwright-local \
        -keyout "$PKI/ca.key" -out "$PKI/ca.crt" 2>/dev/null
}

issue() { # name, subject, alternative names
    [[ ! -s $PKI/$1.crt ]] || return 0
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
        -CA "$PKI/ca.crt" -CAkey "$PKI/ca.key" \
        -config "$ROOT/hack/cluster/local/openssl.cnf" -extensions leaf ${3:+-addext "subjectAltName=$3"} \
        -subj "$2" -keyout "$PKI/$1.key" -out "$PKI/$1.crt.partial" 2>/dev/null
    mv -- "$PKI/$1.crt.partial" "$PKI/$1.crt"
}

write_kubeconfig() { # name of the certificate, server, file
    kubeconfig "$1" "$2" >"$3.partial"
    mv -- "$3.partial" "$3"
}

kubeconfig() {
    cat <<EOF
apiVersion: v1
kind: Config
current-context: sealwright-local
contexts: [{name: sealwright-local, context: {cluster: sealwright-local, user: $1}}]
clusters:
- name: sealwright-local
  cluster: {server: "$2", certificate-authority-data: $(base64 -w0 "$PKI/ca.crt")}
users:
- name: $1
  user: {client-certificate-data: $(base64 -w0 "$PKI/$1.crt"), client-key-data: $(base64 -w0 "$PKI/$1.key")}
EOF
}

make_pki() {
    local worker inside
    inside=https://$(machine_address "$CONTROL_PLANE"):6443
    umask 077
    mkdir -p "$PKI"
    make_ca
    issue apiserver /CN=kube-apiserver "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:10.96.0.1,IP:$(machine_address "$CONTROL_PLANE")"
    issue admin /O=system:masters/CN=admin
    issue apiserver-to-kubelet /O=system:masters/CN=kube-apiserver-kubelet-client
    issue controller-manager /CN=system:kube-controller-manager
    issue scheduler /CN=system:kube-scheduler
    issue proxy /CN=system:kube-proxy
    issue storage /CN=sealwright:storage
    for worker in "${WORKERS[@]}"; do
        issue "$worker" "/O=system:nodes/CN=system:node:$worker" "DNS:$worker,IP:$(machine_address "$worker")"
        write_kubeconfig "$worker" "$inside" "$PKI/$worker.kubeconfig"
    done
    write_kubeconfig proxy "$inside" "$PKI/proxy.kubeconfig"
    write_kubeconfig storage https://127.0.0.1:6443 "$PKI/storage.kubeconfig"
    write_kubeconfig controller-manager https://127.0.0.1:6443 "$PKI/controller-manager.kubeconfig"
    write_kubeconfig scheduler https://127.0.0.1:6443 "$PKI/scheduler.kubeconfig"
    write_kubeconfig admin "https://127.0.0.1:$API_PORT" "$STATE/kubeconfig"
    if [[ ! -s $PKI/service-accounts.key ]]; then
        openssl ecparam -name prime256v1 -genkey -noout -out "$PKI/service-accounts.key"
    fi
    openssl ec -in "$PKI/service-accounts.key" -pubout -out "$PKI/service-accounts.pub" 2>/dev/null
    umask 022
}
