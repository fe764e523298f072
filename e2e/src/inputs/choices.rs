//! What users and their applications do by SQL.

use super::{Fact, Given, Input, Part};

const fn sql(
    name: &'static str,
    part: Part,
    since: u32,
    statements: &'static [&'static str],
    facts: &'static [Fact],
) -> Input {
    Input {
        name,
        part,
        excludes: &[],
        since,
        given: Given::Sql { statements, facts },
    }
}

pub(super) const INPUTS: &[Input] = &[
    sql(
        "login trigger that refuses everybody",
        Part::Logins,
        17,
        &[
            "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS \
             $f$ BEGIN RAISE EXCEPTION 'closed today'; END $f$",
            "CREATE EVENT TRIGGER refuse ON login EXECUTE FUNCTION refuse()",
            "ALTER EVENT TRIGGER refuse ENABLE ALWAYS",
        ],
        &[Fact::Answers("SELECT evtname FROM pg_event_trigger", "refuse")],
    ),
    sql(
        "roles that read only, within a millisecond",
        Part::Roles,
        17,
        &[
            "ALTER ROLE ALL SET default_transaction_read_only = on",
            "ALTER ROLE ALL SET statement_timeout = 1",
            "ALTER ROLE ALL SET transaction_timeout = 1",
            "ALTER ROLE ALL SET idle_session_timeout = 1",
            "ALTER ROLE ALL SET lock_timeout = 1",
            "ALTER ROLE ALL SET role = 'pg_monitor'",
        ],
        &[],
    ),
    sql(
        "roles with dates, bytes and encodings of their own",
        Part::Roles,
        0,
        &[
            "ALTER ROLE ALL SET DateStyle = 'SQL, DMY'",
            "ALTER ROLE ALL SET IntervalStyle = 'sql_standard'",
            "ALTER ROLE ALL SET bytea_output = 'escape'",
            "ALTER ROLE ALL SET extra_float_digits = -15",
            "ALTER ROLE ALL SET TimeZone = 'Asia/Kathmandu'",
            "ALTER ROLE ALL SET quote_all_identifiers = on",
            "ALTER ROLE ALL SET standard_conforming_strings = off",
            "ALTER ROLE ALL SET client_encoding = 'LATIN1'",
            "ALTER ROLE ALL SET default_transaction_isolation = 'serializable'",
            "ALTER ROLE ALL SET session_replication_role = 'replica'",
            "ALTER ROLE ALL SET search_path = 'nowhere'",
        ],
        &[],
    ),
    sql(
        "databases with names and encodings of all kinds",
        Part::Databases,
        0,
        &[
            "CREATE DATABASE \"it's \"\"odd\"\" %s\" TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'",
            "CREATE DATABASE \"Größe\" TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'",
            "CREATE DATABASE \"all\" CONNECTION LIMIT 0",
            "CREATE DATABASE replication",
        ],
        &[Fact::Answers(
            "SELECT count(*) FROM pg_database WHERE NOT datistemplate",
            "5",
        )],
    ),
    sql(
        "rights that PUBLIC has no more",
        Part::Rights,
        0,
        &[
            "REVOKE ALL ON DATABASE postgres FROM PUBLIC",
            "REVOKE ALL ON DATABASE template1 FROM PUBLIC",
            "REVOKE ALL ON SCHEMA public FROM PUBLIC",
            "REVOKE ALL ON SCHEMA pg_catalog FROM PUBLIC",
            "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pg_catalog FROM PUBLIC",
            "REVOKE ALL ON ALL TABLES IN SCHEMA pg_catalog FROM PUBLIC",
        ],
        &[],
    ),
    sql(
        "functions and tables called like PostgreSQL's own",
        Part::Rights,
        0,
        &[
            "CREATE FUNCTION public.pg_is_in_recovery() RETURNS bool LANGUAGE sql AS 'SELECT true'",
            "CREATE FUNCTION public.count(text) RETURNS bigint LANGUAGE sql AS 'SELECT 1/0::bigint'",
            "CREATE TABLE public.pg_stat_replication (x int)",
            "CREATE TABLE public.pg_settings (x int)",
            "CREATE OPERATOR public.= (FUNCTION = pg_catalog.texteq, LEFTARG = text, RIGHTARG = text)",
            "ALTER DATABASE postgres SET search_path = public, pg_catalog",
            "ALTER DATABASE template1 SET search_path = public, pg_catalog",
        ],
        &[],
    ),
    sql(
        "ALTER SYSTEM of lists, quotes and time limits",
        Part::System,
        17,
        &[
            "ALTER SYSTEM SET search_path = '$user', 'a, b', \"Quoted\"",
            "ALTER SYSTEM SET log_line_prefix = '%m ''%q'' \\ '",
            "ALTER SYSTEM SET transaction_timeout = 1",
            "ALTER SYSTEM SET idle_session_timeout = 1",
            "ALTER SYSTEM SET statement_timeout = 1",
            "ALTER SYSTEM SET default_transaction_read_only = on",
            "SELECT pg_reload_conf()",
        ],
        &[],
    ),
    sql(
        "ALTER SYSTEM of what the operators decide",
        Part::System,
        0,
        &[
            "ALTER SYSTEM SET port = 5433",
            "ALTER SYSTEM SET listen_addresses = '127.0.0.1'",
            "ALTER SYSTEM SET cluster_name = 'mine'",
            "ALTER SYSTEM SET hot_standby = off",
            "ALTER SYSTEM SET max_wal_senders = 4",
            "ALTER SYSTEM SET restore_command = 'false'",
            "ALTER SYSTEM SET wal_receiver_status_interval = 0",
            "SELECT pg_reload_conf()",
        ],
        &[],
    ),
];
