//! PostgreSQL's parameters: ours, the user's, and who wins.

use api_types::postgres::CommitLevel;
use api_types::quantity::amount;
use api_types::vocabulary::PATRONI_YML;
use k8s_openapi::api::core::v1::{ResourceRequirements, Secret};
use serde_json::Value;

use crate::material::secret_text;
use crate::pg::conf::Parameters;
use crate::pg::wal;
use crate::resolved::{Resolved, Streaming, WalRetention};
use crate::tls::TlsPhase;
use crate::{hash, paths};

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

/// Whether a parameter is in Patroni's dynamic configuration, which all members share.
pub fn is_shared_parameter(name: &str) -> bool {
    DYNAMIC.contains(&name)
}

/// The least value that Patroni takes for a parameter, in its unit; it silently uses the default below that.
pub const LEAST: [(&str, i32); 6] = [
    ("max_connections", 25),
    ("max_wal_senders", 3),
    ("max_replication_slots", 4),
    ("max_locks_per_transaction", 32),
    ("max_worker_processes", 2),
    ("wal_keep_size", 16),
];

/// Replication connections and slots, as KubeDB sets them.
const MAX_SENDERS_AND_SLOTS: &str = "90";

/// Connections that no application of an ordinary role takes, for the roles of ours that are no superusers.
const RESERVED_CONNECTIONS: &str = "3";

/// Patroni's default of `wal_keep_size`, in megabytes.
const PATRONIS_KEEP: i32 = 128;

/// Share of the memory request that becomes `shared_buffers`: one part in this many.
const SHARED_BUFFERS_PART: i64 = 4;

/// Memory to assume when the container has no request and no limit: 1 GiB in bytes.
const DEFAULT_MEMORY: i64 = 1 << 30;

/// Above this many kilobytes, `shared_buffers` is written in megabytes.
const MEGABYTES_ABOVE_KB: i64 = 1_048_576;

/// Parameters of the local configuration, which a reload changes.
pub(crate) fn local(resolved: &Resolved) -> Parameters {
    let mut parameters = ours(resolved);
    parameters.extend(of(&resolved.tuned, |name| !DYNAMIC.contains(&name)));
    parameters.extend(of(&resolved.user_parameters, |name| !DYNAMIC.contains(&name)));
    // What follows from TLS does not count: operations change that, step by step, and prove it by other means.
    let mark = hash::hash_of(&parameters);
    parameters.extend(owned(resolved));
    parameters.insert(MARK.to_owned(), mark);
    parameters
}

/// A custom parameter, which PostgreSQL does not interpret and shows in `SHOW`: it changes with the parameters of a member's
/// file, so a member that shows the value of the file has read the file.
pub const MARK: &str = "sealwright.configuration";

/// The value of [`MARK`] in a live config Secret; `None` in one of an older operator.
pub fn recorded_mark(config: &Secret) -> Option<String> {
    let file: Value = serde_json::from_str(secret_text(config, PATRONI_YML)?).ok()?;
    let mark = file.get("postgresql")?.get("parameters")?.get(MARK)?;
    mark.as_str().map(str::to_owned)
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
        // Patroni's own default may be more than fits.
        WalRetention::Slots if resolved.wal_budget.keep < PATRONIS_KEEP => {
            parameters.insert(
                "wal_keep_size".to_owned(),
                format!("{}MB", resolved.wal_budget.keep),
            );
        }
        WalRetention::Slots => {}
    }
    // Here because Patroni takes an edit from here at once; the user's own value is in the local file, which wins.
    if let Streaming::Synchronous(synchronous) = &resolved.streaming {
        let level = commit_level(synchronous.commit_level);
        parameters.insert("synchronous_commit".to_owned(), level.to_owned());
    }
    parameters.extend(of(&resolved.tuned, |name| DYNAMIC.contains(&name)));
    parameters.extend(of(&resolved.user_parameters, |name| DYNAMIC.contains(&name)));
    // pg_rewind needs it, whatever the user sets.
    parameters.insert("wal_log_hints".to_owned(), "on".to_owned());
    parameters
}

fn of(all: &Parameters, wanted: impl Fn(&str) -> bool) -> Parameters {
    all.iter()
        .filter(|(name, _)| wanted(name))
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
    if keeps_connections(resolved) {
        parameters.insert("reserved_connections".to_owned(), RESERVED_CONNECTIONS.to_owned());
    }
    if let Some((max, min)) = resolved.wal_budget.sizes {
        parameters.insert("max_wal_size".to_owned(), format!("{max}MB"));
        parameters.insert("min_wal_size".to_owned(), format!("{min}MB"));
    }
    if let Some(limit) = slot_limit(resolved) {
        parameters.insert("max_slot_wal_keep_size".to_owned(), limit);
    }
    parameters
}

/// Whether connections are kept for the operators and the exporter. Together with those that are kept for superusers they must be
/// fewer than `max_connections`, of which Patroni takes no less than 25.
fn keeps_connections(resolved: &Resolved) -> bool {
    resolved.major.has_reserved_connections()
        && !resolved
            .user_parameters
            .contains_key("superuser_reserved_connections")
}

/// `max_slot_wal_keep_size`; none where PostgreSQL's default, no limit, applies and the user has not set it.
fn slot_limit(resolved: &Resolved) -> Option<String> {
    let by_slots = matches!(resolved.wal_retention, WalRetention::Slots);
    match resolved.slot_limit {
        wal::NO_LIMIT => by_slots.then(|| "-1".to_owned()),
        limit => Some(format!("{limit}MB")),
    }
}

/// Parameters that the user can't override.
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

/// Bytes of memory that a container requests, or is limited to.
pub(crate) fn memory_of(resources: &ResourceRequirements) -> i64 {
    let amount = |list: &Option<std::collections::BTreeMap<_, _>>| {
        list.as_ref().and_then(|list| list.get("memory")).and_then(amount)
    };
    amount(&resources.requests)
        .or_else(|| amount(&resources.limits))
        .unwrap_or(DEFAULT_MEMORY)
}

/// A quarter of the container's memory, as KubeDB writes it.
fn shared_buffers(resources: &ResourceRequirements) -> String {
    // PostgreSQL takes 128 kB at least.
    let kilobytes = (memory_of(resources) / SHARED_BUFFERS_PART / 1024).max(128);
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
        assert!(DYNAMIC.is_sorted());
        assert!(LEAST.iter().all(|(name, _)| DYNAMIC.contains(name)));
    }
}
