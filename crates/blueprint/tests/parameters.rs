//! Parameters that PostgreSQL or Patroni would refuse are refused with the reason, before a member gets them.

mod scenario;

use blueprint::{Resolved, RunningConfiguration};
use scenario::Scenario;

const BASE: &str = "replicas: 3\nstorage: {resources: {requests: {storage: 1Gi}}}\n";
const TLS: &str = "tls: {issuerRef: {apiGroup: cert-manager.io, kind: Issuer, name: ca}}\n";

fn spec(version: &str, more: &str, lines: &str) -> String {
    let conf: String = lines.lines().map(|line| format!("\n      {line}")).collect();
    format!("version: '{version}'\n{BASE}{more}configuration:\n  inline:\n    user.conf: |{conf}\n")
}

/// What is said about these lines; empty when they are taken.
fn refusal(version: &str, more: &str, lines: &str) -> String {
    match Scenario::new(&spec(version, more, lines)).resolve() {
        Ok(_) => String::new(),
        Err(invalid) => {
            let list: Vec<String> = invalid.iter().map(ToString::to_string).collect();
            list.join("; ")
        }
    }
}

fn resolved(version: &str, lines: &str) -> Resolved {
    Scenario::new(&spec(version, "", lines)).resolved()
}

#[test]
fn parameters_that_no_member_would_have_are_refused_by_name() {
    for (version, lines, name, advice) in [
        (
            "17.4",
            "max_connection = 500",
            "max_connection",
            "write max_connections, if that is meant",
        ),
        (
            "17.4",
            "wrok_mem = 4MB",
            "wrok_mem",
            "write work_mem, if that is meant",
        ),
        ("17.4", "no_such_thing = 1", "no_such_thing", "remove it"),
        ("17.4", "work_mem = 'lots'", "work_mem", "units B, kB, MB, GB, TB"),
        (
            "17.4",
            "shared_buffers = '64 MG'",
            "shared_buffers",
            "units B, kB, MB, GB, TB",
        ),
        (
            "17.4",
            "shared_buffers = 64mb",
            "shared_buffers",
            "units B, kB, MB, GB, TB",
        ),
        (
            "17.4",
            "statement_timeout = '1 minute'",
            "statement_timeout",
            "units us, ms, s, min, h, d",
        ),
        (
            "17.4",
            "max_connections = 10",
            "max_connections",
            "write 25 or more",
        ),
        (
            "17.4",
            "max_connections = '0x10'",
            "max_connections",
            "write 25 or more",
        ),
        (
            "17.4",
            "max_connections = 300000",
            "max_connections",
            "write 1 to 262143",
        ),
        (
            "17.4",
            "max_connections = 200MB",
            "max_connections",
            "it has no unit",
        ),
        (
            "17.4",
            "wal_level = minimal",
            "wal_level",
            "write replica or logical",
        ),
        (
            "17.4",
            "wal_level = archive",
            "wal_level",
            "write one of minimal, replica, logical",
        ),
        ("17.4", "wal_keep_size = 0", "wal_keep_size", "write 16 or more"),
        (
            "17.4",
            "max_wal_senders = 0",
            "max_wal_senders",
            "write 3 or more",
        ),
        ("17.4", "jit = maybe", "jit", "write on or off"),
        (
            "17.4",
            "log_statement = everything",
            "log_statement",
            "write one of none, ddl, mod, all",
        ),
        (
            "17.4",
            "random_page_cost = -1",
            "random_page_cost",
            "write 0 or more",
        ),
        ("17.4", "timezone = 'Mars/Phobos'", "timezone", "Europe/Berlin"),
        ("17.4", "log_destination = stdout", "log_destination", "stderr"),
        (
            "17.4",
            "shared_preload_libraries = 'a,,b'",
            "shared_preload_libraries",
            "separated by commas",
        ),
        (
            "17.4",
            "pg_stat_statements.trakc = all",
            "pg_stat_statements.trakc",
            "pg_stat_statements.track",
        ),
        (
            "17.4",
            "pg_stat_statements.track = alll",
            "pg_stat_statements.track",
            "none, top, all",
        ),
        ("17.4", "server_version = '16'", "server_version", "remove it"),
        ("17.4", "role = other", "role", "remove it"),
        (
            "17.4",
            "wal_keep_segments = 10",
            "wal_keep_segments",
            "write wal_keep_size",
        ),
        (
            "17.4",
            "old_snapshot_threshold = 1h",
            "old_snapshot_threshold",
            "PostgreSQL 14, 15, 16 has",
        ),
        ("17.4", "io_method = worker", "io_method", "PostgreSQL 18 has"),
        (
            "15.5",
            "transaction_timeout = 5s",
            "transaction_timeout",
            "PostgreSQL 17, 18 has",
        ),
        (
            "18.2",
            "db_user_namespace = off",
            "db_user_namespace",
            "PostgreSQL 14, 15, 16 has",
        ),
        (
            "16.1",
            "restrict_nonsystem_relation_kind = view",
            "restrict_nonsystem_relation_kind",
            "Patroni",
        ),
        ("17.4", "archive_mode = on", "archive_mode", "archive_command"),
        (
            "17.4",
            "archive_mode = always\narchive_command = ' '",
            "archive_mode",
            "archive_command",
        ),
        ("17.4", "max_wal_size = 16MB", "max_wal_size", "32MB"),
        ("17.4", "min_wal_size = 2", "min_wal_size", "32MB"),
        (
            "17.4",
            "superuser_reserved_connections = 100",
            "superuser_reserved_connections",
            "max_connections",
        ),
        (
            "17.4",
            "max_connections = 25\nreserved_connections = 22",
            "reserved_connections",
            "max_connections",
        ),
        ("17.4", "shared_buffers = 1GB", "shared_buffers", "memory limit"),
        ("17.4", "shared_buffers = 8GB", "shared_buffers", "memory limit"),
        ("17.4", "huge_pages = on", "huge_pages", "huge_pages = try"),
        ("17.4", "max_stack_depth = 8MB", "max_stack_depth", "7680kB"),
        (
            "17.4",
            "maintenance_work_mem = 512kB",
            "maintenance_work_mem",
            "write 1MB or more",
        ),
        ("17.4", r"log_line_prefix = '%m\n'", "log_line_prefix", "one line"),
        ("17.4", r"my_app.text = 'a\012b'", "my_app.text", "one line"),
        (
            "14.22",
            r"archive_command = 'a\nb'",
            "archive_command",
            "one line",
        ),
        (
            "17.4",
            r"application_name = 'a\0b'",
            "application_name",
            "one line",
        ),
    ] {
        let said = refusal(version, "", lines);
        let begin = format!("spec.configuration.inline: user.conf, {name}: ");
        assert!(said.starts_with(&begin), "{lines}: {said:?}");
        assert!(said.contains(advice), "{lines}: {said:?}");
    }
}

