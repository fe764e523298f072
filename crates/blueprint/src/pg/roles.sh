#!/bin/bash
# Patroni runs this when PostgreSQL was started, promoted or reloaded (its callbacks): makes the roles of ours that are missing or
# were changed. On a standby it does nothing.
set -u
export PGAPPNAME=sealwright-roles PGCONNECT_TIMEOUT=5
# Nothing that users have set for everybody, for a role or for a database counts here, and no verifier reaches the log.
PGOPTIONS='-c search_path=pg_catalog -c role=none -c statement_timeout=20s -c lock_timeout=5s'
PGOPTIONS+=' -c default_transaction_read_only=off -c synchronous_commit=local -c session_replication_role=replica -c client_min_messages=warning'
PGOPTIONS+=' -c log_statement=none -c log_min_duration_statement=-1 -c log_min_error_statement=panic'
export PGOPTIONS
# The user's own superuser makes the first role again, should that be gone; a database may be closed.
for user in sealwright "$POSTGRES_USER"; do
  for database in postgres template1; do
    psql -X -q -v ON_ERROR_STOP=1 -h /var/run/postgresql -U "$user" -d "$database" -f /etc/config/roles.sql
    result=$?
    # 2: no connection.
    [[ $result == 2 ]] || exit "$result"
  done
done
exit 1
