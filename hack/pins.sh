# shellcheck shell=bash
# What the cluster and the images are made of. The Go programs' own pins are the
# go.mod and go.sum files in hack/tools; a change here or there changes the keys
# under which tools and images are cached.

# shellcheck disable=SC2034  # read by the files that source this one
KUBERNETES_VERSION=v1.34.4
COREDNS_VERSION=1.14.7
CERT_MANAGER_VERSION=1.21.2
LOCAL_PATH_VERSION=0.0.30
PAUSE_VERSION=0.1.7

# PostgreSQL as Debian ships it: major, full version, suite. Debian keeps a version
# for a while only: when apt no longer finds it, the newer one is to be named here.
POSTGRES_IMAGES=("17 17.12 trixie" "15 15.18 bookworm")
EXPORTER_VERSION=0.17.1

SEALWRIGHT_VERSION=0.1.0
