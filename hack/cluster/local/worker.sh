# shellcheck shell=bash
# One node: containerd, CNI, kubelet, kube-proxy.

write_containerd_config() { # node
    cat <<EOF
version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.internal.v1.opt",
]
[grpc]
  address = "$(containerd_socket "$1")"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "docker.io/sealwright/pause:$PAUSE_VERSION"
  # Without CAP_SYS_RESOURCE a container's OOM score can't be lowered.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$(home_of "$1")/cni"
EOF
}

write_cni_config() { # node
    cat <<EOF
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$(pod_subnet "$1")"}]], "routes": [{"dst": "0.0.0.0/0"}]}}
]}
EOF
}

write_kubelet_config() { # node
    cat <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $PKI/$1.crt
tlsPrivateKeyFile: $PKI/$1.key
containerRuntimeEndpoint: unix://$(containerd_socket "$1")
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP/$1
failCgroupV1: false
failSwapOn: false
clusterDomain: cluster.local
clusterDNS: [$SERVICE_DNS]
resolvConf: $(home_of "$1")/resolv.conf
serializeImagePulls: false
nodeStatusUpdateFrequency: 4s
nodeLeaseDurationSeconds: 16
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
EOF
}

write_worker_configs() { # node
    local home
    home=$(home_of "$1")
    mkdir -p "$home/cni"
    # Outside names don't resolve in this cluster: nothing leaves it.
    : >"$home/resolv.conf"
    write_containerd_config "$1" >"$home/containerd.toml"
    write_cni_config "$1" >"$home/cni/10-pods.conflist"
    write_kubelet_config "$1" >"$home/kubelet.yaml"
}

start_containerd() { # node
    local socket
    socket=$(containerd_socket "$1")
    write_worker_configs "$1"
    start_on "$1" containerd containerd --config "$(home_of "$1")/containerd.toml"
    wait_until 30 "containerd on $1" ctr -a "$socket" --connect-timeout 1s version ||
        fail "containerd does not answer on $1; see $(log_of "$1" containerd)"
}

start_kubelet() { # node
    start_on "$1" kubelet "$TOOLS/kubelet" --config="$(home_of "$1")/kubelet.yaml" --kubeconfig="$PKI/$1.kubeconfig" \
        --hostname-override="$1" --node-ip="$(machine_address "$1")" \
        --node-labels="topology.kubernetes.io/region=local,topology.kubernetes.io/zone=zone${1#node}"
    start_on "$1" kube-proxy "$TOOLS/kube-proxy" --kubeconfig="$PKI/proxy.kubeconfig" --hostname-override="$1" \
        --proxy-mode=iptables --cluster-cidr="$POD_NETWORK" --healthz-bind-address=127.0.0.1:10256 \
        --conntrack-max-per-core=0 --conntrack-min=0 \
        --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0
}
