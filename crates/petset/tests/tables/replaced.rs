//! A Pod that does not work is made again when what keeps it from working was corrected; one that works is left alone.

use petset::world::Placement;
use serde_json::{Value, json};

use crate::build::{
    all, claim, containers, desired, moves, plan, pod, terminating, unbound, unscheduled, world,
};

fn old() -> Value {
    json!({"metadata": {"labels": {"controller-revision-hash": "db-old"}}})
}

fn pulling() -> Value {
    containers(
        &json!({"helper": {"state": {"running": {}}}, "main": {"state": {"waiting": {"reason": "ImagePullBackOff"}}}}),
    )
}

fn crashing() -> Value {
    let run =
        json!({"exitCode": 137, "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:03Z"});
    containers(
        &json!({"main": {"restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                                "lastState": {"terminated": run}}}),
    )
}

#[test]
fn what_never_worked_follows_the_template_whatever_the_strategy_says_about_others() {
    let durable = || json!({});
    let ephemeral = || {
        json!({"spec": {"volumeClaimTemplates": [], "template": {"spec": {"containers": [
            {"name": "helper", "image": "one"}, {"name": "main", "image": "one", "readinessProbe": {"tcpSocket": {"port": 1}}}]}}}})
    };
    let again = "delete Pod db-0: it does not run, revision db-old, template is <revision>";
    let table = [
        (
            "no node takes it",
            durable(),
            all(&[old(), unscheduled("no")]),
            true,
        ),
        (
            "no node takes it, without claims",
            ephemeral(),
            all(&[old(), unscheduled("no")]),
            true,
        ),
        (
            "its image can't be pulled",
            durable(),
            all(&[old(), pulling()]),
            true,
        ),
        (
            "its image can't be pulled, without claims",
            ephemeral(),
            all(&[old(), pulling()]),
            true,
        ),
        (
            "it ends again and again",
            durable(),
            all(&[old(), crashing()]),
            true,
        ),
        // What it has written is in the Pod.
        (
            "it ends again and again, without claims",
            ephemeral(),
            all(&[old(), crashing()]),
            false,
        ),
        ("it works", durable(), old(), false),
        ("it is of the template's revision", durable(), pulling(), false),
        (
            "it is going",
            durable(),
            all(&[old(), pulling(), terminating()]),
            false,
        ),
    ];
    for (what, set, more, is_replaced) in table {
        let desired = desired(set);
        let claims = if desired.claim_templates.is_empty() {
            vec![]
        } else {
            vec![claim(&desired, 0, json!({}))]
        };
        let world = world(&desired, vec![pod(&desired, 0, more)], claims);
        let expected = if is_replaced { vec![again] } else { vec![] };
        assert_eq!(moves(&plan(&desired, &world)), expected, "{what}");
    }
}

#[test]
fn below_the_partition_and_with_a_rolling_update_nothing_changes() {
    let rolling =
        json!({"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}});
    let desired = desired(rolling);
    let world = world(
        &desired,
        vec![pod(&desired, 0, all(&[old(), unscheduled("no")]))],
        vec![claim(&desired, 0, json!({}))],
    );
    assert_eq!(moves(&plan(&desired, &world)), Vec::<String>::new());
}

#[test]
fn a_pod_that_no_node_takes_follows_its_policy() {
    let policy = |zone: &str| {
        let rule = json!({"topologyKey": "zone", "weight": 1, "whenUnsatisfiable": "DoNotSchedule", "domains": [{"values": [zone]}]});
        let spec = json!({"affinity": {"nodeAffinity": [rule]}});
        Placement::Policy(Box::new(serde_json::from_value(spec).expect("a policy")))
    };
    let desired = desired(json!({"spec": {"podPlacementPolicy": {"name": "p"}}}));
    let mut empty = world(&desired, vec![], vec![claim(&desired, 0, json!({}))]);
    empty.placement = policy("a");
    let made = plan(&desired, &empty)
        .moves
        .into_iter()
        .find_map(|each| match each {
            petset::moves::Move::CreatePod(pod) => pod.metadata.annotations,
            _ => None,
        });
    let placed = json!({"metadata": {"annotations": made.expect("annotations")}});
    let misplaced = "delete Pod db-0: never started, the PlacementPolicy has changed";
    let table = [
        (
            "the same",
            policy("a"),
            all(&[unscheduled("no"), placed.clone()]),
            None,
        ),
        (
            "another",
            policy("b"),
            all(&[unscheduled("no"), placed.clone()]),
            Some(misplaced),
        ),
        (
            "none any more",
            Placement::None,
            all(&[unscheduled("no"), placed.clone()]),
            Some(misplaced),
        ),
        // Unknown is not no.
        (
            "gone",
            Placement::Missing("p".into()),
            all(&[unscheduled("no"), placed.clone()]),
            None,
        ),
        ("another, and it works", policy("b"), placed, None),
        (
            "another, and there is no record",
            policy("b"),
            unscheduled("no"),
            None,
        ),
    ];
    for (what, placement, more, expected) in table {
        let mut world = world(
            &desired,
            vec![pod(&desired, 0, more)],
            vec![claim(&desired, 0, json!({}))],
        );
        world.placement = placement;
        assert_eq!(moves(&plan(&desired, &world)), Vec::from_iter(expected), "{what}");
    }
}

/// A Pod with a fixed node keeps its claim from going.
#[test]
fn a_pod_that_holds_the_claim_that_it_waits_for_lets_it_go() {
    let desired = desired(json!({}));
    let waits = json!({"status": {"phase": "Pending", "conditions": []}});
    let going = all(&[unbound(), terminating()]);
    let fixed = world(
        &desired,
        vec![pod(&desired, 0, waits.clone())],
        vec![claim(&desired, 0, going.clone())],
    );
    assert_eq!(
        moves(&plan(&desired, &fixed)),
        ["delete Pod db-0: never started, claim data-db-0 is made again"]
    );
    let free = all(&[waits, json!({"spec": {"nodeName": null}})]);
    let free = world(
        &desired,
        vec![pod(&desired, 0, free)],
        vec![claim(&desired, 0, going)],
    );
    assert_eq!(moves(&plan(&desired, &free)), Vec::<String>::new());
}