#[test]
fn what_postgres_takes_is_taken() {
    for (version, lines) in [
        (
            "17.4",
            "max_connections = 200\nshared_buffers = '256 MB'\nwork_mem = '0.5MB'",
        ),
        (
            "17.4",
            "DateStyle = 'ISO, DMY'\nTimeZone = 'Europe/Berlin'\nlog_timezone = utc",
        ),
        (
            "17.4",
            "wal_level = logical\nsynchronous_commit = off\nhuge_pages = try",
        ),
        (
            "17.4",
            "myapp.tenant = 'anything at all'\nauto_explain.log_min_duration = 3s",
        ),
        ("17.4", "archive_mode = on\narchive_command = '/bin/true'"),
        ("17.4", "archive_mode = on\narchive_library = basic_archive"),
        (
            "17.4",
            "wal_compression = zstd\nlog_min_messages = debug2\nfsync = true",
        ),
        ("17.4", "sort_mem = 8MB"),
        (
            "18.2",
            "io_method = io_uring\nlog_connections = 'receipt,authentication'",
        ),
        ("15.5", "force_parallel_mode = off\nold_snapshot_threshold = -1"),
    ] {
        assert_eq!(refusal(version, "", lines), "", "{lines}");
    }
}

#[test]
fn patroni_is_given_names_and_words_that_it_knows() {
    let lines =
        "sort_mem = 8MB\njit = f\nfsync = TRUE\nrandom_page_cost = 2.\nmaintenance_work_mem = '0X800'";
    let parameters = resolved("17.4", lines).user_parameters;
    assert_eq!(parameters["random_page_cost"], "2");
    assert_eq!(parameters["maintenance_work_mem"], "2048");
    assert_eq!(parameters["work_mem"], "8MB");
    assert_eq!(parameters["jit"], "off");
    assert_eq!(parameters["fsync"], "TRUE");
    assert_eq!(parameters.len(), 5);
}

