//! `moves`: every move, wait and problem is told in words that name the object.

use petset::moves::{DeleteReason, Move, OwnedKind, OwnershipChange, Problem, Seen, Wait};
use petset::placement::Unplaceable;
use petset::resolve::Invalid;
use serde_json::json;

use crate::build::{claim, desired, pod};

fn seen() -> Seen {
    Seen {
        name: "x".into(),
        uid: "u".into(),
        resource_version: "1".into(),
    }
}

fn delete(reason: DeleteReason) -> Move {
    Move::DeletePod {
        name: "db-0".into(),
        uid: "u".into(),
        reason,
    }
}

#[test]
fn every_move_in_words() {
    let desired = desired(json!({}));
    let owners = |change| Move::SetOwners {
        kind: OwnedKind::Claim,
        seen: seen(),
        owners: vec![],
        change,
    };
    let owned = Move::SetOwners {
        kind: OwnedKind::Claim,
        seen: seen(),
        owners: vec![desired.owner_reference()],
        change: OwnershipChange::Retention,
    };
    let revision = || "one".to_owned();
    let table = [
        (
            Move::RenumberRevision {
                name: "r".into(),
                revision: 3,
            },
            "make ControllerRevision r number 3",
        ),
        (
            Move::DeleteRevision {
                name: "r".into(),
                uid: "u".into(),
            },
            "delete ControllerRevision r: history limit",
        ),
        (owners(OwnershipChange::Adopt), "adopt PersistentVolumeClaim x"),
        (
            owners(OwnershipChange::Release),
            "release PersistentVolumeClaim x",
        ),
        (
            owners(OwnershipChange::Retention),
            "set owners of PersistentVolumeClaim x: none",
        ),
        (owned, "set owners of PersistentVolumeClaim x: PetSet db"),
        (
            Move::LabelPod {
                seen: seen(),
                labels: vec![],
            },
            "label Pod x",
        ),
        (
            Move::CreateClaim(Box::new(claim(&desired, 0, json!({})))),
            "create PersistentVolumeClaim data-db-0",
        ),
        (
            Move::DeleteClaim(seen()),
            "delete PersistentVolumeClaim x: it never had a volume, and the template has changed",
        ),
        (
            Move::CreatePod(Box::new(pod(
                &desired,
                0,
                json!({"metadata": {"labels": {"controller-revision-hash": "r"}}}),
            ))),
            "create Pod db-0 of r",
        ),
        (delete(DeleteReason::ScaledDown), "delete Pod db-0: scaled down"),
        (
            delete(DeleteReason::Finished("Failed: Evicted".into())),
            "delete Pod db-0: phase Failed: Evicted",
        ),
        (
            delete(DeleteReason::Misplaced),
            "delete Pod db-0: never started, the PlacementPolicy has changed",
        ),
        (
            delete(DeleteReason::ClaimReplaced("data-db-0".into())),
            "delete Pod db-0: never started, claim data-db-0 is made again",
        ),
        (
            delete(DeleteReason::NeverWorked {
                from: revision(),
                to: "two".into(),
            }),
            "delete Pod db-0: it does not run, revision one, template is two",
        ),
        (
            delete(DeleteReason::Outdated {
                from: revision(),
                to: "two".into(),
            }),
            "delete Pod db-0: revision one, template is two",
        ),
        (
            delete(DeleteReason::Outdated {
                from: String::new(),
                to: "two".into(),
            }),
            "delete Pod db-0: no revision, template is two",
        ),
    ];
    for (each, expected) in table {
        assert_eq!(each.to_string(), expected);
    }
}

#[test]
fn every_wait_in_words() {
    let pod = || "db-0".to_owned();
    let table = [
        (Wait::PodGone(pod()), "Pod db-0 is being deleted"),
        (Wait::PodReady(pod()), "Pod db-0 is not ready"),
        (
            Wait::PodAvailable {
                pod: pod(),
                seconds: 4,
            },
            "Pod db-0 must stay ready for 4 s",
        ),
        (
            Wait::ClaimGone("data-db-0".into()),
            "PersistentVolumeClaim data-db-0 is being deleted",
        ),
        (
            Wait::Cooldown {
                pod: pod(),
                seconds: 4,
            },
            "Pod db-0 ended as soon as it began; next try in 4 s",
        ),
        (Wait::Deleted, "PetSet is being deleted"),
    ];
    for (wait, expected) in table {
        assert_eq!(wait.to_string(), expected);
    }
}

/// A problem names the object and says what to do; what keeps a Pod from being made has one Event, as StatefulSet has it.
#[test]
fn every_problem_says_what_to_do() {
    let unplaceable = Unplaceable::NoDomain {
        key: "zone".into(),
        pod: "db-3".into(),
    };
    let invalid = Invalid {
        field: "spec.replicas".into(),
        message: "-1 is negative; write 0 or more".into(),
    };
    let table = [
        (
            Problem::invalid(&invalid),
            "InvalidSpec",
            "FailedCreate",
            "write 0 or more",
        ),
        (
            Problem::policy_missing("db-0", "p"),
            "PlacementPolicyNotFound",
            "FailedCreate",
            "create it, or name another",
        ),
        (
            Problem::unplaceable("db-0", &unplaceable),
            "PlacementPolicyInvalid",
            "FailedCreate",
            "raise a domain's replicas",
        ),
        (
            Problem::name_taken("db-0", None),
            "NameTaken",
            "FailedCreate",
            "delete or rename it",
        ),
        (
            Problem::name_taken("db-0", Some("Job x")),
            "NameTaken",
            "FailedCreate",
            "belongs to Job x",
        ),
    ];
    for (problem, reason, event, advice) in table {
        assert_eq!(
            (problem.reason, problem.event_reason()),
            (reason, event),
            "{problem}"
        );
        assert!(problem.message.contains(advice), "{problem}");
        assert!(problem.to_string().starts_with(reason), "{problem}");
    }
}
