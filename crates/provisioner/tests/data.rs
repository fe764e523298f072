//! A database without any member that has its data: begun again when it was ephemeral, never when it was durable.

mod world;

use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use provisioner::decide::decide;
use provisioner::plan::{Action, Change, Plan};
use provisioner::world::World;
use serde_json::{Value, json};
use world::*;

fn map(suffix: &str, annotations: &Value) -> ConfigMap {
    let mut annotations = annotations.clone();
    annotations
        .as_object_mut()
        .expect("a map")
        .retain(|_, value| !value.is_null());
    serde_json::from_value(json!({"metadata": {
        "name": format!("pg-{suffix}"), "namespace": "shop", "uid": suffix, "resourceVersion": "1",
        "labels": blueprint::labels::selector("pg"), "annotations": annotations,
    }}))
    .expect("a ConfigMap")
}

/// A member in which Patroni has found this.
fn member(ordinal: i32, found: Option<(&str, &str)>) -> Pod {
    let mut value = serde_json::to_value(pod(ordinal)).expect("JSON");
    value["status"]["conditions"] = json!([{"type": "Ready", "status": "False"}]);
    if let Some((role, state)) = found {
        value["metadata"]["annotations"] =
            json!({"status": json!({"role": role, "state": state}).to_string()});
    }
    serde_json::from_value(value).expect("a Pod")
}

const EMPTY: Option<(&str, &str)> = Some(("uninitialized", "stopped"));

/// A database that was Ready, with this record of its data and these members.
fn lost(storage: &str, initialize: Option<&str>, members: Vec<Pod>) -> World {
    let mut world = running(json!({"storageType": storage, "replicas": members.len()}));
    world.patroni = Some(map("config", &json!({"config": "{}", "initialize": initialize})));
    world.leftovers.patroni = ["leader", "config", "sync"]
        .map(|suffix| map(suffix, &json!({})))
        .into();
    world.pods = members;
    world.health = None;
    world
}

fn members(found: &[Option<(&str, &str)>]) -> Vec<Pod> {
    (0..)
        .zip(found)
        .map(|(ordinal, found)| member(ordinal, *found))
        .collect()
}

/// Whether Patroni may begin again.
fn begins_again(plan: &Plan) -> bool {
    plan.actions.iter().any(|action| {
        matches!(action, Action::ConfigurePatroni { patch, .. } if patch["metadata"]["annotations"].get("initialize").is_some())
    })
}

const SYSTEM: Option<&str> = Some("7342523423423423423");

#[test]
fn what_becomes_of_every_state_of_the_members() {
    let standby = Some(("replica", "running"));
    let stopped = Some(("primary", "stopped"));
    let making = Some(("uninitialized", "initializing new cluster"));
    let copying = Some(("uninitialized", "creating replica"));
    // Record, members; what an ephemeral and a durable database reports, and whether they begin again.
    type Row<'a> = (
        &'a str,
        Option<&'a str>,
        Vec<Pod>,
        Option<&'a str>,
        bool,
        Option<&'a str>,
    );
    let table: Vec<Row<'_>> = vec![
        (
            "one, empty",
            SYSTEM,
            members(&[EMPTY]),
            Some("StartedAfresh"),
            true,
            Some("NoMemberHasData"),
        ),
        (
            "three, empty",
            SYSTEM,
            members(&[EMPTY, EMPTY, EMPTY]),
            Some("StartedAfresh"),
            true,
            Some("NoMemberHasData"),
        ),
        (
            "one has not told",
            SYSTEM,
            members(&[EMPTY, None]),
            Some("StartedAfresh"),
            true,
            Some("NoMemberHasData"),
        ),
        ("none has told", SYSTEM, members(&[None, None]), None, false, None),
        ("one runs", SYSTEM, members(&[EMPTY, standby]), None, false, None),
        (
            "one has data and is stopped",
            SYSTEM,
            members(&[EMPTY, stopped]),
            None,
            false,
            None,
        ),
        (
            "one copies",
            SYSTEM,
            members(&[EMPTY, copying]),
            None,
            false,
            None,
        ),
        (
            "one makes the database",
            SYSTEM,
            members(&[making, EMPTY]),
            None,
            false,
            None,
        ),
        ("there never was data", None, members(&[EMPTY]), None, false, None),
        ("no members", SYSTEM, vec![], None, false, None),
    ];
    for (what, record, pods, ephemeral, begins, durable) in table {
        for (storage, expected, begins) in [("Ephemeral", ephemeral, begins), ("Durable", durable, false)] {
            let plan = decide(&lost(storage, record, pods.clone()));
            let found = set(&plan, "DataLost").map(|(status, reason, _)| (status, reason));
            assert_eq!(found, expected.map(|reason| (true, reason)), "{storage}, {what}");
            assert_eq!(begins_again(&plan), begins, "{storage}, {what}");
            if let Some(reason) = expected {
                let news = plan.news.iter().find(|news| news.reason == reason);
                assert!(
                    news.is_some_and(|news| news.warning && news.note.contains("7342523423423423423")),
                    "{storage}, {what}"
                );
            }
        }
    }
}