#[test]
fn parameters_of_patroni_and_of_tls_are_left_out_and_named() {
    let lines = "recovery_min_apply_delay = 5min\nport = 5433\nssl = on\nwork_mem = 8MB\nhot_standby = off\n\
                 synchronous_standby_names = '*'\nrestore_command = 'false'\nprimary_conninfo = 'host=x'";
    let resolved = resolved("17.4", lines);
    assert_eq!(resolved.user_parameters.keys().collect::<Vec<_>>(), ["work_mem"]);
    for (name, reason) in [
        ("recovery_min_apply_delay", "Patroni"),
        ("port", "layout"),
        ("ssl", "spec.tls"),
        ("hot_standby", "Patroni"),
        ("synchronous_standby_names", "spec.streamingMode"),
        ("restore_command", "Patroni"),
        ("primary_conninfo", "Patroni"),
    ] {
        let said = resolved.parameters_not_used.iter();
        let mut said = said.filter(|said| said.starts_with(&format!("{name} (")));
        assert!(
            said.next().is_some_and(|said| said.contains(reason)),
            "{:?}",
            resolved.parameters_not_used
        );
    }
    let built = blueprint::build(&resolved).config_secret.data.unwrap_or_default();
    let text = String::from_utf8(built["patroni.yml"].0.clone()).unwrap();
    assert!(
        !text.contains("recovery_min_apply_delay") && !text.contains("5433"),
        "{text}"
    );
}

/// What is ours anyway needs no word.
#[test]
fn a_value_that_members_have_anyway_is_no_contradiction() {
    let lines = "listen_addresses = '*'\nport = 5432\nhot_standby = on\nwal_log_hints = yes\nssl = off\n\
                 password_encryption = 'scram-sha-256'\nsynchronous_standby_names = ''\nrecovery_min_apply_delay = 0";
    assert_eq!(resolved("17.4", lines).parameters_not_used, [""; 0]);
    assert_eq!(
        Scenario::new(&spec("17.4", TLS, "ssl = on"))
            .resolved()
            .parameters_not_used,
        [""; 0]
    );
}

#[test]
fn the_secrets_file_is_examined_too_and_no_value_of_it_is_shown() {
    let mut scenario = Scenario::new(&format!(
        "version: '17.4'\n{BASE}configuration: {{secretName: mine}}"
    ));
    for text in [
        "ssl_passphrase_command = hunter2 x",
        "hunter2 = 1",
        "work_mem = hunter2",
        "search_path = 'hunter2,,x'",
        "ssl_passphrase_command = 'hunter2' hunter2",
    ] {
        scenario.user_conf = Some(text.to_owned());
        let invalid = scenario.resolve().expect_err(text);
        assert_eq!(invalid.len(), 1, "{invalid:?}");
        assert_eq!(invalid[0].field, "spec.configuration.secretName");
        let is_name = text.starts_with("hunter2 =");
        assert_eq!(
            invalid[0].message.contains("hunter2"),
            is_name,
            "{}",
            invalid[0].message
        );
    }
}

#[test]
fn inline_wins_over_the_secret() {
    let mut scenario = Scenario::new(&format!(
        "{}  secretName: mine\n",
        spec("17.4", "", "work_mem = 8MB")
    ));
    scenario.user_conf = Some("work_mem = lots".to_owned());
    assert_eq!(scenario.resolved().user_parameters["work_mem"], "8MB");
}

#[test]
fn members_that_run_keep_the_parameters_that_they_have() {
    let mut scenario = Scenario::new(&spec("17.4", "", "work_mem = 16MB\nmax_connection = 500"));
    scenario.live.configuration = Some(RunningConfiguration {
        user_conf: String::new(),
        inline_conf: "work_mem = 8MB\nrecovery_min_apply_delay = 5min\n".to_owned(),
    });
    let resolved = scenario.resolved();
    assert_eq!(resolved.user_parameters["work_mem"], "8MB");
    assert_eq!(resolved.user_parameters.len(), 1);
    assert_eq!(
        resolved.inline_conf.as_deref(),
        Some("work_mem = 8MB\nrecovery_min_apply_delay = 5min\n")
    );
    assert_eq!(resolved.configuration_refused.len(), 1);
    assert!(
        resolved.configuration_refused[0]
            .message
            .contains("max_connection")
    );
    // The corrected value is taken at once.
    scenario.postgres.spec.configuration.as_mut().unwrap().inline =
        [("user.conf".to_owned(), "work_mem = 16MB".to_owned())].into();
    let corrected = scenario.resolved();
    assert_eq!(corrected.user_parameters["work_mem"], "16MB");
    assert_eq!(corrected.configuration_refused, []);
}

