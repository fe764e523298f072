//! No change of the primary loses rows while a member can come back that has them, and what is lost is said.

mod world;

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::Condition;
use instance::Wal;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ConfigMap;
use provisioner::child::Child;
use provisioner::decide::{decide, rows};
use provisioner::health::{Failure, Member, Position, Report, Verdict};
use provisioner::plan::{Action, Plan};
use provisioner::world::World;
use serde_json::{Value, json};
use world::*;

fn map(suffix: &str, annotations: &Value) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {
        "name": format!("pg-{suffix}"), "namespace": "shop", "labels": blueprint::labels::selector("pg"),
        "annotations": annotations,
    }}))
    .expect("a ConfigMap")
}

const CONFIG: &str = r#"{"ignore_slots": [{"type": "logical"}], "maximum_lag_on_failover": 67108864}"#;

fn born(more: Value) -> World {
    let mut world = running(more);
    world.patroni = Some(map("config", &json!({"config": CONFIG, "history": "[]"})));
    world
}

/// A member at a place of its WAL.
fn at(timeline: u32, position: u64) -> Member {
    Member {
        wal: Some(Wal {
            timeline,
            position,
            ..Wal::default()
        }),
        streams: Some(true),
        ..Member::default()
    }
}

/// `pg-0` is the primary, and both standbys have all that it wrote.
fn healthy() -> World {
    seen(
        born(json!({})),
        Some("pg-0"),
        [at(1, 900), at(1, 900), at(1, 900)],
    )
}

/// A standby that has not streamed for long.
fn stale(timeline: u32, position: u64) -> Member {
    Member {
        streams: Some(false),
        is_stale: true,
        problem: Some("password authentication failed".into()),
        ..at(timeline, position)
    }
}

fn silent() -> Member {
    Member {
        streams: None,
        ..Member::default()
    }
}

fn seen(mut world: World, primary: Option<&str>, members: [Member; 3]) -> World {
    let verdict = || match primary {
        Some(_) => Verdict::Yes,
        None => Verdict::No(Failure::broken("No ready member is labelled primary.")),
    };
    let names = (0..).map(|ordinal| format!("pg-{ordinal}"));
    world.health = Some(Arc::new(Report {
        accepting: verdict(),
        ready: verdict(),
        primary: primary.map(str::to_owned),
        members: names.zip(members).collect::<BTreeMap<_, _>>(),
        ..Report::default()
    }));
    world
}

fn published(mut world: World, leader: Option<&str>, optime: u64) -> World {
    let leader = json!({"leader": leader.unwrap_or_default(), "optime": optime.to_string()});
    world.patroni_state = vec![map("leader", &leader)];
    world
}

fn ended(mut world: World, timeline: u32, end: u64) -> World {
    let history = json!([[
        timeline,
        end,
        "no recovery target specified",
        "2026-01-01T00:00:00Z",
        "pg-1"
    ]]);
    let annotations = json!({"config": CONFIG, "history": history.to_string()});
    world.patroni = Some(map("config", &annotations));
    world
}

/// The limit that Patroni is given in this pass.
fn limit(plan: &Plan) -> Option<i64> {
    plan.actions.iter().find_map(|action| match action {
        Action::ConfigurePatroni { patch, .. } => {
            let config = patch["metadata"]["annotations"]["config"].as_str()?;
            let config: Value = serde_json::from_str(config).ok()?;
            config["maximum_lag_on_failover"].as_i64()
        }
        _ => None,
    })
}

fn named(world: &World) -> Vec<String> {
    rows::stale(world).into_iter().map(|it| it.pod).collect()
}

fn pass(world: World) -> (World, Plan) {
    let plan = decide(&world);
    (reported(world, &plan), plan)
}

fn condition<'a>(world: &'a World, type_: &str) -> Option<&'a Condition> {
    world::condition(world, type_)
}

