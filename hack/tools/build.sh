#!/bin/bash
# Builds the Go programs of the local cluster (Kubernetes, etcd, cert-manager, CoreDNS,
# local-path-provisioner, the CSI sidecars, helm) into the cache, skipping what is there.
set -euo pipefail
cd -- "$(dirname -- "$0")"
# shellcheck source=hack/environment.sh
. ../environment.sh
# shellcheck source=hack/console.sh
. "$ROOT/hack/console.sh"

# What "go install tool" or "go build" makes in each module.
programs() {
    case $1 in
    kubernetes) echo kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl etcd ;;
    local-path) echo local-path-provisioner ;;
    storage) echo csi-provisioner csi-resizer ;;
    *) echo "$1" ;;
    esac
}

module_key() {
    {
        (cd "$1" && find . -name 'go.*' -o -name '*.go' | sort | xargs cat)
        linker_flags "$1"
    } | sha256sum | cut -c1-12
}

# What the projects' own makefiles link in: without it, Kubernetes doesn't know its version, and helm takes every cluster
# that it cannot ask for 1.20.
linker_flags() {
    local minor package
    minor=$(cut -d. -f2 <<<"$KUBERNETES_VERSION")
    printf -- '-s -w'
    case $1 in
    kubernetes)
        package=k8s.io/component-base/version
        printf -- ' -X %s.gitVersion=%s -X %s.gitMajor=1 -X %s.gitMinor=%s' \
            "$package" "$KUBERNETES_VERSION" "$package" "$package" "$minor"
        ;;
    helm)
        for package in pkg/chart/common pkg/chart/v2/lint/rules internal/chart/v3/lint/rules; do
            printf -- ' -X helm.sh/helm/v4/%s.k8sVersionMajor=1 -X helm.sh/helm/v4/%s.k8sVersionMinor=%s' \
                "$package" "$package" "$minor"
        done
        printf -- ' -X helm.sh/helm/v4/internal/version.kubeClientVersionMajor=1'
        printf -- ' -X helm.sh/helm/v4/internal/version.kubeClientVersionMinor=%s' "$minor"
        ;;
    esac
}

compile() { # module, output directory
    local module=$1 out=$2
    export CGO_ENABLED=0 GOFLAGS=-trimpath GOBIN=$out
    cd "$module"
    if [[ -e main.go ]]; then
        go build -ldflags "$(linker_flags "$module")" -o "$out/$module" .
    else
        go install -ldflags "$(linker_flags "$module")" tool
    fi
    if [[ $module == cert-manager ]]; then
        cp -r --no-preserve=mode -- "$(go list -m -f '{{.Dir}}' github.com/cert-manager/cert-manager)/deploy/crds" "$out/crds"
    fi
    # etcd's server package is called just that.
    [[ ! -e $out/server ]] || mv "$out/server" "$out/etcd"
}

build_module() {
    local module=$1 built program
    built=$CACHE/tools/modules/$module-$(module_key "$module")
    if [[ ! -d $built ]]; then
        rm -rf -- "$built.partial"
        mkdir -p "$built.partial"
        step "built $module" compile_apart "$module" "$built.partial"
        mv -- "$built.partial" "$built"
    fi
    for program in $(programs "$module"); do
        ln -f -- "$built/$program" "$TOOLS/$program"
    done
    [[ ! -d $built/crds ]] || ln -sfn "$built/crds" "$TOOLS/../$module-crds"
}

compile_apart() { (compile "$@"); }

command -v go >/dev/null || fail "go is missing; hack/packages.sh says which version and where to get it"
mkdir -p "$TOOLS"
for module in "${TOOL_MODULES[@]}"; do
    build_module "$module"
done
say "tools are in $TOOLS"