/// Keys of certificates are ECDSA P-256, and the operators speak TLS 1.2 and 1.3.
#[test]
fn parameters_under_which_no_client_opens_tls_are_refused() {
    for (version, lines, name, advice) in [
        (
            "17.4",
            "ssl_ciphers = 'ECDHE-RSA-AES256-GCM-SHA384'\nssl_max_protocol_version = 'TLSv1.2'",
            "ssl_ciphers",
            "ECDSA keys",
        ),
        (
            "17.4",
            "ssl_ciphers = 'HIGH:!ECDSA'\nssl_max_protocol_version = TLSv1.2",
            "ssl_ciphers",
            "ECDSA keys",
        ),
        (
            "17.4",
            "ssl_ciphers = 'AES256-SHA'\nssl_max_protocol_version = TLSv1.2",
            "ssl_ciphers",
            "ECDSA keys",
        ),
        (
            "17.4",
            "ssl_ciphers = 'ECDHE-ECDSA-AES256-SHA384'\nssl_max_protocol_version = TLSv1.2",
            "ssl_ciphers",
            "the operators speak none",
        ),
        (
            "17.4",
            "ssl_ciphers = 'bogus'",
            "ssl_ciphers",
            "OpenSSL knows none",
        ),
        (
            "17.4",
            "ssl_ciphers = 'HIGH:@SECLEVEL=5'",
            "ssl_ciphers",
            "security level",
        ),
        (
            "17.4",
            "ssl_max_protocol_version = 'TLSv1.1'",
            "ssl_max_protocol_version",
            "TLSv1.2",
        ),
        (
            "17.4",
            "ssl_min_protocol_version = 'TLSv1.3'\nssl_max_protocol_version = 'TLSv1.2'",
            "ssl_min_protocol_version",
            "above ssl_max_protocol_version",
        ),
        (
            "17.4",
            "ssl_max_protocol_version = 'TLS1.2'",
            "ssl_max_protocol_version",
            "TLSv1.2",
        ),
        (
            "17.4",
            "ssl_ecdh_curve = 'X25519'",
            "ssl_ecdh_curve",
            "prime256v1",
        ),
        (
            "17.4",
            "ssl_ecdh_curve = 'secp521r1'",
            "ssl_ecdh_curve",
            "prime256v1",
        ),
        ("18.2", "ssl_groups = 'P-521'", "ssl_groups", "X25519"),
        (
            "18.2",
            "ssl_groups = 'X25519:nonsense'",
            "ssl_groups",
            "OpenSSL has no group",
        ),
        (
            "18.2",
            "ssl_tls13_ciphers = 'TLS_AES_128_CCM_SHA256'\nssl_min_protocol_version = TLSv1.3",
            "ssl_tls13_ciphers",
            "TLS_AES_256_GCM_SHA384",
        ),
    ] {
        let said = refusal(version, TLS, lines);
        assert!(
            said.contains(&format!("user.conf, {name}: ")),
            "{lines}: {said:?}"
        );
        assert!(said.contains(advice), "{lines}: {said:?}");
    }
    for (version, lines) in [
        ("17.4", "ssl_ciphers = 'ECDHE-RSA-AES256-GCM-SHA384'"),
        (
            "17.4",
            "ssl_ciphers = 'HIGH:!aNULL'\nssl_max_protocol_version = TLSv1.2",
        ),
        (
            "17.4",
            "ssl_min_protocol_version = 'TLSv1.3'\nssl_max_protocol_version = ''",
        ),
        ("17.4", "ssl_min_protocol_version = TLSv1"),
        ("17.4", "ssl_ecdh_curve = secp384r1"),
        ("18.2", "ssl_groups = 'X25519MLKEM768:X25519:prime256v1'"),
        ("18.2", "ssl_ecdh_curve = 'P-384'"),
        (
            "18.2",
            "ssl_tls13_ciphers = 'TLS_AES_256_GCM_SHA384'\nssl_min_protocol_version = TLSv1.3",
        ),
    ] {
        assert_eq!(refusal(version, TLS, lines), "", "{lines}");
    }
    // Without TLS they do nothing; they count when TLS is added.
    assert_eq!(refusal("17.4", "", "ssl_ciphers = bogus"), "");
}
