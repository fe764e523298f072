//! An operation keeps a Pod away: it is not made, the others are, and the status says why.

use petset::decide::Plan;
use petset::moves::Wait;
use petset::status::status;
use serde_json::{Value, json};

use crate::build::{claim, desired, moves, now, plan, pod, reasons, world};

/// An hour after the decisions, and a second before.
const LATER: &str = "2026-01-01T02:00:00Z";
const OVER: &str = "2026-01-01T00:59:59Z";

fn note(until: &str) -> Value {
    let note = json!({"by": "expand/1234", "until": until}).to_string();
    json!({"metadata": {"annotations": {"sealwright.dev/no-pod": note}}})
}

fn makes_pods(plan: &Plan) -> Vec<String> {
    let all = moves(plan).into_iter();
    all.filter(|it| it.starts_with("create Pod")).collect()
}

#[test]
fn no_pod_is_made_of_a_claim_that_says_so_until_its_time_is_over() {
    let broken = json!({"metadata": {"annotations": {"sealwright.dev/no-pod": "yes"}}});
    let table = [
        ("no note", json!({}), true),
        ("a note", note(LATER), false),
        ("a note whose time is over", note(OVER), true),
        ("something else", broken, true),
    ];
    for (what, note, is_made) in table {
        let desired = desired(json!({}));
        let plan = plan(&desired, &world(&desired, vec![], vec![claim(&desired, 0, note)]));
        assert_eq!(makes_pods(&plan).len(), usize::from(is_made), "{what}");
        assert_eq!(reasons(&plan), Vec::<&str>::new(), "{what}: nothing is wrong");
    }
}

/// Also in order: the one that is away may be away for long.
#[test]
fn the_others_are_made_meanwhile() {
    for order in ["Parallel", "OrderedReady"] {
        let desired = desired(json!({"spec": {"replicas": 2, "podManagementPolicy": order}}));
        let claims = vec![claim(&desired, 0, note(LATER)), claim(&desired, 1, json!({}))];
        let plan = plan(&desired, &world(&desired, vec![], claims));
        assert_eq!(makes_pods(&plan), ["create Pod db-1 of <revision>"], "{order}");
    }
}

/// A Pod that runs is left alone: the operation that noted it ends the Pod.
#[test]
fn a_pod_that_there_is_stays() {
    let desired = desired(json!({}));
    let world = world(
        &desired,
        vec![pod(&desired, 0, json!({}))],
        vec![claim(&desired, 0, note(LATER))],
    );
    let plan = plan(&desired, &world);
    assert_eq!(moves(&plan), Vec::<String>::new());
    let found = status(&desired, &world, &plan.revisions, &plan.problems, now());
    assert_eq!(found.conditions, None);
}

#[test]
fn another_look_is_due_when_the_time_is_over() {
    let desired = desired(json!({}));
    let plan = plan(
        &desired,
        &world(&desired, vec![], vec![claim(&desired, 0, note(LATER))]),
    );
    assert!(
        matches!(&plan.waits[..], [Wait::Withheld { .. }]),
        "{:?}",
        plan.waits
    );
    assert_eq!(plan.look_again_in(), Some(3601));
}

#[test]
fn the_status_says_which_request_keeps_which_pod_away_and_until_when() {
    let desired = desired(json!({}));
    let world = world(&desired, vec![], vec![claim(&desired, 0, note(LATER))]);
    let plan = plan(&desired, &world);
    let found = status(&desired, &world, &plan.revisions, &plan.problems, now());
    let conditions = found.conditions.unwrap_or_default();
    let [withheld] = &conditions[..] else {
        panic!("{conditions:?}")
    };
    assert_eq!(withheld.type_, "PodWithheld");
    let message = withheld.message.as_deref().unwrap_or_default();
    for part in [
        "Pod db-0",
        LATER,
        "expand/1234",
        "data-db-0",
        "sealwright.dev/no-pod",
    ] {
        assert!(message.contains(part), "{message}");
    }
}