#[test]
fn while_a_standby_does_not_stream_no_member_that_lacks_rows_is_promoted() {
    let healthy = seen(
        born(json!({})),
        Some("pg-0"),
        [at(1, 900), at(1, 900), at(1, 900)],
    );
    let (world, plan) = pass(healthy);
    assert_eq!((named(&world), limit(&plan)), (vec![], Some(67_108_864)));

    let (world, plan) = pass(seen(world, Some("pg-0"), [at(1, 900), stale(1, 500), at(1, 900)]));
    assert_eq!((named(&world), limit(&plan)), (vec!["pg-1".to_owned()], Some(0)));
    let notes: Vec<&str> = plan
        .news
        .iter()
        .filter(|news| news.reason == "StandbyStale")
        .map(|news| news.note.as_str())
        .collect();
    assert!(
        matches!(notes.as_slice(), [one] if one.contains("pg-1 does not stream") && one.contains("password authentication failed")),
        "{notes:?}"
    );

    // The provisioner restarts while no member is the primary: what was found stays.
    let (world, plan) = pass(seen(world, None, [silent(), silent(), silent()]));
    assert_eq!((named(&world), limit(&plan)), (vec!["pg-1".to_owned()], Some(0)));
    let mut unseen = world.clone();
    unseen.health = None;
    assert_eq!(named(&unseen), ["pg-1"]);

    let (world, plan) = pass(seen(world, Some("pg-0"), [at(1, 990), at(1, 990), at(1, 990)]));
    assert_eq!((named(&world), limit(&plan)), (vec![], Some(67_108_864)));
}

/// There Patroni promotes only members that had every commit.
#[test]
fn synchronous_mode_needs_no_limit() {
    let world = born(json!({"streamingMode": "Synchronous"}));
    let (world, plan) = pass(seen(world, Some("pg-0"), [at(1, 900), stale(1, 500), at(1, 900)]));
    assert_eq!(named(&world), ["pg-1"]);
    assert_eq!(limit(&plan), Some(67_108_864));
    let (_, plan) = pass(seen(world, None, [silent(), stale(1, 500), silent()]));
    assert_eq!(set(&plan, "FailoverHeld"), None);
}

