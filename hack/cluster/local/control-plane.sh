# shellcheck shell=bash
# etcd, API server, controller manager and scheduler, and the way to them from the
# host: a Unix socket (paths cross network namespaces) behind a loopback port.

start_etcd() {
    # A cluster to throw away: without fsync a write takes a tenth of the time.
    start_on "$CONTROL_PLANE" etcd "$TOOLS/etcd" --name etcd --data-dir "$STATE/etcd" --unsafe-no-fsync \
        --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
        --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
        --initial-cluster etcd=http://127.0.0.1:2380 --log-level warn
}

start_apiserver() {
    start_on "$CONTROL_PLANE" kube-apiserver "$TOOLS/kube-apiserver" \
        --etcd-servers=http://127.0.0.1:2379 --etcd-compaction-interval=10m \
        --bind-address=0.0.0.0 --secure-port=6443 --advertise-address="$(machine_address "$CONTROL_PLANE")" \
        --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" --client-ca-file="$PKI/ca.crt" \
        --service-account-key-file="$PKI/service-accounts.pub" \
        --service-account-signing-key-file="$PKI/service-accounts.key" \
        --service-account-issuer=https://kubernetes.default.svc \
        --kubelet-client-certificate="$PKI/apiserver-to-kubelet.crt" \
        --kubelet-client-key="$PKI/apiserver-to-kubelet.key" --kubelet-certificate-authority="$PKI/ca.crt" \
        --kubelet-preferred-address-types=InternalIP \
        --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --anonymous-auth=false \
        --service-cluster-ip-range="$SERVICE_NETWORK" --allow-privileged=true --profiling=false
}

start_controllers() {
    local kubeconfig
    kubeconfig=$PKI/controller-manager.kubeconfig
    # No leader election: there is one of each, and a slow moment must not end them.
    start_on "$CONTROL_PLANE" kube-controller-manager "$TOOLS/kube-controller-manager" \
        --kubeconfig="$kubeconfig" --authentication-kubeconfig="$kubeconfig" --authorization-kubeconfig="$kubeconfig" \
        --service-account-private-key-file="$PKI/service-accounts.key" --root-ca-file="$PKI/ca.crt" \
        --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" \
        --use-service-account-credentials=true --allocate-node-cidrs=false --service-cluster-ip-range="$SERVICE_NETWORK" \
        --kube-api-qps=100 --kube-api-burst=200 \
        --bind-address=127.0.0.1 --leader-elect=false --node-monitor-grace-period=20s --profiling=false
    kubeconfig=$PKI/scheduler.kubeconfig
    start_on "$CONTROL_PLANE" kube-scheduler "$TOOLS/kube-scheduler" \
        --kubeconfig="$kubeconfig" --authentication-kubeconfig="$kubeconfig" --authorization-kubeconfig="$kubeconfig" \
        --bind-address=127.0.0.1 --leader-elect=false --profiling=false
}

start_bridge_to_host() {
    local socket
    socket=$(run_of "$CONTROL_PLANE")/apiserver.sock
    start_on "$CONTROL_PLANE" apiserver-socket \
        socat "UNIX-LISTEN:$socket,fork,unlink-early,mode=600,backlog=128" TCP:127.0.0.1:6443,nodelay
    if ! is_running "$RUN/apiserver-port.pid" && (: <>"/dev/tcp/127.0.0.1/$API_PORT") 2>/dev/null; then
        fail "port $API_PORT of 127.0.0.1 is taken; set SEALWRIGHT_API_PORT to a free one"
    fi
    start_on_host apiserver-port \
        socat "TCP-LISTEN:$API_PORT,bind=127.0.0.1,fork,reuseaddr,nodelay,backlog=128" "UNIX-CONNECT:$socket"
}

apiserver_ready() { kubectl get --raw /readyz --request-timeout=2s; }

start_control_plane() {
    start_etcd
    start_apiserver
    start_bridge_to_host
    wait_until 90 "API server" apiserver_ready || fail "the API server is not ready; see $(log_of "$CONTROL_PLANE" kube-apiserver)"
    start_controllers
}
