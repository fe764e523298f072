//! `decide`: which Pods are made, deleted, left alone and waited for.

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Pod;
use petset::decide::decide;
use petset::moves::Wait;
use petset::resolve::Desired;
use serde_json::{Value, json};

use crate::build::{all, claim, desired, moves, now, plan, pod, reasons, terminating, unscheduled, world};

/// Pods by ordinal with what is special about them.
fn pods(desired: &Desired, list: &[(i32, Value)]) -> Vec<Pod> {
    list.iter()
        .map(|(ordinal, more)| pod(desired, *ordinal, more.clone()))
        .collect()
}

/// A row: what is special, the PetSet, its Pods, the moves.
type Row = (&'static str, Value, Vec<(i32, Value)>, &'static [&'static str]);

#[test]
fn the_moves_of_every_state_of_a_pod() {
    let usual = || json!({});
    let ordered = || json!({"spec": {"podManagementPolicy": "OrderedReady", "replicas": 2}});
    let old = || json!({"metadata": {"labels": {"controller-revision-hash": "db-old"}}});
    let foreign = || {
        json!({"metadata": {"ownerReferences": [
        {"apiVersion": "v1", "kind": "Job", "name": "x", "uid": "x", "controller": true}]}})
    };
    let ended = |phase: &str| json!({"status": {"phase": phase, "conditions": []}});
    let not_ready = || json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    let rolling = || json!({"spec": {"updateStrategy": {"type": "RollingUpdate"}, "replicas": 2}});
    let table: Vec<Row> = vec![
        ("ready", usual(), vec![(0, usual())], &[]),
        ("not ready", usual(), vec![(0, not_ready())], &[]),
        (
            "absent",
            usual(),
            vec![],
            &[
                "create PersistentVolumeClaim data-db-0",
                "create Pod db-0 of <revision>",
            ],
        ),
        (
            "of an old revision, which is somebody else's task",
            usual(),
            vec![(0, old())],
            &[],
        ),
        (
            "of an old revision and not ready",
            usual(),
            vec![(0, all(&[old(), not_ready()]))],
            &[],
        ),
        ("being deleted", usual(), vec![(0, terminating())], &[]),
        ("somebody else's", usual(), vec![(0, foreign())], &[]),
        (
            "ended well",
            usual(),
            vec![(0, ended("Succeeded"))],
            &["delete Pod db-0: phase Succeeded"],
        ),
        (
            "ended badly",
            usual(),
            vec![(0, ended("Failed"))],
            &["delete Pod db-0: phase Failed"],
        ),
        (
            "without its labels",
            usual(),
            vec![(
                0,
                json!({"metadata": {"labels": {"apps.kubernetes.io/pod-index": null}}}),
            )],
            &["label Pod db-0"],
        ),
        (
            "too many",
            json!({"spec": {"replicas": 0}}),
            vec![(0, usual())],
            &["delete Pod db-0: scaled down"],
        ),
        (
            "too many, broken",
            json!({"spec": {"replicas": 0}}),
            vec![(0, not_ready())],
            &["delete Pod db-0: scaled down"],
        ),
        (
            "too many, somebody else's",
            json!({"spec": {"replicas": 0}}),
            vec![(0, foreign())],
            &[],
        ),
        (
            "the second of two in order, the first not ready",
            ordered(),
            vec![(0, not_ready())],
            &[],
        ),
        (
            "the second of two in order, the first ready",
            ordered(),
            vec![(0, usual())],
            &[
                "create PersistentVolumeClaim data-db-1",
                "create Pod db-1 of <revision>",
            ],
        ),
        (
            "both of two absent in order",
            ordered(),
            vec![],
            &[
                "create PersistentVolumeClaim data-db-0",
                "create Pod db-0 of <revision>",
            ],
        ),
        (
            "in order, nothing goes while one is missing",
            json!({"spec": {"podManagementPolicy": "OrderedReady"}}),
            vec![(1, usual())],
            &[
                "create PersistentVolumeClaim data-db-0",
                "create Pod db-0 of <revision>",
            ],
        ),
        (
            "in parallel, one goes while one is missing",
            usual(),
            vec![(1, usual())],
            &[
                "create PersistentVolumeClaim data-db-0",
                "create Pod db-0 of <revision>",
                "delete Pod db-1: scaled down",
            ],
        ),
        (
            "rolling, both old",
            rolling(),
            vec![(0, old()), (1, old())],
            &["delete Pod db-1: revision db-old, template is <revision>"],
        ),
        (
            "rolling, the lower one broken",
            rolling(),
            vec![(0, all(&[old(), not_ready()])), (1, old())],
            &["delete Pod db-0: revision db-old, template is <revision>"],
        ),
        (
            "rolling, one already going",
            rolling(),
            vec![(0, old()), (1, all(&[old(), terminating()]))],
            &[],
        ),
        (
            "the PetSet is being deleted",
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
            vec![],
            &[],
        ),
    ];
    for (what, set, list, expected) in table {
        let desired = desired(set);
        let claims = list
            .iter()
            .map(|(ordinal, _)| claim(&desired, *ordinal, json!({})))
            .collect();
        let world = world(&desired, pods(&desired, &list), claims);
        assert_eq!(moves(&plan(&desired, &world)), expected, "{what}");
    }
}

#[test]
fn what_is_waited_for_and_what_a_person_has_to_do() {
    let young =
        json!({"metadata": {"creationTimestamp": "2026-01-01T00:59:57Z"}, "status": {"phase": "Failed"}});
    let foreign = json!({"metadata": {"ownerReferences": null, "labels": {"app": "other"}}});
    let table = [
        ("ready", json!({}), vec![], vec![]),
        (
            "not ready",
            json!({"status": {"conditions": []}}),
            vec![Wait::PodReady("db-0".into())],
            vec![],
        ),
        ("going", terminating(), vec![Wait::PodGone("db-0".into())], vec![]),
        (
            "ended at once",
            young,
            vec![Wait::Cooldown {
                pod: "db-0".into(),
                seconds: 7,
            }],
            vec!["PodFailed"],
        ),
        ("name taken", foreign, vec![], vec!["NameTaken"]),
        (
            "no node",
            unscheduled("0/3 nodes are available"),
            vec![Wait::PodReady("db-0".into())],
            vec!["PodNotScheduled"],
        ),
    ];
    for (what, more, waits, expected) in table {
        let desired = desired(json!({}));
        let world = world(
            &desired,
            vec![pod(&desired, 0, more)],
            vec![claim(&desired, 0, json!({}))],
        );
        let plan = plan(&desired, &world);
        assert_eq!(plan.waits, waits, "{what}");
        assert_eq!(reasons(&plan), expected, "{what}");
    }
}

/// Events of others wake nobody, so what is waited for is looked at again.
#[test]
fn the_next_look_comes_as_soon_as_anything_may_have_changed() {
    let ready = json!({"status": {"conditions": [
        {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:59:56Z"}]}});
    let table = [
        ("ready", json!({}), 0, None),
        ("ready for 4 s of 6", ready, 6, Some(2)),
        ("not ready", json!({"status": {"conditions": []}}), 0, Some(10)),
        ("going", terminating(), 0, Some(10)),
    ];
    for (what, more, min_ready, expected) in table {
        let desired = desired(json!({"spec": {"minReadySeconds": min_ready}}));
        let world = world(
            &desired,
            vec![pod(&desired, 0, more)],
            vec![claim(&desired, 0, json!({}))],
        );
        assert_eq!(plan(&desired, &world).look_again_in(), expected, "{what}");
    }
}

#[test]
fn a_pod_that_ended_is_replaced_when_it_is_ten_seconds_old() {
    let desired = desired(json!({}));
    let failed =
        json!({"metadata": {"creationTimestamp": "2026-01-01T01:00:00Z"}, "status": {"phase": "Failed"}});
    let world = world(
        &desired,
        vec![pod(&desired, 0, failed)],
        vec![claim(&desired, 0, json!({}))],
    );
    for (age, is_replaced) in [(0, false), (9, false), (10, true), (99, true)] {
        let plan = decide(&desired, &world, now() + SignedDuration::from_secs(age));
        assert_eq!(!plan.moves.is_empty(), is_replaced, "{age} s");
    }
}

#[test]
fn a_clock_that_was_put_back_delays_no_replacement_for_ever() {
    let desired = desired(json!({}));
    let failed =
        json!({"metadata": {"creationTimestamp": "2030-01-01T00:00:00Z"}, "status": {"phase": "Failed"}});
    let world = world(
        &desired,
        vec![pod(&desired, 0, failed)],
        vec![claim(&desired, 0, json!({}))],
    );
    assert_eq!(plan(&desired, &world).look_again_in(), Some(10));
}

#[test]
fn no_pod_is_made_on_a_claim_that_goes() {
    let desired = desired(json!({}));
    for more in [
        terminating(),
        all(&[terminating(), json!({"status": {"phase": "Lost"}})]),
    ] {
        let world = world(&desired, vec![], vec![claim(&desired, 0, more)]);
        let plan = plan(&desired, &world);
        assert_eq!(moves(&plan), Vec::<String>::new());
        assert_eq!(plan.waits, [Wait::ClaimGone("data-db-0".into())]);
    }
}