#[test]
fn a_pod_that_is_going_may_still_have_the_data() {
    let mut pods = members(&[EMPTY, EMPTY]);
    pods[1].metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).ok();
    let plan = decide(&lost("Ephemeral", SYSTEM, pods));
    assert!(!begins_again(&plan) && set(&plan, "DataLost").is_none());
}

/// The record goes last: it lets a member begin.
#[test]
fn everything_of_the_former_data_goes_before_a_member_may_begin() {
    let plan = decide(&lost("Ephemeral", SYSTEM, members(&[EMPTY])));
    let all = actions(&plan);
    assert_eq!(
        all[all.len() - 3..],
        ["delete configmap", "delete configmap", "configure Patroni"]
    );
    let Some(Action::ConfigurePatroni { patch, .. }) = plan.actions.last() else {
        panic!("a patch")
    };
    assert_eq!(
        *patch,
        json!({"metadata": {"annotations": {"initialize": null, "history": null}}})
    );
}

#[test]
fn a_person_who_holds_the_pause_decides_and_a_request_does_not() {
    let world = || lost("Ephemeral", SYSTEM, members(&[EMPTY]));
    assert!(!begins_again(&decide(&pause(world(), "alice"))));
    assert!(begins_again(&decide(&pause(
        world(),
        "restart-1/0a1b2c3d-0000-4000-8000-000000000001"
    ))));
    assert!(!begins_again(&decide(
        &edit(world(), |spec| spec.halted = Some(true))
    )));
    assert!(!begins_again(&decide(&delete(world()))));
}

#[test]
fn a_config_map_of_somebody_else_is_left_alone() {
    let mut world = lost("Ephemeral", SYSTEM, members(&[EMPTY]));
    for map in world.patroni.iter_mut().chain(&mut world.leftovers.patroni) {
        map.metadata.labels = None;
    }
    let plan = decide(&world);
    assert!(plan.actions.is_empty() && set(&plan, "DataLost").is_none());
}

/// The first member was lost while it made the database: nothing was ever in it.
#[test]
fn a_first_start_that_was_cut_short_begins_again() {
    let new = |storage: &str, found: &[Option<(&str, &str)>]| {
        let mut world = lost(storage, Some(""), members(found));
        let status = std::sync::Arc::make_mut(&mut world.postgres)
            .status
            .as_mut()
            .expect("a status");
        status
            .conditions
            .retain(|condition| condition.type_ != "Provisioned");
        world
    };
    for storage in ["Ephemeral", "Durable"] {
        assert!(begins_again(&decide(&new(storage, &[EMPTY, EMPTY]))), "{storage}");
        // It may be the one that has begun.
        assert!(!begins_again(&decide(&new(storage, &[EMPTY, None]))), "{storage}");
        let was_ready = lost(storage, Some(""), members(&[EMPTY]));
        assert!(!begins_again(&decide(&was_ready)), "{storage}");
    }
}

#[test]
fn what_was_told_of_a_durable_database_is_taken_back_and_of_an_ephemeral_one_stays() {
    for (storage, goes) in [("Durable", true), ("Ephemeral", false)] {
        let world = lost(storage, SYSTEM, members(&[EMPTY]));
        let plan = decide(&world);
        let mut back = reported(world, &plan);
        back.pods = members(&[Some(("primary", "running"))]);
        let plan = decide(&back);
        assert_eq!(
            plan.changes.contains(&Change::Remove("DataLost")),
            goes,
            "{storage}"
        );
        assert_eq!(set(&plan, "DataLost"), None, "{storage}");
    }
}

#[test]
fn the_message_of_a_durable_database_says_what_is_known_and_what_to_do() {
    let mut world = lost("Durable", SYSTEM, members(&[EMPTY, None]));
    world.pods.truncate(1);
    let plan = decide(&world);
    let (_, _, message) = set(&plan, "DataLost").expect("a condition");
    for part in [
        "volumes of pg-0 are empty",
        "Not known of yet: pg-1",
        "PersistentVolume",
        "data-pg-0",
        "deletionPolicy: Delete",
    ] {
        assert!(message.contains(part), "{message}");
    }
}
