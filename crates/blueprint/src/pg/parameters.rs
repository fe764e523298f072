//! PostgreSQL's parameters: ours, the user's, and who wins.

use api_types::postgres::CommitLevel;
use k8s_openapi::api::core::v1::ResourceRequirements;

use crate::paths;
use crate::pg::conf::Parameters;
use crate::quantity;
use crate::resolved::{Resolved, Streaming, WalRetention};
use crate::tls::TlsPhase;

/// Parameters that belong to Patroni, to TLS or to the layout of a member. A user's value for them is not used.
pub const OWNED: [&str; 22] = [
    "archive_cleanup_command",
    "cluster_name",
    "config_file",
    "data_directory",
    "external_pid_file",
    "hba_file",
    "hot_standby",
    "ident_file",
    "listen_addresses",
    "password_encryption",
    "port",
    "primary_conninfo",
    "primary_slot_name",
    "promote_trigger_file",
    "recovery_target_timeline",
    "restore_command",
    "ssl",
    "ssl_ca_file",
    "ssl_cert_file",
    "ssl_key_file",
    "synchronous_standby_names",
    "unix_socket_directories",
];

/// Parameters that Patroni takes from its dynamic configuration only, because all members must agree on them.
pub const DYNAMIC: [&str; 11] = [
    "max_connections",
    "max_locks_per_transaction",
    "max_prepared_transactions",
    "max_replication_slots",
    "max_wal_senders",
    "max_worker_processes",
    "track_commit_timestamp",
    "wal_keep_segments",
    "wal_keep_size",
    "wal_level",
    "wal_log_hints",
];

/// The least value that Patroni takes for a parameter; it silently uses the default below that.
pub const LEAST: [(&str, i64); 5] = [
    ("max_connections", 25),
    ("max_wal_senders", 3),
    ("max_replication_slots", 4),
    ("max_locks_per_transaction", 32),
    ("max_worker_processes", 2),
];

/// Replication connections and slots, as KubeDB sets them.
const MAX_SENDERS_AND_SLOTS: &str = "90";

/// Share of the memory request that becomes `shared_buffers`: one part in this many.
const SHARED_BUFFERS_PART: i64 = 4;

/// Memory to reckon with when the container asks for none and has no limit: 1 GiB in bytes.
const DEFAULT_MEMORY: i64 = 1 << 30;

/// Above this many kilobytes, `shared_buffers` is written in megabytes.
const MEGABYTES_ABOVE_KB: i64 = 1_048_576;

/// Parameters of the local configuration, which a reload changes.
pub(crate) fn local(resolved: &Resolved) -> Parameters {
    let mut parameters = ours(resolved);
    parameters.extend(users(resolved, |name| !DYNAMIC.contains(&name)));
    parameters.extend(owned(resolved));
    parameters
}

/// Parameters of the dynamic configuration.
pub(crate) fn dynamic(resolved: &Resolved) -> Parameters {
    let mut parameters = from([
        ("wal_level", "replica"),
        ("max_wal_senders", MAX_SENDERS_AND_SLOTS),
        ("max_replication_slots", MAX_SENDERS_AND_SLOTS),
    ]);
    match resolved.wal_retention {
        WalRetention::KeepSize(megabytes) => {
            parameters.insert("wal_keep_size".to_owned(), format!("{megabytes}MB"));
        }
        WalRetention::KeepSegments(segments) => {
            parameters.insert("wal_keep_segments".to_owned(), segments.to_string());
        }
        WalRetention::Slots(_) => {}
    }
    parameters.extend(users(resolved, |name| DYNAMIC.contains(&name)));
    // pg_rewind needs it, whatever the user says.
    parameters.insert("wal_log_hints".to_owned(), "on".to_owned());
    parameters
}

/// Names of parameters that the user sets and that are not used, because they are [`OWNED`].
pub fn unused(resolved: &Resolved) -> Vec<String> {
    let names = resolved.user_parameters.keys();
    names.filter(|name| is_owned(name)).cloned().collect()
}

fn is_owned(name: &str) -> bool {
    OWNED.contains(&name) || name == "wal_log_hints"
}

