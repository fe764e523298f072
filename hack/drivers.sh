#!/bin/bash
# Makes the clients of e2e/drivers ready, once per set of pins; prints their folder. Each driver comes from the registry of its
# language, by version and hash. Exit code 3 when one of these is missing: Python, Go, a JDK (17 or newer) with Maven, Node (18 or newer) with npm.
set -euo pipefail
# shellcheck source=hack/environment.sh
. "$(dirname -- "$0")/environment.sh"
# shellcheck source=hack/console.sh
. "$ROOT/hack/console.sh"

SOURCES=$ROOT/e2e/drivers
key=$(cd "$SOURCES" && find . -type f | sort | xargs cat | sha256sum | cut -c1-12)
MADE=$CACHE/drivers/$key

libpq() {
    python3 -m venv libpq
    libpq/bin/pip install --quiet --disable-pip-version-check --only-binary=:all: --require-hashes -r "$SOURCES/libpq/requirements.txt"
    cp "$SOURCES/libpq/client.py" libpq/
}

pgx() {
    local out=$PWD/pgx
    (cd "$SOURCES/pgx" && CGO_ENABLED=0 GOFLAGS='-trimpath -mod=readonly' go build -ldflags '-s -w' -o "$out/client" .)
}

node_postgres() {
    mkdir node-postgres
    cp "$SOURCES"/node-postgres/* node-postgres/
    (cd node-postgres && npm ci --silent --no-audit --no-fund --ignore-scripts)
}

pgjdbc() {
    mkdir pgjdbc
    mvn --quiet --batch-mode --file "$SOURCES/pgjdbc/pom.xml" dependency:copy-dependencies -DoutputDirectory="$PWD/pgjdbc" >&2
    (cd pgjdbc && sha256sum --check --quiet "$SOURCES/pgjdbc/driver.sha256")
    javac -d pgjdbc "$SOURCES/pgjdbc/Client.java"
}

if [[ ! -d $MADE ]]; then
    for program in python3 go javac mvn node npm; do
        command -v "$program" >/dev/null || {
            echo "$program is missing, which the clients of e2e/drivers need" >&2
            exit 3
        }
    done
    rm -rf -- "$MADE.partial"
    mkdir -p "$MADE.partial"
    cd "$MADE.partial"
    for driver in libpq pgx node_postgres pgjdbc; do
        step "made the client by $driver" "$driver" >&2
    done
    mv -- "$MADE.partial" "$MADE"
fi
echo "$MADE"
