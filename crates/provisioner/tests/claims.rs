//! Claims that are being deleted under members: what is said, and what is left up because of it.

mod world;

use api_types::postgres::DeletionPolicy;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use provisioner::decide::{claims::vanishing, decide};
use provisioner::plan::Change;
use provisioner::world::World;
use serde_json::{Value, json};
use world::*;

/// A claim in this state: `bound`, `going`, `waiting`, `gone`.
fn claim_in(state: &str, ordinal: i32) -> Option<PersistentVolumeClaim> {
    let mut value = serde_json::to_value(claim(ordinal)).expect("JSON");
    value["spec"] = json!({"volumeName": format!("pv-{ordinal}"), "storageClassName": "standard", "accessModes": ["ReadWriteOnce"],
                           "resources": {"requests": {"storage": "1Gi"}}});
    value["status"] = json!({"phase": "Bound"});
    match state {
        "going" => value["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"),
        "waiting" => value["status"] = json!({"phase": "Pending"}),
        "waiting and going" => {
            value["status"] = json!({"phase": "Pending"});
            value["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        }
        "gone" => return None,
        _ => {}
    }
    serde_json::from_value(value).ok()
}

fn on_a_node(ordinal: i32, more: &Value) -> Pod {
    let mut value = serde_json::to_value(pod(ordinal)).expect("JSON");
    value["spec"] = json!({"containers": [], "nodeName": "node1", "volumes": [
        {"name": "data", "persistentVolumeClaim": {"claimName": format!("data-pg-{ordinal}")}}]});
    value["status"]["phase"] = json!("Running");
    json_patch::merge(&mut value, more);
    serde_json::from_value(value).expect("a Pod")
}

/// A running database whose claims are in these states.
fn with_claims(states: &[&str]) -> World {
    let mut world = running(json!({"replicas": states.len()}));
    let ordinals = || (0..).zip(states);
    world.pods = ordinals()
        .map(|(ordinal, _)| on_a_node(ordinal, &json!({})))
        .collect();
    world.leftovers.claims = ordinals()
        .filter_map(|(ordinal, state)| claim_in(state, ordinal))
        .collect();
    world
}

#[test]
fn the_condition_names_the_claim_and_what_is_lost() {
    let table: [(&[&str], Option<&[&str]>); 8] = [
        (&["bound"], None),
        (&["waiting"], None),
        (&["waiting and going"], None),
        (
            &["going"],
            Some(&[
                "data-pg-0",
                "PersistentVolume pv-0",
                "Pod pg-0",
                "all data of the database is lost",
                "Retain",
            ]),
        ),
        (
            &["gone"],
            Some(&[
                "data-pg-0 does not exist any more",
                "all data of the database is lost",
                "pg_dump",
            ]),
        ),
        (
            &["going", "bound", "bound"],
            Some(&["data-pg-0", "left on pg-1, pg-2 only, from where pg-0 is copied"]),
        ),
        (
            &["bound", "going", "going"],
            Some(&[
                "data-pg-1",
                "data-pg-2",
                "left on pg-0 only, from where pg-1, pg-2 is copied",
            ]),
        ),
        (
            &["going", "going", "going"],
            Some(&[
                "data-pg-0",
                "data-pg-1",
                "data-pg-2",
                "all data of the database is lost",
            ]),
        ),
    ];
    for (states, expected) in table {
        let world = with_claims(states);
        let plan = decide(&world);
        match (set(&plan, "ClaimTerminating"), expected) {
            (None, None) => assert!(
                plan.changes.contains(&Change::Remove("ClaimTerminating")),
                "{states:?}"
            ),
            (Some((status, reason, message)), Some(parts)) => {
                assert!(status && reason == "ClaimTerminating", "{states:?}");
                for part in parts {
                    assert!(message.contains(part), "{states:?}: {message}");
                }
                assert!(
                    plan.news.iter().any(|news| news.warning && news.note == message),
                    "{states:?}"
                );
            }
            (found, _) => panic!("{states:?}: {found:?}"),
        }
    }
}

#[test]
fn others_have_the_data_only_while_they_are_ready() {
    let mut world = with_claims(&["going", "bound"]);
    world.pods[1] = on_a_node(
        1,
        &json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}),
    );
    let plan = decide(&world);
    assert!(
        set(&plan, "ClaimTerminating").is_some_and(|it| it.2.contains("all data of the database is lost"))
    );
}

