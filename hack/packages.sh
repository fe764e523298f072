#!/bin/bash
# Debian packages that the local cluster and the image builds need, and a check
# that Go and Rust are there. Installs only what is missing.
set -euo pipefail
# shellcheck source=hack/environment.sh
. "$(dirname -- "$0")/environment.sh"
# shellcheck source=hack/console.sh
. "$ROOT/hack/console.sh"

# Node: container runtime, CNI plugins, what kubelet and kube-proxy call, pid 1; file systems of volumes.
# Images: buildah without a daemon, mmdebstrap. Tests: shellcheck, Prometheus, tcpdump.
PACKAGES=(
    containerd runc containernetworking-plugins catatonit iptables iproute2 ipset conntrack ethtool socat
    mount xfsprogs
    buildah mmdebstrap debian-archive-keyring ca-certificates
    build-essential git make openssl shellcheck prometheus tcpdump
)

GO_NEEDED=1.26
RUST_NEEDED=$(sed -n 's/^channel = "\(.*\)"/\1/p' "$ROOT/rust-toolchain.toml")

missing_packages() {
    local package
    for package in "${PACKAGES[@]}"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || echo "$package"
    done
}

# Packages must not start services: a containerd or a Prometheus of the host is not ours to run.
install_packages() {
    local policy=/usr/sbin/policy-rc.d made_policy='' log=$CACHE/packages.log status=0
    mkdir -p "$CACHE"
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
        made_policy=yes
    fi
    { apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "$@"; } \
        >"$log" 2>&1 </dev/null || status=$?
    [[ -z $made_policy ]] || rm -f "$policy"
    if ((status)); then
        tail -20 "$log" >&2
        fail "apt-get could not install the packages; its whole output is in $log"
    fi
}

at_least() { [[ $(printf '%s\n' "$1" "$2" | sort -V | head -1) == "$1" ]]; }

check_toolchains() {
    local have
    have=$(go env GOVERSION 2>/dev/null | sed 's/^go//') || true
    if [[ -z $have ]] || ! at_least "$GO_NEEDED" "$have"; then
        fail "Go $GO_NEEDED or newer is needed (found: ${have:-none}; Debian's is too old)." \
            "Unpack https://go.dev/dl/ into /usr/local/go and put /usr/local/go/bin into PATH."
    fi
    have=$(cargo --version 2>/dev/null | cut -d' ' -f2) || true
    if [[ -z $have ]] || ! at_least "$RUST_NEEDED" "$have"; then
        fail "Rust $RUST_NEEDED or newer is needed (found: ${have:-none}; Debian's is too old)." \
            "Install it with https://rustup.rs; rust-toolchain.toml names the version."
    fi
}

mapfile -t missing < <(missing_packages)
if ((${#missing[@]})); then
    ((EUID == 0)) || fail "these Debian packages are missing and only root can install them: ${missing[*]}"
    step "installed ${missing[*]}" install_packages "${missing[@]}"
fi
check_toolchains
