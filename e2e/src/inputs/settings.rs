//! What users write into the manifest: what is taken as it is, and what is refused until it is corrected.

use serde_json::{Value, json};

use super::{Fact, Given, Input, NOTHING, Part, Refused, Written};

const fn taken(
    name: &'static str,
    part: Part,
    excludes: &'static [Part],
    objects: &'static str,
    over: fn() -> Value,
    facts: &'static [Fact],
) -> Input {
    let refused = None;
    Input {
        name,
        part,
        excludes,
        since: 0,
        given: Given::Written(Written {
            over,
            objects,
            refused,
            facts,
        }),
    }
}

pub(super) const fn refused(
    name: &'static str,
    part: Part,
    objects: &'static str,
    over: fn() -> Value,
    refused: Refused,
) -> Input {
    let (refused, facts): (_, &[Fact]) = (Some(refused), &[]);
    Input {
        name,
        part,
        excludes: &[],
        since: 0,
        given: Given::Written(Written {
            over,
            objects,
            refused,
            facts,
        }),
    }
}

const fn since(major: u32, input: Input) -> Input {
    Input {
        since: major,
        ..input
    }
}

fn conf(lines: &str) -> Value {
    json!({"spec": {"configuration": {"inline": {"user.conf": lines}}}})
}

/// Every printable character of ASCII, twice and a bit: 200 in all. What it must not have is `$$`.
const LONG_PASSWORD: &str = r##"
apiVersion: v1
kind: Secret
metadata: {name: mine}
stringData:
  username: a.b+c@example.com
  password: " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~\
    \ !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~012345678 "
"##;

const SHORT_PASSWORD: &str = "
apiVersion: v1
kind: Secret
metadata: {name: mine}
stringData: {username: all, password: ' '}
";

