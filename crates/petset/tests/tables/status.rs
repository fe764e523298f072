//! `status`: the conditions that a PetSet has.

use api_types::petset::PetSetStatus;
use k8s_openapi::api::apps::v1::StatefulSetCondition;
use petset::moves::Problem;
use petset::resolve::Invalid;
use petset::status::{invalid, status};
use serde_json::json;

use crate::build::{claim, desired, now, plan, pod, terminating, unscheduled, world};

fn conditions(status: &PetSetStatus) -> Vec<&StatefulSetCondition> {
    status.conditions.iter().flatten().collect()
}

#[test]
fn all_problems_are_told_together_and_the_first_gives_the_reason() {
    let desired = desired(json!({"spec": {"replicas": 2}}));
    let pods = vec![
        pod(&desired, 0, unscheduled("no node")),
        pod(&desired, 1, terminating()),
    ];
    let claims = vec![claim(&desired, 0, json!({})), claim(&desired, 1, terminating())];
    let world = world(&desired, pods, claims);
    let plan = plan(&desired, &world);
    let refused = Problem {
        reason: "FailedCreate",
        message: "create Pod db-2 failed: exceeded quota".into(),
    };
    let problems: Vec<Problem> = std::iter::once(refused).chain(plan.problems.clone()).collect();
    let found = status(&desired, &world, &plan.revisions, &problems, now());
    let [failure, vanishing] = conditions(&found)[..] else {
        panic!("{found:?}")
    };
    assert_eq!(
        (failure.type_.as_str(), failure.status.as_str()),
        ("ReplicaFailure", "True")
    );
    assert_eq!(failure.reason.as_deref(), Some("FailedCreate"));
    let message = failure.message.as_deref().unwrap_or_default();
    assert!(
        message.contains("exceeded quota") && message.contains("no node"),
        "{message}"
    );
    assert_eq!(
        (vanishing.type_.as_str(), vanishing.status.as_str()),
        ("ClaimTerminating", "True")
    );
    assert_eq!(vanishing.reason.as_deref(), Some("ClaimTerminating"));
}

#[test]
fn a_condition_goes_when_its_cause_is_gone_and_keeps_its_time_while_it_lasts() {
    let desired = desired(json!({}));
    let there = json!([
        {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "old", "lastTransitionTime": "2026-01-01T00:00:00Z"},
        {"type": "SomebodyElses", "status": "True"}]);
    let mut world = world(
        &desired,
        vec![pod(&desired, 0, json!({}))],
        vec![claim(&desired, 0, json!({}))],
    );
    world.status.conditions = serde_json::from_value(there).expect("conditions");
    let chosen = plan(&desired, &world).revisions;
    let types = |status: &PetSetStatus| {
        conditions(status)
            .iter()
            .map(|it| it.type_.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        types(&status(&desired, &world, &chosen, &[], now())),
        ["SomebodyElses"]
    );
    let problem = Problem {
        reason: "FailedCreate",
        message: "new".into(),
    };
    let still = status(&desired, &world, &chosen, &[problem], now());
    assert_eq!(types(&still), ["SomebodyElses", "ReplicaFailure"]);
    let failure = conditions(&still)[1];
    assert_eq!(failure.message.as_deref(), Some("new"));
    let since = failure
        .last_transition_time
        .as_ref()
        .map(|time| time.0.to_string());
    assert_eq!(since.as_deref(), Some("2026-01-01T00:00:00Z"));
}

#[test]
fn the_message_of_a_thousand_pods_still_fits() {
    let desired = desired(json!({}));
    let world = world(&desired, vec![], vec![]);
    let chosen = plan(&desired, &world).revisions;
    let problem = Problem {
        reason: "FailedCreate",
        message: "ä".repeat(100),
    };
    let found = status(&desired, &world, &chosen, &vec![problem; 1000], now());
    let message = conditions(&found)[0].message.clone().unwrap_or_default();
    assert!(message.chars().count() <= 2000);
}

#[test]
fn a_spec_that_can_not_be_acted_on_leaves_the_counts_as_they_were() {
    let old = PetSetStatus {
        replicas: 3,
        ready_replicas: Some(2),
        ..PetSetStatus::default()
    };
    let problem = Problem::invalid(&Invalid {
        field: "spec.replicas".into(),
        message: "no".into(),
    });
    let found = invalid(&old, Some(7), &problem, now());
    assert_eq!(
        (found.replicas, found.ready_replicas, found.observed_generation),
        (3, Some(2), Some(7))
    );
    assert_eq!(conditions(&found)[0].reason.as_deref(), Some("InvalidSpec"));
}