#[test]
fn only_a_pod_that_a_node_has_keeps_its_claim() {
    let states = [
        (json!({}), true),
        (json!({"spec": {"nodeName": null}}), false),
        (json!({"spec": {"volumes": null}}), false),
        (
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
            true,
        ),
        (json!({"status": {"phase": "Failed"}}), true),
    ];
    for (more, expected) in states {
        let mut world = with_claims(&["going"]);
        world.pods = vec![on_a_node(0, &more)];
        assert_eq!(vanishing(&world).len(), usize::from(expected), "{more}");
    }
}

#[test]
fn it_is_said_during_a_pause_and_taken_back_when_it_is_over() {
    let held = pause(with_claims(&["going", "bound"]), "restart-1/0a1b");
    let plan = decide(&held);
    assert!(set(&plan, "ClaimTerminating").is_some());
    assert!(plan.actions.is_empty(), "{:?}", actions(&plan));
    let over = World {
        leftovers: with_claims(&["bound", "bound"]).leftovers,
        ..reported(held, &plan)
    };
    assert!(
        decide(&over)
            .changes
            .contains(&Change::Remove("ClaimTerminating"))
    );
}

/// Halt promises to keep the data, so it does not end the Pods that still hold it.
#[test]
fn a_halt_and_a_deletion_that_keep_data_wait() {
    for (states, waits) in [
        (&["bound"][..], false),
        (&["going"], true),
        (&["going", "bound"], true),
        (&["waiting and going"], false),
    ] {
        let halted = edit(with_claims(states), |spec| spec.halted = Some(true));
        let plan = decide(&halted);
        assert_eq!(
            actions(&plan).contains(&"delete PetSet pg".to_owned()),
            !waits,
            "halted, {states:?}"
        );
        assert_eq!(
            set(&plan, "SpecApplied").is_some_and(|it| it.1 == "ClaimTerminating"),
            waits,
            "halted, {states:?}"
        );

        for policy in [
            DeletionPolicy::Halt,
            DeletionPolicy::Delete,
            DeletionPolicy::WipeOut,
        ] {
            let keeps = policy == DeletionPolicy::Halt && waits;
            let deleted = delete(edit(with_claims(states), |spec| {
                spec.deletion_policy = Some(policy)
            }));
            let plan = decide(&deleted);
            assert_eq!(
                actions(&plan).contains(&"delete PetSet pg".to_owned()),
                !keeps,
                "{policy:?}, {states:?}"
            );
            assert_eq!(
                set(&plan, "DeletionBlocked").is_some_and(|it| it.1 == "ClaimTerminating"),
                keeps,
                "{policy:?}, {states:?}"
            );
        }
    }
}

/// All goes with a namespace, the claims too: nothing would be kept by waiting.
#[test]
fn a_namespace_that_goes_is_not_held_up() {
    let mut deleted = delete(edit(with_claims(&["going"]), |spec| {
        spec.deletion_policy = Some(DeletionPolicy::Halt)
    }));
    for child in &mut deleted.live {
        if let provisioner::child::Child::PetSet(pet_set) = child {
            pet_set.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).ok();
        }
    }
    assert_eq!(set(&decide(&deleted), "DeletionBlocked"), None);
}

/// `terminationPolicy` is the spelling of `kubedb.com/v1alpha2`.
#[test]
fn the_old_spelling_of_the_deletion_policy_counts() {
    for policy in ["Halt", "Delete", "WipeOut", "DoNotTerminate"] {
        let of = |field: &str| {
            let mut world = delete(running(json!({field: policy})));
            world.live.clear();
            world.pods.clear();
            world.leftovers.claims = vec![claim(0)];
            decide(&world)
        };
        let (new, old) = (of("deletionPolicy"), of("terminationPolicy"));
        assert_eq!(actions(&new), actions(&old), "{policy}");
        let deletes = actions(&old).contains(&"delete claim data-pg-0".to_owned());
        assert_eq!(deletes, ["Delete", "WipeOut"].contains(&policy), "{policy}");
        assert_eq!(
            set(&old, "DeletionBlocked").is_some(),
            policy == "DoNotTerminate",
            "{policy}"
        );
    }
}
