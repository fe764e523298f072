//! What the platform refuses or does not bring up is said by the Postgres, in the platform's words; and goes when it is over.

mod world;

use api_types::condition::find;
use provisioner::child::Child;
use provisioner::decide::decide;
use provisioner::health::{Failure, Report, Verdict};
use provisioner::world::World;
use serde_json::{Value, json};
use world::*;

const QUOTA: &str = "create Pod pg-0 in PetSet pg failed error: pods \"pg-0\" is forbidden: exceeded quota: small, requested: \
                     limits.memory=1Gi, used: limits.memory=0, limited: limits.memory=512Mi";

/// A world whose PetSet has this status.
fn with_status(mut world: World, status: Value) -> World {
    for child in &mut world.live {
        if let Child::PetSet(pet_set) = child {
            pet_set.metadata.creation_timestamp = serde_json::from_value(json!("2025-12-31T23:59:00Z")).ok();
            pet_set.status = serde_json::from_value(status.clone()).expect("a status");
        }
    }
    world
}

fn failing(message: &str) -> Value {
    json!({"replicas": 0, "conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}]})
}

/// Members are there as the PetSet says, and the health check has found them wanting.
fn down(mut world: World, ready: usize) -> World {
    world.pods.truncate(ready);
    let why = "No ready member is labelled primary.";
    world.health = Some(std::sync::Arc::new(Report {
        accepting: Verdict::No(Failure::broken(why)),
        ready: Verdict::No(Failure::broken(why)),
        ..Report::default()
    }));
    world
}

/// A database that was just made: its children are there, no member is.
fn new() -> World {
    let world = fresh(json!({}));
    let plan = decide(&world);
    reported(applied(world, &plan), &plan)
}

#[test]
fn the_platforms_sentence_is_in_ready_and_replica_ready_and_told_once() {
    for world in [new(), down(new(), 0), down(running(json!({})), 1)] {
        let world = with_status(world, failing(QUOTA));
        let plan = decide(&world);
        for type_ in ["Ready", "ReplicaReady"] {
            let (status, _, message) = set(&plan, type_).unwrap_or_else(|| panic!("{type_} is set"));
            assert!(!status && message.contains(QUOTA), "{type_}: {message}");
        }
        let told = |plan: &provisioner::plan::Plan| {
            plan.news
                .iter()
                .filter(|it| it.reason == "MembersNotStarted")
                .count()
        };
        assert_eq!(told(&plan), 1);
        let next = reported(world, &plan);
        assert_eq!(told(&decide(&next)), 0, "a condition says it already");
        let another = with_status(
            next,
            failing("Pod pg-0 is not scheduled: 0/3 nodes are available"),
        );
        assert_eq!(told(&decide(&another)), 1, "other news");
    }
}

#[test]
fn it_goes_when_the_cause_is_gone() {
    let failed = with_status(down(running(json!({})), 1), failing(QUOTA));
    let plan = decide(&failed);
    let mut healed = reported(failed, &plan);
    healed.pods = running(json!({})).pods;
    healed.health = running(json!({})).health;
    let healed = with_status(healed, json!({"replicas": 3}));
    let plan = decide(&healed);
    assert_eq!(set(&plan, "ReplicaReady").map(|it| it.0), Some(true));
    assert!(
        plan.changes
            .iter()
            .all(|change| !format!("{change:?}").contains("quota"))
    );
    let healed = reported(healed, &plan);
    assert!(
        healed
            .conditions()
            .iter()
            .all(|it| !it.message.as_deref().unwrap_or_default().contains("quota"))
    );
}

/// `kubectl wait --for=condition=ReplicaReady` after an edit of the number does not return before there are so many.
#[test]
fn a_member_that_is_about_to_be_added_is_missing_at_once() {
    let world = edit(running(json!({})), |spec| spec.replicas = Some(5));
    let plan = decide(&world);
    let (status, _, message) = set(&plan, "ReplicaReady").expect("it is set");
    assert!(!status && message.contains("desired replicas: 5"), "{message}");
}

/// A member beyond those that are asked for may fail to go; the others serve.
#[test]
fn a_complete_database_is_not_called_unready_by_it() {
    let world = with_status(running(json!({})), failing("Pod pg-3 is being deleted"));
    let plan = decide(&world);
    assert_eq!(set(&plan, "Ready").map(|it| it.0), Some(true));
    assert_eq!(set(&plan, "ReplicaReady").map(|it| it.0), Some(true));
}

#[test]
fn it_is_said_while_a_request_holds_the_pause_too() {
    let world = pause(
        with_status(down(running(json!({})), 2), failing(QUOTA)),
        "restart-1/0a1b",
    );
    let plan = decide(&world);
    assert!(set(&plan, "Ready").is_some_and(|it| it.2.contains(QUOTA)));
}

#[test]
fn a_petset_that_nothing_acts_on_is_told_after_a_while() {
    let mut world = with_status(new(), json!(null));
    assert!(set(&decide(&world), "Ready").is_some_and(|it| it.2.contains("does the operator petset run")));
    for child in &mut world.live {
        if let Child::PetSet(pet_set) = child {
            pet_set.metadata.creation_timestamp = serde_json::from_value(json!("2025-12-31T23:59:58Z")).ok();
        }
    }
    assert!(find(reported(world.clone(), &decide(&world)).conditions(), "Ready").is_none());
}

/// Answers of the API server that a person has to hear of: what is over by itself is not told.
#[test]
fn refusals_of_children_are_told_and_overload_is_not() {
    use kube::core::Status;
    let answered = |code: u16, message: &str| {
        let object = runtime::ObjectId {
            kind: "PetSet".into(),
            namespace: "shop".into(),
            name: "pg".into(),
        };
        let status = Status::failure(message, "").with_code(code).boxed();
        provisioner::error::Error::from(runtime::ApplyError::new(
            "apply",
            object,
            kube::Error::Api(status),
        ))
    };
    let table = [
        (403, "admission webhook \"w\" denied the request: no", true),
        (403, "petsets \"pg\" is forbidden: exceeded quota: q", true),
        (422, "PetSet \"pg\" is invalid: spec: no", true),
        (400, "admission webhook \"w\" denied the request: bad", true),
        (
            500,
            "Internal error occurred: failed calling webhook \"w\": connection refused",
            true,
        ),
        (503, "the server is currently unable to handle the request", false),
        (429, "too many requests", false),
        (
            409,
            "Operation cannot be fulfilled on petsets \"pg\": the object has been modified",
            false,
        ),
    ];
    for (code, message, expected) in table {
        let error = answered(code, message);
        assert_eq!(error.is_refusal(), expected, "{message}");
        let text = runtime::error_chain(&error);
        assert!(
            text.contains(message) && !text.contains("Status {") && !text.contains("RBAC"),
            "{text}"
        );
    }
}
