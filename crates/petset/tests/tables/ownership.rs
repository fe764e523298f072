//! `ownership`: which Pods and revisions are adopted, released and left alone.

use k8s_openapi::api::apps::v1::ControllerRevision;
use petset::moves::Move;
use petset::ownership::{changes, seen};
use petset::world::World;
use serde_json::{Value, json};

use crate::build::{SET, all, claim, desired, plan, pod, terminating, world};

fn owners(list: &Value) -> Value {
    json!({"metadata": {"ownerReferences": list}})
}

#[test]
fn matching_orphans_are_adopted_and_what_no_longer_matches_is_let_go() {
    let desired = desired(json!({}));
    let other_labels = || json!({"metadata": {"labels": {"app": "other"}}});
    let orphan = || owners(&json!(null));
    let foreign =
        || owners(&json!([{"apiVersion": "v1", "kind": "Job", "name": "x", "uid": "x", "controller": true}]));
    let plain_owner = || owners(&json!([{"apiVersion": "v1", "kind": "Job", "name": "x", "uid": "x"}]));
    let stranger = || json!({"metadata": {"name": "db-x"}});
    let table = [
        ("ours", json!({}), None),
        ("an orphan", orphan(), Some(("adopt Pod db-0", vec![SET]))),
        (
            "an orphan that somebody owns without control",
            plain_owner(),
            Some(("adopt Pod db-0", vec!["x", SET])),
        ),
        (
            "an orphan with a name that no ordinal has",
            all(&[orphan(), stranger()]),
            None,
        ),
        (
            "an orphan with other labels",
            all(&[orphan(), other_labels()]),
            None,
        ),
        ("an orphan that is going", all(&[orphan(), terminating()]), None),
        ("somebody else's", foreign(), None),
        (
            "ours with other labels",
            other_labels(),
            Some(("release Pod db-0", vec![])),
        ),
        (
            "ours with other labels that is going",
            all(&[other_labels(), terminating()]),
            None,
        ),
    ];
    for (what, more, expected) in table {
        let world = World {
            pods: vec![pod(&desired, 0, more)],
            ..World::default()
        };
        let found: Vec<_> = changes(&desired, &world)
            .into_iter()
            .map(|change| match &change {
                Move::SetOwners { owners, .. } => (
                    change.to_string(),
                    owners.iter().map(|owner| owner.uid.clone()).collect::<Vec<_>>(),
                ),
                other => panic!("{other}"),
            })
            .collect();
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(text, uids)| {
                (
                    text.to_owned(),
                    uids.into_iter().map(str::to_owned).collect::<Vec<_>>(),
                )
            })
            .collect();
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn revisions_are_adopted_by_their_labels_alone() {
    let desired = desired(json!({}));
    let revision = |labels: Value, owners: Value| -> ControllerRevision {
        serde_json::from_value(
            json!({"metadata": {"name": "any", "labels": labels, "ownerReferences": owners},
                                      "revision": 1}),
        )
        .expect("a revision")
    };
    let ours = json!([{"apiVersion": "apps.k8s.appscode.com/v1", "kind": "PetSet", "name": "db", "uid": SET, "controller": true}]);
    let table = [
        (
            revision(json!({"app": "db"}), json!(null)),
            vec!["adopt ControllerRevision any"],
        ),
        (revision(json!({"app": "db"}), ours.clone()), vec![]),
        (
            revision(json!({"app": "other"}), ours),
            vec!["release ControllerRevision any"],
        ),
    ];
    for (revision, expected) in table {
        let world = World {
            revisions: vec![revision],
            ..World::default()
        };
        let found: Vec<String> = changes(&desired, &world)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found, expected);
    }
}

/// What is ours must be certain before anything is made or deleted.
#[test]
fn nothing_else_is_done_while_ownership_changes() {
    let desired = desired(json!({"spec": {"replicas": 3}}));
    let orphan = pod(&desired, 0, owners(&json!(null)));
    let surplus = pod(&desired, 7, json!({}));
    let world = world(
        &desired,
        vec![orphan, surplus],
        vec![claim(&desired, 0, json!({}))],
    );
    let found = plan(&desired, &world);
    assert_eq!(found.moves.len(), 1);
    assert_eq!(found.moves[0].to_string(), "adopt Pod db-0");
}

#[test]
fn a_write_names_the_object_that_was_seen() {
    let desired = desired(json!({}));
    let seen = seen(&pod(&desired, 2, json!({})).metadata);
    assert_eq!(
        (
            seen.name.as_str(),
            seen.uid.as_str(),
            seen.resource_version.as_str()
        ),
        ("db-2", "uid-of-db-2", "7")
    );
}