fn users(resolved: &Resolved, wanted: impl Fn(&str) -> bool) -> Parameters {
    let entries = resolved.user_parameters.iter();
    entries
        .filter(|(name, _)| wanted(name) && !is_owned(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Defaults that a user may override.
fn ours(resolved: &Resolved) -> Parameters {
    let mut parameters = from([
        ("shared_preload_libraries", "pg_stat_statements"),
        // A standby that finds the new primary not ready yet would try again after five seconds (PostgreSQL 17, 19.6.3).
        ("wal_retrieve_retry_interval", "500ms"),
    ]);
    parameters.insert("shared_buffers".to_owned(), shared_buffers(&resolved.resources));
    if let WalRetention::Slots(megabytes) = resolved.wal_retention {
        let value = match megabytes {
            -1 => "-1".to_owned(),
            limit => format!("{limit}MB"),
        };
        parameters.insert("max_slot_wal_keep_size".to_owned(), value);
    }
    if let Streaming::Synchronous(synchronous) = &resolved.streaming {
        let level = commit_level(synchronous.commit_level);
        parameters.insert("synchronous_commit".to_owned(), level.to_owned());
    }
    parameters
}

/// What nobody overrides.
fn owned(resolved: &Resolved) -> Parameters {
    let mut parameters = from([
        ("unix_socket_directories", paths::SOCKET_DIR),
        // Verifiers of this kind serve the methods md5 and scram-sha-256 alike.
        ("password_encryption", "scram-sha-256"),
    ]);
    if resolved.tls.phase == TlsPhase::Off {
        parameters.insert("ssl".to_owned(), "off".to_owned());
        return parameters;
    }
    parameters.extend(from([
        ("ssl", "on"),
        ("ssl_cert_file", paths::SERVER_CERT),
        ("ssl_key_file", paths::SERVER_KEY),
    ]));
    if let Some(file) = trust_file(resolved) {
        parameters.insert("ssl_ca_file".to_owned(), file.to_owned());
    }
    parameters
}

/// The file with the CAs that client certificates are checked against: KubeDB's, unless more than one CA is trusted.
fn trust_file(resolved: &Resolved) -> Option<&'static str> {
    match resolved.tls.trust.len() {
        0 => None,
        1 => Some(paths::SERVER_CA),
        _ => Some(paths::TRUST),
    }
}

fn commit_level(level: CommitLevel) -> &'static str {
    match level {
        CommitLevel::On => "on",
        CommitLevel::RemoteApply => "remote_apply",
        CommitLevel::RemoteWrite => "remote_write",
        CommitLevel::Local => "local",
        CommitLevel::Off => "off",
    }
}

/// A quarter of the container's memory, as KubeDB writes it.
fn shared_buffers(resources: &ResourceRequirements) -> String {
    let amount = |list: &Option<std::collections::BTreeMap<_, _>>| {
        list.as_ref()
            .and_then(|list| list.get("memory"))
            .and_then(quantity::bytes)
    };
    let memory = amount(&resources.requests)
        .or_else(|| amount(&resources.limits))
        .unwrap_or(DEFAULT_MEMORY);
    // PostgreSQL takes 128 kB at least.
    let kilobytes = (memory / SHARED_BUFFERS_PART / 1024).max(128);
    if kilobytes > MEGABYTES_ABOVE_KB {
        format!("{}MB", kilobytes / 1024)
    } else {
        format!("{kilobytes}kB")
    }
}

fn from<const N: usize>(pairs: [(&str, &str); N]) -> Parameters {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

    fn request(memory: &str) -> ResourceRequirements {
        ResourceRequirements {
            requests: Some([("memory".to_owned(), Quantity(memory.to_owned()))].into()),
            ..ResourceRequirements::default()
        }
    }

    #[test]
    fn shared_buffers_are_a_quarter_of_the_memory() {
        assert_eq!(shared_buffers(&request("1Gi")), "262144kB");
        assert_eq!(shared_buffers(&request("8Gi")), "2048MB");
        assert_eq!(shared_buffers(&request("1")), "128kB");
        assert_eq!(shared_buffers(&ResourceRequirements::default()), "262144kB");
    }

    #[test]
    fn lists_are_sorted_and_distinct() {
        assert!(OWNED.is_sorted() && DYNAMIC.is_sorted());
        assert!(LEAST.iter().all(|(name, _)| DYNAMIC.contains(name)));
    }
}
