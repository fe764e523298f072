//! The golden round trip, for each kind: manifest → our types → API server → our types, with every field set.

use std::collections::BTreeSet;

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use testkit::manifests::{documents, lost, objects};

use crate::{api, apply, read, server};

/// Fields that no manifest sets: in a `status` that operators write and their own tests cover.
const BY_OPERATORS: [&str; 1] = [".status"];

/// Fields that users may write and operators have no use for: the server keeps them, our types do not read them.
/// The documented manifests cover them.
const ONLY_STORED: [&str; 4] = [
    ".spec.secret.apiGroup",
    ".spec.secret.kind",
    ".spec.tlsSecret.apiGroup",
    ".spec.tlsSecret.kind",
];

/// Takes the objects of one kind around: into our types and back, onto the server and back.
async fn goes_round<K>(namespace: &str, yaml: &str)
where
    K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + JsonSchema,
{
    let kind = K::kind(&());
    let manifests: Vec<Value> = documents(yaml)
        .into_iter()
        .filter(|d| d["kind"] == *kind)
        .collect();
    assert!(!manifests.is_empty(), "no manifest of {kind}");
    every_field_is_set::<K>(&manifests);
    for manifest in &manifests {
        types_keep_all::<K>(manifest);
    }
    let Some((_server, client)) = server(namespace).await else {
        return;
    };
    for object in objects(yaml)
        .into_iter()
        .filter(|o| o.types.as_ref().is_some_and(|t| t.kind == *kind))
    {
        let name = object.name_any();
        let written = serde_json::to_value(&object).expect("an object is JSON");
        let mut without_status = object.clone();
        if let Some(data) = without_status.data.as_object_mut() {
            data.remove("status");
        }
        apply(&client, namespace, &without_status)
            .await
            .unwrap_or_else(|error| panic!("{kind} {name}: {error}"));
        if written.get("status").is_some() {
            write_status(&client, namespace, &object).await;
        }
        let stored = read(&client, namespace, &object)
            .await
            .expect("it was just written");
        let stored = serde_json::to_value(&stored).expect("an object is JSON");
        let losses = lost(&written, &stored);
        assert!(losses.is_empty(), "{kind} {name}: the server lost {losses:?}");
        types_keep_all::<K>(&stored);
    }
}

/// Our types read an object and write all of it again.
fn types_keep_all<K: Serialize + DeserializeOwned>(object: &Value) {
    let typed: K = serde_json::from_value(object.clone()).expect("our types can read it");
    let again = serde_json::to_value(&typed).expect("our types can write it");
    for part in ["spec", "status"] {
        if let Some(part_before) = object.get(part) {
            let losses = lost(part_before, &again[part]);
            assert!(losses.is_empty(), "our types lost in {part}: {losses:?}");
        }
    }
}

async fn write_status(client: &kube::Client, namespace: &str, object: &DynamicObject) {
    let status = serde_json::json!({"status": object.data["status"]});
    api(client, namespace, object)
        .patch_status(&object.name_any(), &PatchParams::default(), &Patch::Merge(status))
        .await
        .expect("the status can be written");
}

/// The manifests together set every field of our own types.
fn every_field_is_set<K: JsonSchema>(manifests: &[Value]) {
    let mut set = BTreeSet::new();
    for manifest in manifests {
        collect("", manifest, &mut set);
    }
    let missing: Vec<String> = api_types::crds::own_fields::<K>()
        .into_iter()
        .filter(|field| !set.contains(&normal(field)) && !ONLY_STORED.contains(&field.as_str()))
        .filter(|field| {
            let by_operators = BY_OPERATORS.iter().any(|prefix| field.starts_with(prefix));
            !by_operators || manifests.iter().any(|m| m.get("status").is_some())
        })
        .collect();
    assert!(
        missing.is_empty(),
        "not set in any manifest: {}",
        missing.join(", ")
    );
}

/// A map's keys are data, not fields.
fn normal(field: &str) -> String {
    field.replace("{}", "")
}

fn collect(path: &str, value: &Value, set: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let path = format!("{path}.{key}");
                set.insert(path.clone());
                collect(&path, value, set);
            }
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect(&format!("{path}[]"), item, set)),
        _ => {}
    }
}

#[tokio::test]
async fn postgres() {
    goes_round::<api_types::Postgres>("complete-postgres", include_str!("../complete/postgres.yaml")).await;
}

#[tokio::test]
async fn ops_request() {
    let yaml = include_str!("../complete/ops_request.yaml");
    goes_round::<api_types::PostgresOpsRequest>("complete-requests", yaml).await;
}

#[tokio::test]
async fn version() {
    goes_round::<api_types::PostgresVersion>("complete-version", include_str!("../complete/around.yaml"))
        .await;
}

#[tokio::test]
async fn placement_policy() {
    goes_round::<api_types::PlacementPolicy>("complete-placement", include_str!("../complete/around.yaml"))
        .await;
}

#[tokio::test]
async fn pet_set() {
    goes_round::<api_types::PetSet>("complete-petset", include_str!("../complete/around.yaml")).await;
}

#[tokio::test]
async fn app_binding() {
    goes_round::<api_types::AppBinding>("complete-binding", include_str!("../complete/around.yaml")).await;
}
