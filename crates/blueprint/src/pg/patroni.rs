//! Patroni's configuration: the local file of every member, and the dynamic part that all members share.
//!
//! What differs between members comes by environment variables (see `containers.rs`), which Patroni lays over the file. A reload (`POST /reload`) takes over everything in the file but `bootstrap`, which counts at birth only.

use std::collections::BTreeMap;

use api_types::postgres::SyncMode;
use api_types::roles;
use api_types::tls::SslMode;
use api_types::vocabulary as words;
use serde::Serialize;

use crate::paths;
use crate::pg::conf::Parameters;
use crate::pg::slots::{self, UserSlots};
use crate::pg::{hba, parameters};
use crate::resolved::{Resolved, Streaming, WalRetention};
use crate::roles::{MemberRoles, RoleLogin};
use crate::tls::TlsPhase;

/// Seconds until a silent leader is replaced; the least that Patroni takes.
const TTL: i32 = 20;
/// Seconds between two loops of Patroni, and the longest that a reload takes to begin.
const LOOP_WAIT: i32 = 3;
/// Seconds that a member tries to reach the API server or PostgreSQL; Patroni wants `LOOP_WAIT + 2 * RETRY_TIMEOUT <= TTL`.
const RETRY_TIMEOUT: i32 = 8;

/// `patroni.yml`.
#[derive(Serialize)]
struct Local<'a> {
    scope: &'a str,
    log: Log,
    kubernetes: Kubernetes,
    restapi: RestApi,
    ctl: Client,
    bootstrap: Bootstrap,
    postgresql: LocalPostgresql,
}

#[derive(Serialize)]
struct Log {
    level: &'static str,
    /// One line when the state changes instead of one per loop.
    deduplicate_heartbeat_logs: bool,
}

#[derive(Serialize)]
struct Kubernetes {
    /// ConfigMaps hold the state: Services then select by label, and no Endpoints need to be written.
    use_endpoints: bool,
    labels: BTreeMap<String, String>,
    scope_label: &'static str,
    role_label: &'static str,
    leader_label_value: &'static str,
    follower_label_value: &'static str,
    standby_leader_label_value: &'static str,
}

#[derive(Serialize)]
struct RestApi {
    listen: String,
    /// Has the private key, too.
    certfile: &'static str,
    cafile: &'static str,
    /// `optional`: a client that changes something shows a certificate of this CA, one that only reads need not (Patroni 4.1,
    /// `RestApiServer.check_access`).
    verify_client: &'static str,
}

/// How Patroni and `patronictl` call other members. Patroni checks their CA, `patronictl` their names as well (Patroni 4.1,
/// `PatroniRequest.reload_config`). Each connection reads the files again.
#[derive(Serialize)]
struct Client {
    certfile: &'static str,
    cacert: &'static str,
}

