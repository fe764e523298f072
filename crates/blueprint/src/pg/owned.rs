//! Parameters that the user does not decide, and why.

use api_types::Major;

use super::value;

/// What members have of the parameters above, where it is one value for all: written by a user it is no contradiction.
const OURS: [(&str, &str); 8] = [
    ("hot_standby", "on"),
    ("listen_addresses", "*"),
    ("password_encryption", "scram-sha-256"),
    ("port", "5432"),
    ("recovery_min_apply_delay", "0"),
    ("recovery_target_timeline", "latest"),
    ("synchronous_standby_names", ""),
    ("wal_log_hints", "on"),
];

/// Whether members have this value anyway.
pub(crate) fn is_ours(name: &str, value: &str, has_tls: bool) -> bool {
    let ours = match name {
        "ssl" if has_tls => "on",
        "ssl" => "off",
        _ => match OURS.iter().find(|(known, _)| *known == name) {
            Some((_, ours)) => ours,
            None => return false,
        },
    };
    let means = |text: &str| value::read_bool(text).filter(|_| value::read_bool(ours).is_some());
    value.eq_ignore_ascii_case(ours) || means(value).is_some() && means(value) == means(ours)
}

/// Why a user's value for a parameter is not used; `None` for parameters that are the user's.
pub(crate) fn reason(name: &str) -> Option<&'static str> {
    OWNED
        .iter()
        .find(|(names, _)| names.contains(&name))
        .map(|(_, reason)| *reason)
}

const LAYOUT: &str = "it belongs to the layout of a member's Pod";
const FOLLOWING: &str = "Patroni decides how a standby follows the primary";
const RECOVERY: &str =
    "Patroni decides how far a member replays WAL; a member that stops earlier can't be promoted";
const REWIND: &str = "Patroni keeps it on: a former primary could not be rewound otherwise";
const SYNCHRONOUS: &str =
    "it follows from spec.streamingMode and spec.synchronousReplicationConfig; write those instead";
const TLS: &str = "it follows from spec.tls; write that instead";
const PASSWORDS: &str = "passwords are kept as scram-sha-256, which serves every clientAuthMode";

const OWNED: [(&[&str], &str); 8] = [
    (
        &[
            "config_file",
            "data_directory",
            "external_pid_file",
            "hba_file",
            "ident_file",
            "listen_addresses",
            "port",
            "unix_socket_directories",
        ],
        LAYOUT,
    ),
    (
        &[
            "archive_cleanup_command",
            "cluster_name",
            "primary_conninfo",
            "primary_slot_name",
            "promote_trigger_file",
            "restore_command",
            "standby_mode",
            "trigger_file",
        ],
        FOLLOWING,
    ),
    (
        &[
            "pause_at_recovery_target",
            "recovery_end_command",
            "recovery_min_apply_delay",
            "recovery_target",
            "recovery_target_action",
            "recovery_target_inclusive",
            "recovery_target_lsn",
            "recovery_target_name",
            "recovery_target_time",
            "recovery_target_timeline",
            "recovery_target_xid",
        ],
        RECOVERY,
    ),
    (&["hot_standby"], "Patroni needs standbys that answer"),
    (&["wal_log_hints"], REWIND),
    (&["synchronous_standby_names"], SYNCHRONOUS),
    (&["ssl", "ssl_ca_file", "ssl_cert_file", "ssl_key_file"], TLS),
    (&["password_encryption"], PASSWORDS),
];

/// Parameters that Patroni leaves out in these major versions and before, because its own list lacks them (Patroni 4,
/// `available_parameters`).
const UNKNOWN_TO_PATRONI: [(&str, Major); 4] = [
    ("allow_in_place_tablespaces", Major::new(14)),
    ("debug_discard_caches", Major::new(14)),
    ("debug_logical_replication_streaming", Major::new(16)),
    ("restrict_nonsystem_relation_kind", Major::new(16)),
];

/// Parameters of which Patroni gives members more than is written, in these major versions and before, because its own list has
/// a larger minimum than PostgreSQL: in the parameter's unit (Patroni 4, `available_parameters`).
const RAISED_BY_PATRONI: [(&str, Major, f64, &str); 1] =
    [("maintenance_work_mem", Major::new(17), 1024.0, "1MB")];

/// Refuses a value that Patroni would raise.
///
/// # Errors
/// What to write instead.
pub(crate) fn least_of_patroni(name: &str, major: Major, number: Option<f64>) -> Result<(), String> {
    let is_raised = |(raised, till, least, _): &&(&str, Major, f64, &str)| {
        *raised == name && major <= *till && number.is_some_and(|number| number < *least)
    };
    match RAISED_BY_PATRONI.iter().find(is_raised) {
        Some((_, _, _, least)) => Err(format!(
            "Patroni gives PostgreSQL {major} no less than {least}; write {least} or more"
        )),
        None => Ok(()),
    }
}

/// Whether Patroni would leave a parameter out although PostgreSQL has it.
pub(crate) fn is_unknown_to_patroni(name: &str, major: Major) -> bool {
    UNKNOWN_TO_PATRONI
        .iter()
        .any(|(unknown, till)| *unknown == name && major <= *till)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_has_one_owner() {
        let mut names: Vec<_> = OWNED.iter().flat_map(|(names, _)| names.iter()).collect();
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all);
        assert_eq!(reason("port"), Some(LAYOUT));
        assert_eq!(reason("work_mem"), None);
    }
}
