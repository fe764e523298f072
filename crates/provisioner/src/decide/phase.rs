//! The phase of a database: a summary of its conditions, in KubeDB's order of evaluation.

use api_types::Condition;
use api_types::condition::{find, is_false, is_true};
use api_types::postgres::{DatabasePhase, conditions as types};

/// Summarises conditions. `None` while not even `ProvisioningStarted` is true.
///
/// `Paused` never counts: a paused database is as ready as it is observed to be.
pub fn phase(conditions: &[Condition]) -> Option<DatabasePhase> {
    let yes = |type_| is_true(conditions, type_);
    let no = |type_| is_false(conditions, type_);
    let unknown = |type_| find(conditions, type_).is_some_and(|it| !it.is_true() && !it.is_false());
    if yes(types::HEALTH_CHECK_PAUSED) {
        return Some(DatabasePhase::Unknown);
    }
    if yes(types::HALTED) {
        return Some(DatabasePhase::Halted);
    }
    if yes(types::DATA_RESTORE_STARTED) && find(conditions, types::DATA_RESTORED).is_none() {
        return Some(DatabasePhase::DataRestoring);
    }
    if no(types::DATA_RESTORED) {
        return Some(DatabasePhase::NotReady);
    }
    if yes(types::PROVISIONED) {
        if no(types::ACCEPTING_CONNECTION) {
            return Some(DatabasePhase::NotReady);
        }
        if no(types::REPLICA_READY) || no(types::READY) {
            return Some(DatabasePhase::Critical);
        }
        if yes(types::READY) {
            return Some(DatabasePhase::Ready);
        }
        if unknown(types::ACCEPTING_CONNECTION) || unknown(types::READY) {
            return Some(DatabasePhase::Unknown);
        }
    }
    yes(types::PROVISIONING_STARTED).then_some(DatabasePhase::Provisioning)
}

#[cfg(test)]
mod tests {
    use super::*;
    use DatabasePhase as Phase;
    use jiff::Timestamp;

    /// `+Ready -Halted ?AcceptingConnection` reads: Ready is True, Halted is False, AcceptingConnection is Unknown.
    fn conditions(text: &str) -> Vec<Condition> {
        text.split_whitespace()
            .map(|word| {
                let (sign, type_) = word.split_at(1);
                let condition = Condition::new(type_, sign == "+", "", "", Timestamp::UNIX_EPOCH);
                if sign == "?" {
                    condition.unknown()
                } else {
                    condition
                }
            })
            .collect()
    }

    #[test]
    fn the_first_rule_that_fits_wins() {
        let started = "+ProvisioningStarted";
        let done = "+ProvisioningStarted +Provisioned";
        let table = [
            (String::new(), None),
            ("-ProvisioningStarted -Ready".into(), None),
            (started.into(), Some(Phase::Provisioning)),
            (
                format!("{started} -ReplicaReady -AcceptingConnection -Ready"),
                Some(Phase::Provisioning),
            ),
            (format!("{started} +Ready"), Some(Phase::Provisioning)),
            (
                format!("{started} ?AcceptingConnection ?Ready"),
                Some(Phase::Provisioning),
            ),
            (
                format!("{done} +ReplicaReady ?AcceptingConnection ?Ready"),
                Some(Phase::Unknown),
            ),
            (
                format!("{done} +ReplicaReady +AcceptingConnection ?Ready"),
                Some(Phase::Unknown),
            ),
            (
                format!("{done} -ReplicaReady ?AcceptingConnection ?Ready"),
                Some(Phase::Critical),
            ),
            (
                format!("{done} +ReplicaReady +AcceptingConnection +Ready"),
                Some(Phase::Ready),
            ),
            (
                format!("{done} +ReplicaReady +AcceptingConnection +Ready +Paused"),
                Some(Phase::Ready),
            ),
            (
                format!("{done} -ReplicaReady +AcceptingConnection +Ready"),
                Some(Phase::Critical),
            ),
            (
                format!("{done} +ReplicaReady +AcceptingConnection -Ready"),
                Some(Phase::Critical),
            ),
            (
                format!("{done} -ReplicaReady -AcceptingConnection -Ready"),
                Some(Phase::NotReady),
            ),
            (format!("{done} +AcceptingConnection"), Some(Phase::Provisioning)),
            (
                format!("{done} +Halted -AcceptingConnection -Ready"),
                Some(Phase::Halted),
            ),
            (format!("{done} +Halted +HealthCheckPaused"), Some(Phase::Unknown)),
            (
                format!("{started} +DataRestoreStarted"),
                Some(Phase::DataRestoring),
            ),
            (
                format!("{done} +DataRestoreStarted -DataRestored +Ready"),
                Some(Phase::NotReady),
            ),
            (format!("{done} -DataRestored +Ready"), Some(Phase::NotReady)),
            (
                format!("{done} +DataRestoreStarted +DataRestored +Ready"),
                Some(Phase::Ready),
            ),
        ];
        for (text, expected) in table {
            assert_eq!(phase(&conditions(&text)), expected, "{text}");
        }
    }
}
