//! Replication slots that users made: what Patroni is told, what the status records, what people are told.

mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::slots::SlotFailover::{Kept, LeftBehind, NotCopied, NotKept};
use api_types::slots::{ReplicationSlot, ReplicationSlotType, SlotFailover};
use k8s_openapi::api::core::v1::ConfigMap;
use provisioner::decide::{decide, slots};
use provisioner::health::{Member, Report, UserSlot, Verdict};
use provisioner::plan::{Action, Plan};
use provisioner::world::World;
use serde_json::{Value, json};
use world::*;

fn physical(name: &str) -> UserSlot {
    UserSlot {
        name: name.into(),
        kind: ReplicationSlotType::Physical,
        database: None,
        is_failover: false,
        is_synced: false,
    }
}

fn logical(name: &str) -> UserSlot {
    UserSlot {
        kind: ReplicationSlotType::Logical,
        database: Some("app".into()),
        ..physical(name)
    }
}

fn failover(name: &str, is_synced: bool) -> UserSlot {
    UserSlot {
        is_failover: true,
        is_synced,
        ..logical(name)
    }
}

fn config(ignored: &Value, parameters: &Value) -> ConfigMap {
    let config = json!({"ignore_slots": ignored, "postgresql": {"parameters": parameters}});
    serde_json::from_value(json!({"metadata": {
        "name": "pg-config", "namespace": "shop", "labels": blueprint::labels::selector("pg"),
        "annotations": {"config": config.to_string()},
    }}))
    .expect("a ConfigMap")
}

type Slots = Option<Vec<UserSlot>>;

/// A healthy database of three members, of which this one is the primary.
fn with(mut world: World, primary: Option<&str>, slots: [Slots; 3]) -> World {
    let member = |slots| Member {
        slots,
        ..Member::default()
    };
    let names = (0..).map(|ordinal| format!("pg-{ordinal}"));
    world.health = Some(Arc::new(Report {
        accepting: Verdict::Yes,
        ready: Verdict::Yes,
        primary: primary.map(str::to_owned),
        members: names.zip(slots.map(member)).collect::<BTreeMap<_, _>>(),
        ..Report::default()
    }));
    world
}

fn born() -> World {
    let mut world = running(json!({}));
    world.patroni = Some(config(&json!([{"type": "logical"}]), &json!({})));
    world
}

/// The next pass, and the world with its status and what Patroni was given.
fn pass(world: World) -> (World, Plan) {
    let plan = decide(&world);
    let mut next = reported(world, &plan);
    for action in &plan.actions {
        if let Action::ConfigurePatroni { map, patch } = action {
            let mut map = serde_json::to_value(map).expect("JSON");
            json_patch::merge(&mut map, patch);
            next.patroni = Some(serde_json::from_value(map).expect("a ConfigMap"));
        }
    }
    (next, plan)
}

fn recorded(world: &World) -> Vec<(String, String, SlotFailover)> {
    let status = world.postgres.status.as_ref().expect("a status");
    let row = |slot: &ReplicationSlot| (slot.name.clone(), slot.pod.clone(), slot.failover);
    status.replication_slots.iter().map(row).collect()
}

fn row(name: &str, pod: &str, failover: SlotFailover) -> (String, String, SlotFailover) {
    (name.into(), pod.into(), failover)
}

fn told<'a>(plan: &'a Plan, reason: &str) -> Vec<&'a str> {
    let news = plan.news.iter().filter(|news| news.reason == reason);
    news.map(|news| news.note.as_str()).collect()
}

#[test]
fn slots_are_recorded_with_what_a_change_of_the_primary_does_to_them() {
    let primary = vec![physical("archiver"), failover("cdc", false), logical("fixed")];
    let (world, plan) = pass(with(
        born(),
        Some("pg-0"),
        [Some(primary.clone()), Some(vec![]), None],
    ));
    let none = [
        row("archiver", "pg-0", NotCopied),
        row("cdc", "pg-0", NotCopied),
        row("fixed", "pg-0", NotKept),
    ];
    assert_eq!(recorded(&world), none);
    assert_eq!(slots::kept(&world), ["archiver".to_owned()].into());
    let notes = told(&plan, "ReplicationSlotNotKept");
    assert!(
        matches!(notes.as_slice(), [one] if one.contains("fixed of the database app")),
        "{notes:?}"
    );

    let copies = vec![physical("archiver"), failover("cdc", true)];
    let (world, plan) = pass(with(
        world,
        Some("pg-0"),
        [Some(primary), Some(vec![]), Some(copies)],
    ));
    let all = [
        row("archiver", "pg-0", Kept),
        row("cdc", "pg-0", Kept),
        row("fixed", "pg-0", NotKept),
    ];
    assert_eq!(recorded(&world), all);
    assert!(told(&plan, "ReplicationSlotNotKept").is_empty(), "once");
}

