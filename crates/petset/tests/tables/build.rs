//! PetSets, Pods and claims for the tables; every builder takes what differs from the usual, in JSON.

use api_types::PetSet;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use petset::decide::{Plan, decide};
use petset::moves::Move;
use petset::resolve::{Desired, resolve};
use petset::revision::choose;
use petset::world::World;
use serde_json::{Value, json};

/// UID of the PetSet.
pub const SET: &str = "uid-of-the-set";
/// When the decisions are made.
pub const NOW: &str = "2026-01-01T01:00:00Z";
/// Long before that.
pub const BORN: &str = "2026-01-01T00:00:00Z";

pub fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

/// What stands in `more` is laid over `base`; objects field by field, and null takes a field away.
pub fn merged(mut base: Value, more: &Value) -> Value {
    match (&mut base, more) {
        (Value::Object(fields), Value::Object(more)) => {
            for (key, value) in more {
                let there = fields.remove(key).unwrap_or(Value::Null);
                if !value.is_null() {
                    fields.insert(key.clone(), merged(there, value));
                }
            }
            base
        }
        (_, more) => more.clone(),
    }
}

/// A PetSet `db` as the provisioner makes them, in Parallel and with OnDelete.
pub fn set(more: Value) -> PetSet {
    let base = json!({
        "apiVersion": "apps.k8s.appscode.com/v1", "kind": "PetSet",
        "metadata": {"name": "db", "namespace": "shop", "uid": SET, "generation": 1},
        "spec": {
            "replicas": 1, "serviceName": "db-pods", "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "OnDelete"},
            "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [
                {"name": "helper", "image": "one"},
                {"name": "main", "image": "one", "volumeMounts": [{"name": "data", "mountPath": "/data"}]},
            ]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"storageClassName": "fast"}}],
        },
    });
    serde_json::from_value(merged(base, &more)).expect("a PetSet")
}

/// The same, resolved.
pub fn desired(more: Value) -> Desired {
    resolve(&set(more)).expect("a good PetSet")
}

/// Name of the revision of its template.
pub fn revision(desired: &Desired) -> String {
    choose(desired, &World::default()).update.name
}

fn owner() -> Value {
    json!([{"apiVersion": "apps.k8s.appscode.com/v1", "kind": "PetSet", "name": "db", "uid": SET, "controller": true}])
}

/// The Pod of an ordinal: of the PetSet's revision, on a node, running and ready.
pub fn pod(desired: &Desired, ordinal: i32, more: Value) -> Pod {
    let name = format!("db-{ordinal}");
    let base = json!({
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("uid-of-{name}"), "resourceVersion": "7",
            "creationTimestamp": BORN, "ownerReferences": owner(),
            "labels": {"app": "db", "controller-revision-hash": revision(desired),
                       "statefulset.kubernetes.io/pod-name": name,
                       "apps.kubernetes.io/pod-index": ordinal.to_string()},
        },
        "spec": {"nodeName": "node1", "containers": desired.template.spec.clone().unwrap_or_default().containers},
        "status": {"phase": "Running",
                   "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": BORN}]},
    });
    serde_json::from_value(merged(base, &more)).expect("a Pod")
}

/// What makes a Pod one that no node has taken.
pub fn unscheduled(message: &str) -> Value {
    json!({"spec": {"nodeName": null}, "status": {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]}})
}

/// What makes a Pod one whose containers are in these states, by name.
pub fn containers(states: &Value) -> Value {
    let statuses: Vec<Value> = states
        .as_object()
        .expect("states by container")
        .iter()
        .map(|(name, state)| {
            let usual =
                json!({"name": name, "image": "one", "imageID": "", "ready": false, "restartCount": 0});
            merged(usual, state)
        })
        .collect();
    let not_ready = json!([{"type": "PodScheduled", "status": "True"}, {"type": "Ready", "status": "False"}]);
    json!({"status": {"phase": "Pending", "conditions": not_ready, "containerStatuses": statuses}})
}

/// A claim as this controller makes it, bound.
pub fn claim(desired: &Desired, ordinal: i32, more: Value) -> PersistentVolumeClaim {
    let made = petset::claims::claims(desired, ordinal).remove(0);
    let name = made.metadata.name.clone().expect("a name");
    let base = merged(
        serde_json::to_value(made).expect("JSON"),
        &json!({
            "metadata": {"uid": format!("uid-of-{name}"), "resourceVersion": "3", "creationTimestamp": BORN,
                         "annotations": {"pv.kubernetes.io/bind-completed": "yes"}},
            "spec": {"volumeName": format!("pv-of-{name}")}, "status": {"phase": "Bound"},
        }),
    );
    serde_json::from_value(merged(base, &more)).expect("a claim")
}

/// What makes a claim one that waits for its volume.
pub fn unbound() -> Value {
    json!({"metadata": {"annotations": {"pv.kubernetes.io/bind-completed": null}},
           "spec": {"volumeName": null}, "status": {"phase": "Pending"}})
}

/// What makes an object one that is being deleted.
pub fn terminating() -> Value {
    json!({"metadata": {"deletionTimestamp": NOW}})
}

/// Several changes at once; the later ones win.
pub fn all(changes: &[Value]) -> Value {
    fn laid_over(base: &Value, more: &Value) -> Value {
        let (Value::Object(base), Value::Object(more)) = (base, more) else {
            return more.clone();
        };
        let mut both = base.clone();
        for (key, value) in more {
            let value = base
                .get(key)
                .map_or_else(|| value.clone(), |there| laid_over(there, value));
            both.insert(key.clone(), value);
        }
        Value::Object(both)
    }
    changes
        .iter()
        .fold(json!({}), |sum, change| laid_over(&sum, change))
}

/// A world in which the revision of the template is there already.
pub fn world(desired: &Desired, pods: Vec<Pod>, claims: Vec<PersistentVolumeClaim>) -> World {
    let chosen = choose(desired, &World::default());
    let revisions = chosen.moves.into_iter().filter_map(|each| match each {
        Move::CreateRevision(revision) => Some(*revision),
        _ => None,
    });
    World {
        pods,
        claims: claims
            .into_iter()
            .map(|claim| (claim.metadata.name.clone().expect("a name"), claim))
            .collect(),
        revisions: revisions.collect(),
        ..World::default()
    }
}

/// What is decided.
pub fn plan(desired: &Desired, world: &World) -> Plan {
    decide(desired, world, now())
}

/// The moves in short.
pub fn moves(plan: &Plan) -> Vec<String> {
    let hash = |text: String| {
        let words = text.split(' ').map(|word| match word.split_once("db-") {
            Some((before, rest)) if rest.trim_end_matches(',').len() == 10 => format!("{before}<revision>"),
            _ => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    };
    plan.moves.iter().map(|each| hash(each.to_string())).collect()
}

/// Reasons of the problems.
pub fn reasons(plan: &Plan) -> Vec<&'static str> {
    plan.problems.iter().map(|problem| problem.reason).collect()
}
