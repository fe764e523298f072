//! Roles of ours in every database, each with the least that its task needs. None of them is the user's superuser, whose password,
//! limits and validity are the user's to change.

/// With which Patroni connects to its own PostgreSQL: a superuser, without a password, refused from the network.
pub const PATRONI: &str = "sealwright";
/// With which the metrics exporter connects, over the Unix socket of its Pod: it reads statistics, and is refused from the network.
pub const MONITOR: &str = "sealwright_monitor";
/// With which the operators connect: it reads statistics and settings, and runs the functions of [`SCHEMA`].
pub const OPERATOR: &str = "sealwright_operator";
/// With which standbys replicate.
pub const REPLICATION: &str = "sealwright_replication";
/// With which a former primary is rewound: it reads the files of the data folder.
pub const REWIND: &str = "sealwright_rewind";

/// Schema with the functions that the operators run, in the database `postgres`.
pub const SCHEMA: &str = "sealwright";

/// All of them, sorted.
pub const ALL: [&str; 5] = [PATRONI, MONITOR, OPERATOR, REPLICATION, REWIND];

/// Whether the name is one of ours, or kept for one.
pub fn is_reserved(name: &str) -> bool {
    name.strip_prefix(PATRONI)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_ours_are_reserved_and_sorted() {
        assert!(ALL.is_sorted() && ALL.into_iter().all(is_reserved));
        assert!(
            is_reserved("sealwright_anything") && !is_reserved("sealwrights") && !is_reserved("postgres")
        );
    }
}