#[test]
fn the_only_member_keeps_every_slot() {
    let mut world = running(json!({"replicas": 1}));
    world.patroni = Some(config(&json!([{"type": "logical"}]), &json!({})));
    let slots = vec![physical("archiver"), logical("fixed")];
    let (world, _) = pass(with(world, Some("pg-0"), [Some(slots), None, None]));
    assert_eq!(
        recorded(&world),
        [row("archiver", "pg-0", Kept), row("fixed", "pg-0", Kept)]
    );
}

#[test]
fn a_slot_that_the_new_primary_lacks_is_told_and_what_is_left_of_it_is_dropped() {
    let before = vec![physical("archiver"), failover("cdc", false), logical("fixed")];
    let copies = vec![physical("archiver"), failover("cdc", true)];
    let (world, _) = pass(with(
        born(),
        Some("pg-0"),
        [Some(before.clone()), Some(copies.clone()), None],
    ));

    // The former primary has not come back yet.
    let (world, plan) = pass(with(world, Some("pg-1"), [None, Some(copies.clone()), None]));
    let notes = told(&plan, "ReplicationSlotLost");
    assert!(
        matches!(notes.as_slice(), [one] if one.contains("fixed") && one.contains("pg-1")),
        "{notes:?}"
    );
    let left = row("fixed", "pg-0", LeftBehind);
    let on_primary = [row("archiver", "pg-1", NotCopied), row("cdc", "pg-1", NotCopied)];
    assert_eq!(recorded(&world)[..2], on_primary);
    assert!(recorded(&world).contains(&left), "{:?}", recorded(&world));

    let (world, plan) = pass(with(
        world,
        Some("pg-1"),
        [Some(before), Some(copies.clone()), Some(vec![])],
    ));
    assert!(told(&plan, "ReplicationSlotLost").is_empty(), "once");
    assert!(slots::left(&world).contains(&("pg-0".to_owned(), "fixed".to_owned())));

    let (world, _) = pass(with(
        world,
        Some("pg-1"),
        [Some(copies.clone()), Some(copies), Some(vec![])],
    ));
    assert_eq!(
        recorded(&world),
        [row("archiver", "pg-1", Kept), row("cdc", "pg-1", Kept)]
    );
}

/// Unknown is not no: what Patroni leaves alone stays so until every member is known not to have it.
#[test]
fn what_is_not_known_is_not_gone() {
    let primary = Some(vec![physical("archiver"), failover("cdc", false)]);
    let (world, _) = pass(with(born(), Some("pg-0"), [primary, Some(vec![]), Some(vec![])]));
    let before = recorded(&world);
    let kept = |world: &World| slots::kept(world).contains("archiver");

    let (world, _) = pass(with(world, None, [None, None, None]));
    assert_eq!(recorded(&world), before, "no primary is known");
    assert!(kept(&world));
    let (world, _) = pass(with(world, Some("pg-1"), [None, Some(vec![]), Some(vec![])]));
    assert!(kept(&world), "the former primary is not back");
    let copy = Some(vec![physical("archiver")]);
    let (world, _) = pass(with(world, Some("pg-1"), [copy, Some(vec![]), Some(vec![])]));
    assert!(kept(&world), "a copy is left");
    let none = [Some(vec![]), Some(vec![]), Some(vec![])];
    let (world, plan) = pass(with(world, Some("pg-1"), none.clone()));
    assert!(!kept(&world), "dropped by its user");
    assert_eq!(recorded(&world), []);
    assert!(actions(&plan).contains(&"configure Patroni".to_owned()));
    let (_, plan) = pass(with(world, Some("pg-1"), none));
    assert!(
        !actions(&plan).contains(&"configure Patroni".to_owned()),
        "it settles"
    );
}

/// A request that holds the pause may end the primary's Pod; a person wants nothing to be touched.
#[test]
fn slots_are_kept_while_a_request_holds_the_pause() {
    for (holder, is_told) in [
        ("restart/0a1b0000-0000-4000-8000-000000000001", true),
        ("alice", false),
    ] {
        let world = pause(born(), holder);
        let (world, _) = pass(reported(world.clone(), &decide(&world)));
        let primary = Some(vec![physical("archiver")]);
        let (world, _) = pass(with(world, Some("pg-0"), [primary, Some(vec![]), Some(vec![])]));
        assert_eq!(slots::kept(&world).contains("archiver"), is_told, "{holder}");
    }
}