#[test]
fn a_failover_that_is_held_names_who_lacks_what_and_who_is_waited_for() {
    let (world, _) = pass(seen(
        born(json!({})),
        Some("pg-0"),
        [at(1, 900), stale(1, 500), at(1, 900)],
    ));
    let down = published(
        seen(world, None, [silent(), stale(1, 500), silent()]),
        Some("pg-0"),
        950,
    );
    let (world, plan) = pass(down);
    let (_, reason, message) = set(&plan, "FailoverHeld").expect("a condition");
    assert_eq!(reason, "StaleStandbyNotPromoted");
    for part in ["pg-1", "lacks 450 bytes", "pg-0", "0/3B6 on timeline 1"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let (world, _) = pass(seen(world, Some("pg-0"), [at(1, 950), stale(1, 500), at(1, 950)]));
    assert!(condition(&world, "FailoverHeld").is_none());
}

/// What the former primary wrote last is known from what it published; a day later it is in the status only.
#[test]
fn wal_that_a_promoted_member_lacked_is_told_once_and_kept() {
    let (world, _) = pass(healthy());
    let (world, _) = pass(published(
        seen(world, None, [silent(), at(1, 900), silent()]),
        Some("pg-0"),
        2_000,
    ));
    let last = world
        .postgres
        .status
        .clone()
        .and_then(|it| it.last_primary)
        .expect("the last primary");
    assert_eq!(last.position.as_deref(), Some("0/7D0"));

    // Patroni has not recorded yet where timeline 1 ended.
    let promoted = published(
        seen(world, Some("pg-1"), [silent(), at(2, 1_700), silent()]),
        Some("pg-1"),
        1_700,
    );
    let (world, plan) = pass(promoted);
    assert_eq!(set(&plan, "DataLost"), None);
    assert!(plan.look_again.is_some());

    let (world, plan) = pass(ended(world, 1, 1_500));
    let (_, reason, message) = set(&plan, "DataLost").expect("a condition");
    assert_eq!(reason, "WALLost");
    for part in ["500 bytes", "0/5DC to 0/7D0 on timeline 1", "pg-0", "pg-1"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let lost = world
        .postgres
        .status
        .as_ref()
        .map(|it| it.lost_wal.clone())
        .expect("a status");
    assert_eq!(
        (lost.len(), lost[0].bytes, lost[0].former_primary.as_str()),
        (1, 500, "pg-0")
    );

    let (mut world, plan) = pass(world);
    assert_eq!(set(&plan, "DataLost"), None, "once");
    assert!(condition(&world, "DataLost").is_some());
    world.now += SignedDuration::from_hours(25);
    let (world, _) = pass(world);
    assert!(condition(&world, "DataLost").is_none());
    assert_eq!(
        world.postgres.status.as_ref().map(|it| it.lost_wal.len()),
        Some(1)
    );
}

#[test]
fn a_change_of_the_primary_that_loses_nothing_says_nothing() {
    let (world, _) = pass(healthy());
    let (world, plan) = pass(ended(
        seen(world, Some("pg-1"), [at(2, 950), at(2, 950), at(2, 950)]),
        1,
        900,
    ));
    assert_eq!(set(&plan, "DataLost"), None);
    let last = world
        .postgres
        .status
        .clone()
        .and_then(|it| it.last_primary)
        .expect("the last primary");
    assert_eq!((last.pod.as_str(), last.timeline), ("pg-1", 2));
}

/// The provisioner may not look between the two primaries; the health check has seen both.
#[test]
fn what_the_health_check_saw_of_the_former_primary_counts() {
    let (world, _) = pass(healthy());
    let mut world = ended(
        seen(world, Some("pg-1"), [silent(), at(2, 950), silent()]),
        1,
        900,
    );
    let report = world.health.as_deref().cloned().expect("a report");
    world.health = Some(Arc::new(Report {
        former_position: Some(Position {
            pod: "pg-0".into(),
            timeline: 1,
            end: 940,
        }),
        ..report
    }));
    let (_, plan) = pass(world);
    let (_, _, message) = set(&plan, "DataLost").expect("a condition");
    assert!(message.contains("40 bytes"), "{message}");
}

/// While it was down any of its members may have been the primary, so none is left out by an edit.
#[test]
fn a_halted_database_comes_back_with_all_members_that_have_its_data() {
    let mut world = edit(running(json!({})), |spec| spec.halted = Some(true));
    world.live.retain(|child| !matches!(child, Child::PetSet(_)));
    world.pods.clear();
    world.health = None;
    world.leftovers.claims = (0..3).map(bound).collect();
    let (world, _) = pass(world);
    let resumed = edit(world, |spec| {
        spec.halted = None;
        spec.replicas = Some(1);
    });
    let (world, plan) = pass(resumed);
    let pet_set = plan.applied_pet_set().expect("the PetSet");
    assert_eq!(pet_set.spec.replicas, Some(3));
    let held = condition(&world, "SpecApplied").expect("SpecApplied");
    assert_eq!(held.reason.as_deref(), Some("HorizontalScalingNeeded"));
    assert!(
        held.message.as_deref().is_some_and(|it| it.contains('3')),
        "{held:?}"
    );
}

fn bound(ordinal: i32) -> k8s_openapi::api::core::v1::PersistentVolumeClaim {
    let mut value = serde_json::to_value(claim(ordinal)).expect("JSON");
    value["status"] = json!({"phase": "Bound"});
    serde_json::from_value(value).expect("a claim")
}

#[test]
fn clocks_that_were_put_back_end_no_report() {
    let (world, _) = pass(healthy());
    let (world, _) = pass(published(
        seen(world, None, [silent(), silent(), silent()]),
        None,
        2_000,
    ));
    let (mut world, _) = pass(ended(
        seen(world, Some("pg-1"), [silent(), at(2, 950), silent()]),
        1,
        900,
    ));
    world.now = Timestamp::UNIX_EPOCH;
    let (world, _) = pass(world);
    assert!(condition(&world, "DataLost").is_some());
}
