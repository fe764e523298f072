#!/bin/bash
# Patroni runs this as initdb. The first role of the cluster is the user's superuser; the one with which Patroni connects is made
# beside it before anything listens.
set -euo pipefail
arguments=()
for argument in "$@"; do
  [[ $argument == --username=* ]] || arguments+=("$argument")
done
initdb --username="$POSTGRES_USER" --pwfile=<(printf %s "$POSTGRES_PASSWORD") "${arguments[@]}"
postgres --single -D "${!#}" template1 <<< 'CREATE ROLE sealwright LOGIN SUPERUSER' > /dev/null
