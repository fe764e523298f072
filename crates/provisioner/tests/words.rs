//! The provisioner parses no message, be it the PetSet controller's, ops-manager's or its own: with any other words it does the
//! same and reports the same types, statuses and reasons.

mod world;

use std::sync::Arc;

use api_types::PetSet;
use k8s_openapi::api::apps::v1::StatefulSetCondition;
use provisioner::child::Child;
use provisioner::decide::decide;
use provisioner::plan::Change;
use provisioner::world::World;
use serde_json::json;
use world::*;

const WORDS: [&str; 4] = [
    "",
    "\u{4e00}\u{5207}\u{6b63}\u{5e38}",
    "Paused by restart-1/0a1b2c3d-0000-4000-8000-000000000001",
    "Issuer ca signs with another CA now: CN=x (SHA-256 00). The server certificate is still of the former one",
];

/// The PetSet controller reports trouble.
fn in_trouble(mut world: World) -> World {
    for child in &mut world.live {
        if let Child::PetSet(pet_set) = child {
            conditions_of(pet_set).push(StatefulSetCondition {
                type_: "ReplicaFailure".into(),
                status: "True".into(),
                reason: Some("FailedCreate".into()),
                message: Some("exceeded quota".into()),
                ..StatefulSetCondition::default()
            });
        }
    }
    world.pods.clear();
    world
}

fn conditions_of(pet_set: &mut PetSet) -> &mut Vec<StatefulSetCondition> {
    pet_set
        .status
        .get_or_insert_default()
        .conditions
        .get_or_insert_default()
}

fn with_words(mut world: World, words: &str) -> World {
    let status = Arc::make_mut(&mut world.postgres).status.get_or_insert_default();
    for condition in &mut status.conditions {
        condition.message = Some(words.to_owned());
    }
    for child in &mut world.live {
        if let Child::PetSet(pet_set) = child {
            for condition in conditions_of(pet_set) {
                condition.message = Some(words.to_owned());
            }
        }
    }
    world
}

/// What is done and reported, without the messages.
fn outcome(world: &World) -> (Vec<String>, Vec<String>) {
    let plan = decide(world);
    let changes = plan.changes.iter().map(|change| match change {
        Change::Set {
            type_,
            status,
            reason,
            ..
        } => format!("{type_}={status} {reason}"),
        Change::Unknown { type_, reason, .. } => format!("{type_}? {reason}"),
        Change::Remove(type_) => format!("no {type_}"),
    });
    (actions(&plan), changes.collect())
}

#[test]
fn with_any_words_in_any_message_the_same_is_done_and_reported() {
    let request = "restart-1/0a1b2c3d-0000-4000-8000-000000000001";
    let worlds = [
        ("running", running(json!({}))),
        ("with TLS", running(tls())),
        ("in trouble", in_trouble(running(json!({})))),
        ("held", edit(running(tls()), |spec| spec.tls = None)),
        ("paused by a request", pause(running(json!({})), request)),
        ("paused by a person", pause(running(json!({})), "alice")),
        (
            "halted",
            edit(running(json!({})), |spec| spec.halted = Some(true)),
        ),
        ("deleted", delete(running(json!({})))),
    ];
    for (what, world) in worlds {
        let plan = decide(&world);
        let world = reported(world, &plan);
        let expected = outcome(&world);
        for words in WORDS {
            assert_eq!(
                outcome(&with_words(world.clone(), words)),
                expected,
                "{what}: {words:?}"
            );
        }
    }
}