#[derive(Serialize)]
struct Bootstrap {
    dcs: Dynamic,
    initdb: Vec<InitdbOption>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum InitdbOption {
    Flag(&'static str),
    Value(BTreeMap<&'static str, &'static str>),
}

/// The dynamic configuration.
#[derive(Serialize)]
pub(super) struct Dynamic {
    ttl: i32,
    loop_wait: i32,
    retry_timeout: i32,
    maximum_lag_on_failover: i64,
    /// A primary that reaches every other member goes on while the API server is away.
    failsafe_mode: bool,
    ignore_slots: serde_json::Value,
    synchronous_mode: &'static str,
    synchronous_node_count: i32,
    postgresql: DynamicPostgresql,
}

#[derive(Serialize)]
struct DynamicPostgresql {
    use_pg_rewind: bool,
    use_slots: bool,
    parameters: Parameters,
}

#[derive(Serialize)]
struct LocalPostgresql {
    listen: String,
    data_dir: &'static str,
    pgpass: &'static str,
    use_unix_socket: bool,
    use_unix_socket_repl: bool,
    bin_name: BTreeMap<&'static str, &'static str>,
    callbacks: BTreeMap<&'static str, String>,
    /// An old primary that can't be rewound is rebuilt from the new one.
    remove_data_directory_on_rewind_failure: bool,
    basebackup: Vec<BTreeMap<&'static str, &'static str>>,
    authentication: Authentication,
    pg_hba: Vec<String>,
    parameters: Parameters,
}

/// How Patroni connects to its own PostgreSQL, over the Unix socket, and how members connect to each other.
#[derive(Serialize)]
struct Authentication {
    superuser: Connection,
    replication: Connection,
    rewind: Connection,
}

/// Role, password, and libpq's TLS settings.
#[derive(Clone, Default, Serialize)]
struct Connection {
    username: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sslmode: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sslrootcert: Option<&'static str>,
}

/// The text of `patroni.yml`.
pub(crate) fn local_configuration(resolved: &Resolved) -> String {
    let local = Local {
        scope: &resolved.name,
        log: Log {
            level: "INFO",
            deduplicate_heartbeat_logs: true,
        },
        kubernetes: kubernetes(resolved),
        restapi: RestApi {
            listen: format!("0.0.0.0:{}", words::PATRONI_PORT),
            certfile: paths::MEMBER_IDENTITY,
            cafile: paths::MEMBERS_CA,
            verify_client: "optional",
        },
        ctl: Client {
            certfile: paths::MEMBER_IDENTITY,
            cacert: paths::MEMBERS_CA,
        },
        bootstrap: Bootstrap {
            dcs: dynamic(resolved),
            initdb: initdb(),
        },
        postgresql: postgresql(resolved),
    };
    // JSON is YAML, and its strings stay strings: Patroni's YAML 1.1 would read a bare 12:30 as a number.
    serde_json::to_string_pretty(&local).expect("maps with string keys are always JSON") + "\n"
}

fn kubernetes(resolved: &Resolved) -> Kubernetes {
    let mut labels = resolved.selector();
    // Patroni adds the scope label by itself.
    labels.remove(words::INSTANCE_LABEL);
    Kubernetes {
        use_endpoints: false,
        labels,
        scope_label: words::INSTANCE_LABEL,
        role_label: words::ROLE_LABEL,
        leader_label_value: words::ROLE_PRIMARY,
        follower_label_value: words::ROLE_STANDBY,
        standby_leader_label_value: words::ROLE_PRIMARY,
    }
}

/// What Patroni takes from its dynamic configuration only: at birth from here, later from where [`super::dynamic`] writes it.
pub(super) fn dynamic(resolved: &Resolved) -> Dynamic {
    let (synchronous_mode, synchronous_node_count) = match &resolved.streaming {
        Streaming::Asynchronous => ("off", 1),
        Streaming::Synchronous(synchronous) => match synchronous.mode {
            SyncMode::Any => ("quorum", synchronous.number),
            SyncMode::First => ("on", synchronous.number),
        },
    };
    Dynamic {
        ttl: TTL,
        loop_wait: LOOP_WAIT,
        retry_timeout: RETRY_TIMEOUT,
        maximum_lag_on_failover: resolved.maximum_lag,
        failsafe_mode: true,
        ignore_slots: slots::ignored(&UserSlots::default()),
        synchronous_mode,
        synchronous_node_count,
        postgresql: DynamicPostgresql {
            use_pg_rewind: true,
            use_slots: matches!(resolved.wal_retention, WalRetention::Slots),
            parameters: parameters::dynamic(resolved),
        },
    }
}

/// `initdb`: UTF-8, checksums (which `pg_rewind` and corruption checks want), and the same methods as `pg_hba`.
fn initdb() -> Vec<InitdbOption> {
    let value = |name, value| InitdbOption::Value(BTreeMap::from([(name, value)]));
    vec![
        value("encoding", "UTF8"),
        value("locale", "C.UTF-8"),
        InitdbOption::Flag("data-checksums"),
        value("auth-local", "trust"),
        value("auth-host", "scram-sha-256"),
    ]
}

fn postgresql(resolved: &Resolved) -> LocalPostgresql {
    let members = resolved.member_tls.as_ref();
    let remote = |username, login: fn(&MemberRoles) -> &RoleLogin| Connection {
        username,
        password: members.map(|members| login(&members.roles).password.clone()),
        ..connection(resolved)
    };
    LocalPostgresql {
        listen: format!("*:{}", words::POSTGRES_PORT),
        data_dir: words::PGDATA,
        pgpass: paths::PGPASS,
        use_unix_socket: true,
        use_unix_socket_repl: true,
        bin_name: BTreeMap::from([("initdb", paths::INITDB)]),
        callbacks: ["on_reload", "on_role_change", "on_start"]
            .map(|action| (action, format!("bash {}", paths::ROLES_SH)))
            .into(),
        remove_data_directory_on_rewind_failure: true,
        // Without it a new standby waits for the primary's next scheduled checkpoint.
        basebackup: vec![BTreeMap::from([("checkpoint", "fast")])],
        authentication: Authentication {
            superuser: Connection {
                username: roles::PATRONI,
                ..Connection::default()
            },
            replication: remote(roles::REPLICATION, |roles| &roles.replication),
            rewind: remote(roles::REWIND, |roles| &roles.rewind),
        },
        pg_hba: hba::lines(resolved),
        parameters: parameters::local(resolved),
    }
}

/// libpq's `sslmode` with which standbys replicate.
pub fn replication_ssl_mode(resolved: &Resolved) -> &'static str {
    // Patroni's default.
    connection(resolved).sslmode.unwrap_or(SslMode::Prefer.as_str())
}

/// How a member connects to another member. It shows no certificate: that would be the user's.
fn connection(resolved: &Resolved) -> Connection {
    match resolved.tls.phase {
        // Patroni's default, prefer, would keep TLS for as long as the primary still offers it.
        TlsPhase::Off => Connection {
            sslmode: Some(SslMode::Disable.as_str()),
            ..Connection::default()
        },
        // No root certificate: libpq would check the server by it even here, and the servers' CA may be changing.
        TlsPhase::Accept => Connection {
            sslmode: Some(SslMode::Prefer.as_str()),
            ..Connection::default()
        },
        TlsPhase::Enforce => Connection {
            sslmode: Some(resolved.ssl_mode.as_str()),
            sslrootcert: (!resolved.tls.trust.is_empty()).then_some(paths::TRUST),
            ..Connection::default()
        },
    }
}