const LONG_NAME: &str = "
apiVersion: v1
kind: Secret
metadata: {name: mine}
stringData: {username: A23456789012345678901234567890123456789012345678901234567890123, password: '''}{'}
";

const MINE: fn() -> Value = || json!({"spec": {"authSecret": {"name": "mine"}}});

const DEFAULTS: &str = "
apiVersion: v1
kind: LimitRange
metadata: {name: defaults}
spec:
  limits:
  - type: Container
    default: {cpu: 500m, memory: 384Mi}
    defaultRequest: {cpu: 10m, memory: 32Mi}
    max: {cpu: '2', memory: 1Gi}
";

const ISSUER: &str = crate::manifests::ISSUERS;

pub(super) const INPUTS: &[Input] = &[
    taken(
        "longest name",
        Part::Name,
        &[],
        "",
        || json!({"metadata": {"name": format!("db-{}", "x".repeat(58))}}),
        &[],
    ),
    taken(
        "labels of Argo CD, Helm and Flux",
        Part::Marks,
        &[],
        "",
        || {
            json!({"metadata": {"labels": {
                "argocd.argoproj.io/instance": "shop", "app.kubernetes.io/managed-by": "Helm",
                "app.kubernetes.io/instance": "shop", "app.kubernetes.io/name": "shop",
                "kustomize.toolkit.fluxcd.io/name": "shop"}}})
        },
        &[],
    ),
    taken(
        "password of 200 characters",
        Part::Credentials,
        &[],
        LONG_PASSWORD,
        MINE,
        &[Fact::Answers(
            "SELECT count(*) FROM pg_roles WHERE rolname = 'a.b+c@example.com' AND rolsuper",
            "1",
        )],
    ),
    taken(
        "user all, password a blank",
        Part::Credentials,
        &[],
        SHORT_PASSWORD,
        MINE,
        &[Fact::Answers(
            "SELECT count(*) FROM pg_roles WHERE rolname = 'all' AND rolsuper",
            "1",
        )],
    ),
    taken(
        "user name of 63 characters",
        Part::Credentials,
        &[],
        LONG_NAME,
        MINE,
        &[Fact::Answers(
            "SELECT count(*) FROM pg_roles WHERE length(rolname) = 63 AND rolsuper",
            "1",
        )],
    ),
    taken(
        "parameters: lists, quotes, units",
        Part::Parameters,
        &[],
        "",
        || {
            conf(
                "search_path = '\"$user\", \"it''s\", public'\nlog_line_prefix = '%m ''%q'' \\\\ '\nWORK_MEM = 0x2000\n\
                 datestyle = 'German, DMY'\nshared_preload_libraries = 'pg_stat_statements, auto_explain'\n\
                 auto_explain.log_min_duration = '1.5s'\nmy_app.tenant = 'Größe # 1'\n\
                 autovacuum_vacuum_cost_delay = 1500us\nTimeZone = 'Asia/Kathmandu'",
            )
        },
        &[
            Fact::Answers(
                "SELECT reset_val FROM pg_settings WHERE name = 'work_mem'",
                "8192",
            ),
            Fact::Answers("SELECT current_setting('my_app.tenant')", "Größe # 1"),
            Fact::Answers("SELECT current_setting('log_line_prefix')", "%m '%q' \\ "),
            Fact::Answers("SELECT current_setting('autovacuum_vacuum_cost_delay')", "1500us"),
            Fact::Answers(
                "SELECT current_setting('shared_preload_libraries')",
                "pg_stat_statements, auto_explain",
            ),
        ],
    ),
    since(
        17,
        taken(
            "parameters: time limits of a millisecond, read-only",
            Part::Parameters,
            &[],
            "",
            || {
                conf(
                    "statement_timeout = 1\nlock_timeout = 1\ntransaction_timeout = 1\nidle_session_timeout = 1\n\
                     idle_in_transaction_session_timeout = 1\ndefault_transaction_read_only = on",
                )
            },
            &[Fact::Answers(
                "SELECT reset_val FROM pg_settings WHERE name = 'transaction_timeout'",
                "1",
            )],
        ),
    ),
    taken(
        "parameters: replication without status messages and timeouts",
        Part::Parameters,
        &[],
        "",
        || {
            conf(
                "wal_receiver_status_interval = 0\nwal_sender_timeout = 0\nwal_receiver_timeout = 0\nhot_standby_feedback = on",
            )
        },
        &[Fact::Answers("SHOW wal_receiver_status_interval", "0")],
    ),
    taken(
        "parameters: as few connections as can be",
        Part::Parameters,
        &[],
        "",
        || {
            conf(
                "max_connections = 25\nsuperuser_reserved_connections = 0\nmax_wal_senders = 3\nmax_replication_slots = 4\nmax_worker_processes = 2",
            )
        },
        &[
            Fact::Answers("SHOW max_connections", "25"),
            Fact::Answers("SHOW max_wal_senders", "3"),
        ],
    ),
    taken(
        "parameters: Patroni's own are left out and said",
        Part::Parameters,
        &[],
        "",
        || conf("restore_command = 'false'\nport = 5433\nwork_mem = 8MB"),
        &[
            Fact::Held("restore_command"),
            Fact::Held("port"),
            Fact::Answers("SHOW work_mem", "8MB"),
            Fact::Answers("SHOW port", "5432"),
        ],
    ),
    taken(
        "other port of a NodePort Service",
        Part::Services,
        &[],
        "",
        || {
            json!({"spec": {"serviceTemplates": [
            {"alias": "primary", "spec": {"type": "NodePort", "ports": [{"name": "primary", "port": 5433}]}},
            {"alias": "standby", "spec": {"ports": [{"name": "standby", "port": 6000}]}}]}})
        },
        &[],
    ),
    taken(
        "Service without an address",
        Part::Services,
        &[],
        "",
        || json!({"spec": {"serviceTemplates": [{"alias": "primary", "spec": {"clusterIP": "None"}}]}}),
        &[],
    ),
    taken(
        "LimitRange with defaults",
        Part::Pods,
        &[],
        DEFAULTS,
        NOTHING,
        &[],
    ),
    taken(
        "Pods with labels, affinity and a scheduler's wishes",
        Part::Pods,
        &[],
        "",
        || {
            json!({"spec": {"podTemplate": {
            "metadata": {"annotations": {"note": "a: b"}},
            "spec": {"terminationGracePeriodSeconds": 5, "tolerations": [{"operator": "Exists"}],
                     "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
                        "whenUnsatisfiable": "ScheduleAnyway"}]}}}})
        },
        &[],
    ),
    // Without a claim all data goes with the Pod.
    taken(
        "ephemeral storage",
        Part::Storage,
        &[Part::Restart, Part::Halt, Part::Deletion, Part::Loss],
        "",
        || json!({"spec": {"storageType": "Ephemeral", "storage": null}}),
        &[],
    ),
    taken(
        "exporter",
        Part::Monitoring,
        &[],
        "",
        || json!({"spec": {"monitor": {"agent": "prometheus.io/builtin"}}}),
        &[],
    ),
    taken(
        "synchronous mode with one member",
        Part::Streaming,
        &[],
        "",
        || json!({"spec": {"streamingMode": "Synchronous"}}),
        &[],
    ),
    taken(
        "TLS at birth, scram",
        Part::Tls,
        &[],
        ISSUER,
        || {
            json!({"spec": {"sslMode": "verify-full", "clientAuthMode": "scram",
            "tls": {"issuerRef": {"apiGroup": "cert-manager.io", "kind": "Issuer", "name": "pg-issuer"}}}})
        },
        &[Fact::Answers("SHOW ssl", "on")],
    ),
];

pub(super) const REFUSED: &[Input] = &[
    refused(
        "refused: parameters",
        Part::Parameters,
        "",
        || conf("work_mem = 'lots'\nlog_statement = everything"),
        Refused {
            says: "work_mem:",
            edit: || conf("work_mem = 16MB")["spec"].take(),
            objects: "",
        },
    ),
    refused(
        "refused: auth Secret that comes later",
        Part::Credentials,
        "",
        MINE,
        Refused {
            says: "\"mine\" does not exist yet",
            edit: NOTHING,
            objects: SHORT_PASSWORD,
        },
    ),
    refused(
        "refused: password that is not ASCII",
        Part::Credentials,
        "
apiVersion: v1
kind: Secret
metadata: {name: mine}
stringData: {username: postgres, password: пароль}
",
        MINE,
        Refused {
            says: "not ASCII",
            edit: NOTHING,
            objects: SHORT_PASSWORD,
        },
    ),
    refused(
        "refused: StorageClass that is not there",
        Part::Storage,
        "",
        || json!({"spec": {"storage": {"storageClassName": "none"}}}),
        Refused {
            says: "\"none\" not found",
            edit: || json!({"storage": {"storageClassName": "standard"}}),
            objects: "",
        },
    ),
    refused(
        "refused: user that the image does not know",
        Part::Pods,
        "",
        || json!({"spec": {"podTemplate": {"spec": {"securityContext": {"runAsUser": 1001}}}}}),
        Refused {
            says: "spec.podTemplate.spec.securityContext",
            edit: || json!({"podTemplate": {"spec": {"securityContext": {"runAsUser": 999}}}}),
            objects: "",
        },
    ),
    refused(
        "refused: two ports of one number",
        Part::Services,
        "",
        || {
            json!({"spec": {"serviceTemplates": [{"alias": "primary", "spec": {
                "ports": [{"name": "primary", "port": 5433}, {"name": "pooler", "port": 5433}]}}]}})
        },
        Refused {
            says: "spec.serviceTemplates",
            edit: || json!({"serviceTemplates": [{"alias": "primary", "spec": {"ports": [{"name": "primary", "port": 5433}]}}]}),
            objects: "",
        },
    ),
];
