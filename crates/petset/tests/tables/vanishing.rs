//! A claim of a Pod is being deleted: its volume goes with the Pod, so the Pod is kept, and both say so.

use petset::claims::vanishing;
use petset::moves::Problem;
use petset::status::vanishing_claims;
use serde_json::{Value, json};

use crate::build::{
    all, claim, containers, desired, moves, plan, pod, reasons, terminating, unbound, unscheduled, world,
};

fn old() -> Value {
    json!({"metadata": {"labels": {"controller-revision-hash": "db-old"}}})
}

#[test]
fn the_volumes_that_go_when_a_pod_ends() {
    let desired = desired(json!({}));
    let released = json!({"status": {"phase": "Lost"}});
    let table = [
        ("kept", Some(json!({})), json!({}), None),
        (
            "going",
            Some(terminating()),
            json!({}),
            Some(Some("pv-of-data-db-0")),
        ),
        (
            "going and lost",
            Some(all(&[terminating(), released])),
            json!({}),
            Some(Some("pv-of-data-db-0")),
        ),
        (
            "going without a volume",
            Some(all(&[terminating(), unbound()])),
            json!({}),
            None,
        ),
        ("gone", None, json!({}), Some(None)),
        ("gone, the Pod waits", None, unscheduled("no"), None),
        (
            "going, no node has taken the Pod",
            Some(terminating()),
            unscheduled("no"),
            None,
        ),
        (
            "going, and the Pod too",
            Some(terminating()),
            terminating(),
            Some(Some("pv-of-data-db-0")),
        ),
        (
            "going, the Pod has ended",
            Some(terminating()),
            json!({"status": {"phase": "Failed"}}),
            Some(Some("pv-of-data-db-0")),
        ),
    ];
    for (what, there, more, expected) in table {
        let claims = there
            .iter()
            .map(|more| claim(&desired, 0, more.clone()))
            .collect();
        let pod = pod(&desired, 0, more);
        let world = world(&desired, vec![pod.clone()], claims);
        let found = vanishing(&desired, &world, 0, &pod);
        let volumes: Vec<_> = found.iter().map(|it| it.volume.as_deref()).collect();
        assert_eq!(volumes, Vec::from_iter(expected), "{what}");
        let messages: Vec<_> = vanishing_claims(&desired, &world)
            .iter()
            .map(|it| it.message.clone())
            .collect();
        assert_eq!(messages.len(), volumes.len(), "{what}: the status says it");
        assert!(
            messages
                .iter()
                .all(|it| it.contains("data-db-0") && it.contains("Pod db-0")),
            "{messages:?}"
        );
    }
}

/// Whatever else there is to do about a Pod, it is not deleted while its volume would go; except where the policy deletes
/// the claims of ordinals that are not wanted.
#[test]
fn no_reason_is_good_enough_to_delete_a_pod_with_its_volume() {
    let rolling = || json!({"spec": {"updateStrategy": {"type": "RollingUpdate"}}});
    let none = || json!({"spec": {"replicas": 0}});
    let deletes = || {
        all(&[
            none(),
            json!({"spec": {"persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete"}}}),
        ])
    };
    let run =
        json!({"exitCode": 1, "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:03Z"});
    let crashing = containers(
        &json!({"main": {"restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                                               "lastState": {"terminated": run}}}),
    );
    let pulling = containers(&json!({"main": {"state": {"waiting": {"reason": "ErrImagePull"}}}}));
    let table = [
        ("scaled down", none(), json!({}), true),
        ("scaled down, and the policy deletes", deletes(), json!({}), false),
        ("an old revision", rolling(), old(), true),
        (
            "an old revision that crashes",
            json!({}),
            all(&[old(), crashing]),
            true,
        ),
        (
            "an old revision that never started",
            json!({}),
            all(&[old(), pulling]),
            true,
        ),
        (
            "it has failed",
            json!({}),
            json!({"status": {"phase": "Failed"}}),
            true,
        ),
        (
            "it has succeeded",
            json!({}),
            json!({"status": {"phase": "Succeeded"}}),
            true,
        ),
    ];
    for (what, set, more, is_kept) in table {
        let desired = desired(set);
        let make = |claim_is: Value| {
            let world = world(
                &desired,
                vec![pod(&desired, 0, more.clone())],
                vec![claim(&desired, 0, claim_is)],
            );
            plan(&desired, &world)
        };
        let deletions = |plan: &petset::decide::Plan| {
            moves(plan)
                .iter()
                .filter(|it| it.starts_with("delete Pod"))
                .count()
        };
        assert_eq!(deletions(&make(json!({}))), 1, "{what}: otherwise it goes");
        let held = make(terminating());
        assert_eq!(deletions(&held), usize::from(!is_kept), "{what}");
        assert_eq!(
            reasons(&held).contains(&"PodKept"),
            is_kept,
            "{what}: {:?}",
            held.problems
        );
    }
}

#[test]
fn the_condition_says_what_goes_and_what_keeps_it() {
    let desired = desired(json!({}));
    let pod = pod(&desired, 0, json!({}));
    let going = world(
        &desired,
        vec![pod.clone()],
        vec![claim(&desired, 0, terminating())],
    );
    let [found] = &vanishing_claims(&desired, &going)[..] else {
        panic!("one claim")
    };
    assert_eq!(found.reason, "ClaimTerminating");
    for part in [
        "data-db-0",
        "PersistentVolume pv-of-data-db-0",
        "Pod db-0",
        "Retain",
    ] {
        assert!(found.message.contains(part), "{}", found.message);
    }
    let gone = world(&desired, vec![pod], vec![]);
    let [found]: &[Problem] = &vanishing_claims(&desired, &gone)[..] else {
        panic!("one claim")
    };
    assert!(
        found.message.contains("does not exist any more") && found.message.contains("empty"),
        "{}",
        found.message
    );
}
