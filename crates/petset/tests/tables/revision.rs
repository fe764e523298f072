//! `revision`: which revision Pods are made from, what it is called, and which old ones go.

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::Pod;
use petset::decide::decide;
use petset::moves::Move;
use petset::resolve::Desired;
use petset::revision::{choose, prune, revision_name, template_of};
use petset::world::World;
use serde_json::{Value, json};

use crate::build::{SET, claim, desired, now, pod, revision, world};

/// The revision of an image, as it was written with this number.
fn written(image: &str, number: i64) -> ControllerRevision {
    let chosen = choose(&with_image(image), &World::default());
    let Some(Move::CreateRevision(mut revision)) = chosen.moves.into_iter().next() else {
        panic!("a new template makes a revision");
    };
    revision.revision = number;
    revision.metadata.uid = Some(format!("uid-of-{image}"));
    *revision
}

fn with_image(image: &str) -> Desired {
    desired(json!({"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}}}))
}

fn name(revision: &ControllerRevision) -> &str {
    revision.metadata.name.as_deref().expect("a name")
}

#[test]
fn a_template_has_one_revision_however_often_it_comes_back() {
    // There already, the template, the moves.
    let table = [
        (vec![], "one", vec!["create as number 1"]),
        (vec![written("one", 1)], "one", vec![]),
        (vec![written("one", 1)], "two", vec!["create as number 2"]),
        (
            vec![written("one", 1), written("two", 2)],
            "one",
            vec!["make number 3"],
        ),
        (
            vec![written("two", 9), written("one", 4)],
            "one",
            vec!["make number 10"],
        ),
        (vec![written("one", 4), written("two", 2)], "one", vec![]),
    ];
    for (revisions, image, expected) in table {
        let world = World {
            revisions,
            ..World::default()
        };
        let chosen = choose(&with_image(image), &world);
        let moves: Vec<String> = chosen
            .moves
            .iter()
            .map(|each| match each {
                Move::CreateRevision(revision) => format!("create as number {}", revision.revision),
                Move::RenumberRevision { revision, .. } => format!("make number {revision}"),
                other => panic!("{other}"),
            })
            .collect();
        assert_eq!(moves, expected, "{image}");
        assert_eq!(chosen.update.name, revision(&with_image(image)));
    }
}

#[test]
fn the_current_revision_is_the_statuss_while_it_exists_and_is_ours() {
    let (one, two) = (written("one", 1), written("two", 2));
    let mut foreign = one.clone();
    foreign.metadata.owner_references = None;
    let table = [
        (
            vec![one.clone(), two.clone()],
            Some(name(&one)),
            name(&one).to_owned(),
        ),
        (vec![one.clone(), two.clone()], None, name(&two).to_owned()),
        (vec![two.clone()], Some(name(&one)), name(&two).to_owned()),
        (
            vec![foreign, two.clone()],
            Some(name(&one)),
            name(&two).to_owned(),
        ),
    ];
    for (revisions, recorded, expected) in table {
        let mut world = World {
            revisions,
            ..World::default()
        };
        world.status.current_revision = recorded.map(str::to_owned);
        let chosen = choose(&with_image("two"), &world);
        assert_eq!(chosen.current.name, expected, "recorded: {recorded:?}");
        assert_eq!(chosen.update.name, name(&two));
    }
}

#[test]
fn a_name_that_another_template_has_is_changed_by_a_count() {
    let mut taken = written("other", 1);
    taken.metadata.name = Some(revision(&with_image("one")));
    let world = World {
        revisions: vec![taken],
        ..World::default()
    };
    let chosen = choose(&with_image("one"), &world);
    assert_eq!(chosen.collision_count, Some(1));
    assert_ne!(chosen.update.name, revision(&with_image("one")));
    let mut next = world.clone();
    next.status.collision_count = Some(1);
    assert_eq!(
        choose(&with_image("one"), &next).update.name,
        chosen.update.name,
        "the same in the next pass"
    );
}

#[test]
fn names_are_labels_whatever_the_petset_is_called() {
    let template = with_image("one").template;
    for (set, beginning) in [
        ("db", "db-"),
        (&"d".repeat(90), "ddd"),
        (&format!("{}.x", "d".repeat(51)), "d"),
        ("d-", "d-"),
    ] {
        let name = revision_name(set, &template, None);
        assert!(name.len() <= 63 && name.starts_with(beginning), "{name}");
        assert!(
            name.chars()
                .last()
                .is_some_and(|last| last.is_ascii_alphanumeric()),
            "{name}"
        );
        assert!(!name.contains("--") && !name.contains(".-"), "{name}");
    }
    assert_eq!(
        revision_name("db", &template, None),
        revision_name("db", &template, Some(0))
    );
    assert_ne!(
        revision_name("db", &template, None),
        revision_name("db", &template, Some(1))
    );
}

#[test]
fn every_field_of_the_template_makes_another_revision() {
    let base = revision(&desired(json!({})));
    let changes = [
        json!({"metadata": {"annotations": {"a": "b"}}}),
        json!({"metadata": {"labels": {"a": "b"}}}),
        json!({"spec": {"nodeSelector": {"a": "b"}}}),
        json!({"spec": {"serviceAccountName": "x"}}),
        json!({"spec": {"containers": [{"name": "main", "image": "two"}]}}),
        json!({"spec": {"containers": [{"name": "main", "image": "one", "resources": {"limits": {"cpu": "1"}}}]}}),
    ];
    for change in changes {
        let changed = revision(&desired(json!({"spec": {"template": change}})));
        assert_ne!(changed, base, "{change}");
    }
    for same in [
        json!({"replicas": 5}),
        json!({"minReadySeconds": 5}),
        json!({"volumeClaimTemplates": []}),
    ] {
        assert_eq!(revision(&desired(json!({"spec": same}))), base, "{same}");
    }
}

#[test]
fn old_revisions_go_oldest_first_and_none_that_a_pod_has() {
    let revisions: Vec<_> = (1..=5)
        .map(|number| written(&format!("image-{number}"), number))
        .collect();
    let names: Vec<String> = revisions.iter().map(|it| name(it).to_owned()).collect();
    // Limit, number of the revision that a Pod has, numbers of those that go.
    let table: [(i32, usize, &[usize]); 5] = [
        (10, 5, &[]),
        (0, 5, &[1, 2, 3, 4]),
        (2, 5, &[1, 2]),
        (2, 1, &[2]),
        (0, 1, &[2, 3, 4]),
    ];
    for (limit, used, gone) in table {
        let mut desired = with_image("image-5");
        desired.history_limit = usize::try_from(limit).expect("positive");
        let label = json!({"metadata": {"labels": {"controller-revision-hash": names[used - 1]}}});
        let world = World {
            pods: vec![pod(&desired, 0, label)],
            revisions: revisions.clone(),
            ..World::default()
        };
        let chosen = choose(&desired, &world);
        let found: Vec<String> = prune(&desired, &world, &chosen)
            .iter()
            .map(ToString::to_string)
            .collect();
        let expected: Vec<String> = gone
            .iter()
            .map(|number| format!("delete ControllerRevision {}: history limit", names[number - 1]))
            .collect();
        assert_eq!(found, expected, "limit {limit}, used {used}");
    }
}

#[test]
fn a_revision_keeps_its_template_and_one_of_another_form_has_none() {
    let revision = written("one", 1);
    assert_eq!(template_of(&revision), Some(with_image("one").template));
    assert_eq!(
        revision.metadata.owner_references.as_ref().expect("an owner")[0].uid,
        SET
    );
    for data in [
        json!(null),
        json!({}),
        json!({"spec": {}}),
        json!({"spec": {"template": 5}}),
    ] {
        let other: ControllerRevision =
            serde_json::from_value(json!({"metadata": {"name": "x"}, "revision": 1, "data": data}))
                .expect("a revision");
        assert_eq!(template_of(&other), None, "{data}");
    }
}

fn with_resources(resources: &Value) -> Desired {
    with_container(&json!({"resources": resources}))
}

fn with_container(more: &Value) -> Desired {
    let mut container = json!({"name": "main", "image": "one"});
    for (key, value) in more.as_object().expect("fields") {
        container[key] = value.clone();
    }
    desired(json!({"spec": {"template": {"spec": {"containers": [container]}}}}))
}

/// The Pod of a template, which asks for these resources by now and runs with those.
fn resized(old: &Desired, asked: &Value, running: &Value) -> Pod {
    let container = json!({"name": "main", "image": "one", "resources": asked});
    let status = json!({"name": "main", "image": "one", "imageID": "", "ready": true, "restartCount": 0,
        "resources": running});
    pod(
        old,
        0,
        json!({"spec": {"containers": [container]}, "status": {"containerStatuses": [status]}}),
    )
}

fn moves_between(old: &Desired, new: &Desired, pod: Pod) -> Vec<Move> {
    let mut there = world(old, vec![pod], vec![claim(old, 0, json!({}))]);
    there.revisions.extend(world(new, vec![], vec![]).revisions);
    decide(new, &there, now()).moves
}

/// A Pod that was given the new template's processors and memory while it ran is as that template would make it.
#[test]
fn a_pod_that_was_resized_in_place_gets_the_label_of_the_new_revision() {
    let small = json!({"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"memory": "1Gi"}});
    let large = json!({"requests": {"cpu": "1000m", "memory": "2Gi"}, "limits": {"memory": "2Gi"}});
    // As the API server writes it, and as a node counts it.
    let asked = json!({"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "2048Mi"}});
    let running = json!({"requests": {"cpu": "1001m", "memory": "2Gi"}, "limits": {"memory": "2Gi"}});
    let half = json!({"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "1Gi"}});
    let with_limit =
        json!({"requests": {"cpu": "1", "memory": "2Gi"}, "limits": {"memory": "2Gi", "cpu": "2"}});
    let other_image = with_container(&json!({"resources": large, "image": "two"}));
    let table = [
        ("resized", with_resources(&large), &asked, &running, true),
        ("not resized", with_resources(&large), &small, &small, false),
        ("half of it", with_resources(&large), &half, &half, false),
        (
            "asked for, and not done",
            with_resources(&large),
            &asked,
            &small,
            false,
        ),
        (
            "asked for, and nothing reported",
            with_resources(&large),
            &asked,
            &Value::Null,
            false,
        ),
        (
            "another limit",
            with_resources(&with_limit),
            &with_limit,
            &with_limit,
            true,
        ),
        (
            "a limit that the template has not",
            with_resources(&large),
            &with_limit,
            &with_limit,
            false,
        ),
        ("another image too", other_image, &asked, &running, false),
    ];
    let old = with_resources(&small);
    for (what, new, asked, running, expected) in table {
        let moves = moves_between(&old, &new, resized(&old, asked, running));
        let label = ("controller-revision-hash".to_owned(), revision(&new));
        let is_labelled = moves
            .iter()
            .any(|each| matches!(each, Move::LabelPod { labels, .. } if *labels == [label.clone()]));
        assert_eq!(is_labelled, expected, "{what}: {moves:?}");
        assert!(
            !moves.iter().any(|each| matches!(each, Move::DeletePod { .. })),
            "{what}"
        );
    }
}

/// Where outdated Pods are this controller's task, one that has followed is not replaced.
#[test]
fn a_pod_that_was_resized_in_place_is_not_replaced() {
    let template = |memory: &str| {
        let container = json!({"name": "main", "image": "one", "resources": {"limits": {"memory": memory}}});
        desired(json!({"spec": {"updateStrategy": {"type": "RollingUpdate"},
            "template": {"spec": {"containers": [container]}}}}))
    };
    let (old, new) = (template("1Gi"), template("2Gi"));
    for (live, expected) in [("2Gi", 0), ("1Gi", 1)] {
        let live_resources = json!({"limits": {"memory": live}});
        let moves = moves_between(&old, &new, resized(&old, &live_resources, &live_resources));
        let deleted = moves.iter().filter(|each| matches!(each, Move::DeletePod { .. }));
        assert_eq!(deleted.count(), expected, "{live}: {moves:?}");
    }
}
