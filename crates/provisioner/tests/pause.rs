//! The pause: when it is acknowledged, for whom, and that nothing else happens meanwhile.

mod world;

use jiff::Timestamp;
use provisioner::decide::decide;
use provisioner::world::World;
use serde_json::json;
use world::*;

const ROTATE_1: &str = "rotate-1/0a1b0000-0000-4000-8000-000000000001";
const ROTATE_2: &str = "rotate-2/0a1b0000-0000-4000-8000-000000000002";

/// The holder waits for nothing but the acknowledgement, so nothing else is read for it.
#[test]
fn a_pause_is_acknowledged_from_the_object_alone() {
    let world = pause(running(tls()), ROTATE_1);
    assert!(world.has_unacknowledged_pause());
    let alone = World::of_object_alone(world.postgres.clone(), world.health.clone(), world.now);
    let plan = decide(&alone);
    assert!(plan.actions.is_empty());
    let acknowledged = reported(alone, &plan);
    let whole = decide(&world);
    let conditions = |world: &World| {
        let mut all = world.conditions().to_vec();
        all.sort_by(|a, b| a.type_.cmp(&b.type_));
        all
    };
    assert_eq!(conditions(&acknowledged), conditions(&reported(world, &whole)));
    assert!(!acknowledged.has_unacknowledged_pause());
    let others = pause(acknowledged, ROTATE_2);
    assert!(others.has_unacknowledged_pause());
    assert!(!running(tls()).has_unacknowledged_pause());
}

/// So does the end of a pause; whatever else there is to do, the next look finds.
#[test]
fn the_end_of_a_pause_is_acknowledged_from_the_object_alone() {
    let paused = pause(running(tls()), ROTATE_1);
    let paused = reported(paused.clone(), &decide(&paused));
    assert!(!paused.is_awaited());
    let mut ended = paused.clone();
    let postgres = std::sync::Arc::make_mut(&mut ended.postgres);
    postgres.metadata.annotations = None;
    assert!(ended.has_unacknowledged_end());
    let alone = World::of_object_alone(ended.postgres.clone(), ended.health.clone(), ended.now);
    let plan = decide(&alone);
    assert!(plan.actions.is_empty());
    let acknowledged = reported(alone, &plan);
    assert!(!acknowledged.is_awaited());
    assert_eq!(set(&plan, "Ready").map(|it| it.0), Some(true));
}

#[test]
fn a_pause_is_acknowledged_with_the_holder_and_nothing_else_happens() {
    let paused = pause(fresh(json!({})), ROTATE_1);
    let plan = decide(&paused);
    assert!(plan.actions.is_empty());
    assert!(!plan.acts_on_spec);
    let (status, reason, message) = set(&plan, "Paused").unwrap();
    assert!(status && reason == "PausedByOpsManager" && message.contains(ROTATE_1));
    for person in ["alice", "team/ops", "rotate-1/0a1b", "a/b/c"] {
        let plan = decide(&pause(fresh(json!({})), person));
        assert_eq!(set(&plan, "Paused").map(|it| it.1), Some("Paused"), "{person}");
    }
}

#[test]
fn a_pause_is_acknowledged_for_its_holder_and_nobody_else() {
    let names = ["a", "ab", "a/b", "team/ops", ROTATE_1, ROTATE_2];
    for kept in names {
        let world = pause(running(tls()), kept);
        let acknowledged = reported(world.clone(), &decide(&world));
        for asked in names {
            let other = pause(acknowledged.clone(), asked);
            assert_eq!(other.has_unacknowledged_pause(), asked != kept, "{kept}, {asked}");
        }
    }
}

#[test]
fn an_acknowledgement_keeps_its_time_until_another_holds_the_pause() {
    let since = |world: &World| {
        let status = world.postgres.status.clone().unwrap_or_default();
        status.paused_by.map(|it| it.since.0.as_second())
    };
    let at = |world: World, second| {
        let plan = decide(&world);
        let now = Timestamp::from_second(second).expect("a time");
        let status = provisioner::report::status(&world, &plan, now);
        let mut world = world;
        std::sync::Arc::make_mut(&mut world.postgres).status = Some(status);
        world
    };
    let first = at(pause(running(tls()), "alice"), 10);
    assert_eq!(since(&first), Some(10));
    let again = at(first, 20);
    assert_eq!(since(&again), Some(10));
    let other = at(pause(again, "bob"), 30);
    assert_eq!(since(&other), Some(30));
}

#[test]
fn an_annotation_that_names_nobody_pauses_nothing() {
    for value in ["", "  ", "\n"] {
        let world = pause(running(tls()), value);
        assert!(!world.is_awaited(), "{value:?}");
        let plan = decide(&world);
        assert!(removes(&plan, "Paused") && plan.acts_on_spec, "{value:?}");
    }
}

#[test]
fn an_edit_during_the_pause_of_a_person_is_said_to_wait() {
    let edited = |holder: &str, generation| {
        let mut world = pause(running(tls()), holder);
        let postgres = std::sync::Arc::make_mut(&mut world.postgres);
        postgres.metadata.generation = Some(generation);
        postgres.status.get_or_insert_default().observed_generation = Some(4);
        world
    };
    let person = decide(&edited("alice", 5));
    let (status, reason, message) = set(&person, "SpecApplied").unwrap();
    assert!(!status && reason == "Paused" && message.contains("when the pause ends"));
    assert!(person.actions.is_empty() && !person.acts_on_spec);
    assert!(set(&decide(&edited(ROTATE_1, 5)), "SpecApplied").is_none());
    assert!(set(&decide(&edited("alice", 4)), "SpecApplied").is_none());
}

#[test]
fn the_pass_after_a_pause_changes_no_child() {
    let paused = pause(running(tls()), ROTATE_1);
    let plan = decide(&paused);
    let mut resumed = reported(paused, &plan);
    assert!(condition(&resumed, "Paused").is_some());
    std::sync::Arc::make_mut(&mut resumed.postgres)
        .metadata
        .annotations = None;
    let plan = decide(&resumed);
    assert!(plan.actions.is_empty() && removes(&plan, "Paused"));
}
