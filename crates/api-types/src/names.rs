//! Names of the objects that belong to a database.

use crate::tls::CertificateAlias;

/// Longest name of a Kubernetes object that is also a DNS label.
pub const MAX_NAME: usize = 63;

/// `<db>-<suffix>`, at most 63 characters: the database's part is cut, never the suffix (KubeDB's rule).
pub fn with_suffix(db: &str, suffix: &str) -> String {
    let room = MAX_NAME.saturating_sub(suffix.len() + 1);
    let head: String = db.chars().take(room).collect();
    format!("{}-{suffix}", head.trim_end_matches('-'))
}

/// The governing headless Service: `<db>-pods`.
pub fn governing_service(db: &str) -> String {
    with_suffix(db, "pods")
}

/// The Service of the standbys: `<db>-standby`.
pub fn standby_service(db: &str) -> String {
    with_suffix(db, "standby")
}

/// The Service of the exporter: `<db>-stats`.
pub fn stats_service(db: &str) -> String {
    with_suffix(db, "stats")
}

/// The superuser's Secret when the user names none: `<db>-auth`.
pub fn auth_secret(db: &str) -> String {
    with_suffix(db, "auth")
}

/// The Secret with the superuser's credentials that open the database: `<db>-auth-in-force`. Members and operators use them;
/// the auth Secret may have been changed since.
pub fn auth_in_force(db: &str) -> String {
    with_suffix(db, "auth-in-force")
}

/// The Secret with the credentials between which a rotation changes, until it ends: `<db>-auth-rotation`.
pub fn auth_rotation(db: &str) -> String {
    with_suffix(db, "auth-rotation")
}

/// Name of the replication slot that Patroni gives to a member (Patroni, `slot_name_from_member_name`).
pub fn replication_slot(pod: &str) -> String {
    pod.to_lowercase().replace(['-', '.'], "_")
}

/// Whether a replication slot is one that Patroni makes for a member of this database, whatever the member's ordinal.
pub fn is_replication_slot_of_a_member(db: &str, slot: &str) -> bool {
    let prefix = replication_slot(&format!("{db}-"));
    let ordinal = slot.strip_prefix(&prefix);
    ordinal.is_some_and(|it| !it.is_empty() && it.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The generated config Secret: `<db>-<last six characters of the Postgres' UID>`.
pub fn config_secret(db: &str, uid: &str) -> String {
    let tail: String = uid
        .chars()
        .rev()
        .take(6)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    with_suffix(db, &tail)
}

/// What the members of a database were given before a TLS change: `<db>-tls-last-good`.
pub fn last_good_secret(db: &str) -> String {
    with_suffix(db, "tls-last-good")
}

/// The database's internal CA and what it issued: `<db>-members-tls`. No Pod mounts it.
pub fn members_tls_secret(db: &str) -> String {
    with_suffix(db, "members-tls")
}

/// The Certificate and, unless the user names another, its Secret: `<db>-<alias>-cert`.
pub fn certificate(db: &str, alias: CertificateAlias) -> String {
    with_suffix(db, &format!("{}-cert", alias.as_str()))
}

/// A member's Pod: `<db>-<ordinal>`.
pub fn pod(db: &str, ordinal: i32) -> String {
    format!("{db}-{ordinal}")
}

/// DNS domain of the members: `<db>-pods.<namespace>.svc`.
pub fn members_domain(db: &str, namespace: &str) -> String {
    format!("{}.{namespace}.svc", governing_service(db))
}

/// The host name of a member, which its certificates have: `<pod>.<db>-pods.<namespace>.svc`.
pub fn member_host(db: &str, namespace: &str, pod: &str) -> String {
    format!("{pod}.{}", members_domain(db, namespace))
}

/// A member's PersistentVolumeClaim: `data-<db>-<ordinal>`.
pub fn data_claim(db: &str, ordinal: i32) -> String {
    format!("{}-{db}-{ordinal}", crate::vocabulary::DATA_VOLUME)
}

/// What the names of Patroni's ConfigMaps end in: settings and history, a planned change of the primary, the primary's key, and
/// the synchronous standbys (Patroni, `dcs/kubernetes.py`, with `use_endpoints: false`).
pub const PATRONI_MAPS: [&str; 4] = ["config", "failover", "leader", "sync"];

/// One of the ConfigMaps in which Patroni keeps the members' state: `<db>-<suffix>`. Patroni cuts no name.
pub fn patroni_map(db: &str, suffix: &str) -> String {
    format!("{db}-{suffix}")
}

/// RoleBinding by which one operator may use the Secrets of a database's namespace: `<db>-<operator>`.
pub fn operator_role_binding(db: &str, operator: &str) -> String {
    with_suffix(db, operator)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_database_names_keep_their_suffix() {
        let name = certificate(&"d".repeat(63), CertificateAlias::MetricsExporter);
        assert_eq!(name.len(), MAX_NAME);
        assert!(name.ends_with("-metrics-exporter-cert"));
    }

    #[test]
    fn patroni_makes_its_names_without_cutting() {
        let db = "d".repeat(61);
        assert_eq!(patroni_map(&db, "failover"), format!("{db}-failover"));
        assert_ne!(patroni_map(&db, "config"), with_suffix(&db, "config"));
    }

    #[test]
    fn a_slot_has_letters_digits_and_underscores() {
        assert_eq!(replication_slot("ha-postgres-0"), "ha_postgres_0");
        assert_eq!(replication_slot("ha.postgres-0"), "ha_postgres_0");
    }

    #[test]
    fn slots_of_members_are_told_from_those_of_users() {
        for slot in ["pg_0", "pg_12"] {
            assert!(is_replication_slot_of_a_member("pg", slot), "{slot}");
        }
        for slot in ["pg", "pg_", "pg_a", "pg_standby_0", "app"] {
            assert!(!is_replication_slot_of_a_member("pg", slot), "{slot}");
        }
    }

    #[test]
    fn config_secret_ends_with_the_uid() {
        assert_eq!(config_secret("pg-ha", "0b3c-0000-eba1da"), "pg-ha-eba1da");
    }
}
