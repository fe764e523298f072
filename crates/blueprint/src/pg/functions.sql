-- What the operators may have done on a member beyond what predefined roles give. Each function does one thing, is owned by a
-- superuser, and runs as it. No function returns a private key, or a file that is not named here.

-- pg_hba.conf as it is now, and whether the server has read its configuration since.
CREATE FUNCTION sealwright.configuration(OUT pg_hba text, OUT is_read boolean)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_read_file('pg_hba.conf', 0, 1048576, true),
        pg_conf_load_time() >= (pg_stat_file('pg_hba.conf', true)).modification
$$;

-- Certificates of the member, and its control group (Linux, "Control Group v2", and version 1); of its configuration, which has
-- passwords in it, the SHA-256 only.
CREATE FUNCTION sealwright.files(paths text[]) RETURNS SETOF bytea
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN f.path = '/etc/config/patroni.yml' THEN sha256(pg_read_binary_file(f.path, 0, 1048576, true))
        WHEN f.path IN ('/etc/config/trust.crt', '/tls/certs/server/server.crt', '/tls/certs/client/client.crt',
            '/tls/certs/exporter/tls.crt',
            '/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/cpu.max', '/sys/fs/cgroup/memory.stat',
            '/sys/fs/cgroup/memory/memory.limit_in_bytes', '/sys/fs/cgroup/cpu/cpu.cfs_quota_us',
            '/sys/fs/cgroup/cpu/cpu.cfs_period_us', '/sys/fs/cgroup/memory/memory.stat') THEN pg_read_binary_file(f.path, 0, 1048576, true)
        END
    FROM unnest(paths) WITH ORDINALITY AS f (path, number) ORDER BY f.number
$$;

-- The content of ssl_ca_file, if the server has read its configuration since that file changed. PostgreSQL tells a file's time in
-- whole seconds.
CREATE FUNCTION sealwright.loaded_authorities() RETURNS bytea
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE
        WHEN pg_conf_load_time() >= (pg_stat_file(path, true)).modification + interval '1 second'
        THEN pg_read_binary_file(path, 0, 1048576, true) END
    FROM (SELECT nullif(current_setting('ssl_ca_file'), '') AS path) AS setting
$$;

-- Bytes of tables, indexes and temporary files in all databases and tablespaces, and of the server's own log files.
CREATE FUNCTION sealwright.data_bytes() RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT ((SELECT coalesce(sum(pg_tablespace_size(oid)), 0) FROM pg_tablespace)
        + coalesce(CASE WHEN (pg_stat_file(current_setting('log_directory'), true)).isdir
            THEN (SELECT sum(size) FROM pg_ls_logdir()) END, 0))::bigint
$$;

CREATE FUNCTION sealwright.reload() RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ SELECT pg_reload_conf() $$;

-- Ends sessions of applications that came over TCP, a superuser's too. Returns how many.
CREATE FUNCTION sealwright.end_application_sessions(ours text, encrypted boolean) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT count(*) FILTER (WHERE pg_terminate_backend(a.pid))
    FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid)
    WHERE a.client_addr IS NOT NULL AND a.pid <> pg_backend_pid() AND s.ssl = encrypted
        AND a.backend_type = 'client backend' AND NOT starts_with(a.application_name, ours)
$$;

-- Makes a physical replication slot that holds WAL from now on, unless there is one of this name.
CREATE FUNCTION sealwright.make_slot(slot text) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_create_physical_replication_slot(slot::name, true)
    WHERE NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = slot::name)
$$;

-- Moves a physical replication slot forward.
CREATE FUNCTION sealwright.advance_slot(slot text, place pg_lsn) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_replication_slot_advance(slot::name, place)
$$;

-- The history file of a timeline, if there is one.
CREATE FUNCTION sealwright.history(timeline integer) RETURNS text
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_read_file(format('pg_wal/%s.history', upper(lpad(to_hex(timeline), 8, '0'))), 0, 1048576, true)
$$;

-- Drops replication slots that are not in use.
CREATE FUNCTION sealwright.drop_slots(names text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots
    WHERE NOT active AND slot_name::text = ANY (names)
$$;

-- A digest of the roles of ours: it differs when one is missing, or was changed.
CREATE FUNCTION sealwright.roles() RETURNS text
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT encode(sha256(convert_to(coalesce(string_agg(concat_ws(' ', rolname, rolsuper, rolcanlogin, rolreplication,
        rolconnlimit, coalesce(rolvaliduntil = 'infinity', true), rolpassword), E'\n' ORDER BY rolname COLLATE "C"), ''), 'UTF8')),
        'hex')
    FROM pg_authid WHERE rolname = 'sealwright' OR starts_with(rolname, 'sealwright_')
$$;

-- The password of a role as PostgreSQL keeps it: RotateAuth goes back to it.
CREATE FUNCTION sealwright.verifier(role text) RETURNS text
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT rolpassword FROM pg_authid
    WHERE rolname = role AND rolname <> 'sealwright' AND NOT starts_with(rolname, 'sealwright_')
$$;

-- Gives a role another password, by a SCRAM verifier that was computed elsewhere. Returns where in the WAL that ends.
-- The log of a failure would show the verifier as its context.
CREATE FUNCTION sealwright.set_verifier(role text, verifier text) RETURNS pg_lsn
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET log_error_verbosity = terse AS $$
BEGIN
    IF role = 'sealwright' OR starts_with(role, 'sealwright_') OR verifier !~ '^(SCRAM-SHA-256\$|md5[0-9a-f]{32}$)' THEN
        RAISE invalid_parameter_value USING MESSAGE = 'only a verifier of a role of the user''s can be set';
    END IF;
    EXECUTE format('ALTER ROLE %I PASSWORD %L', role, verifier);
    RETURN pg_current_wal_insert_lsn();
END
$$;
