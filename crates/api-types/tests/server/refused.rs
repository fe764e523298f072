//! What the API server refuses, and the words that tell what to write instead.

use kube::api::DynamicObject;
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::manifests::documents;

use crate::{apply, server};

/// A spec that is refused, or a change from one spec to another.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Name of the object; the case's number when it is not given.
    name: Option<String>,
    /// Merged over [`BASE`] or the other kind's; accepted.
    from: Option<Value>,
    /// Merged over `from`, or over the base; refused.
    spec: Value,
    /// A part of the refusal.
    message: String,
}

async fn is_refused(namespace: &str, api_version: &str, kind: &str, base: &Value, yaml: &str) {
    let Some((_server, client)) = server(namespace).await else {
        return;
    };
    let mut failures = Vec::new();
    for (number, case) in documents(yaml).into_iter().enumerate() {
        let case: Case = serde_json::from_value(case).unwrap_or_else(|e| panic!("case {number}: {e}"));
        let name = case.name.clone().unwrap_or_else(|| format!("case-{number}"));
        let object = |spec: &Value| -> DynamicObject {
            serde_json::from_value(json!({
                "apiVersion": api_version, "kind": kind, "metadata": {"name": name}, "spec": spec
            }))
            .expect("a manifest")
        };
        let mut spec = base.clone();
        if let Some(from) = &case.from {
            merge(&mut spec, from);
            if let Err(error) = apply(&client, namespace, &object(&spec)).await {
                failures.push(format!("{name}: should be accepted before the change: {error}"));
            }
        }
        merge(&mut spec, &case.spec);
        match apply(&client, namespace, &object(&spec)).await {
            Ok(_) => failures.push(format!("{name}: {spec} was accepted")),
            Err(error) if error.to_string().contains(&case.message) => {}
            Err(error) => failures.push(format!("{name}: refused with other words: {error}")),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// JSON merge patch (RFC 7396).
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        let target = target.as_object_mut().expect("made an object above");
        match value {
            Value::Null => drop(target.remove(key)),
            value => merge(target.entry(key.clone()).or_insert(Value::Null), value),
        }
    }
}

#[tokio::test]
async fn databases() {
    let base = json!({
        "version": "17.4",
        "storage": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    });
    let cases = include_str!("../refused/postgres.yaml");
    is_refused("refused-postgres", "kubedb.com/v1", "Postgres", &base, cases).await;
}

#[tokio::test]
async fn requests() {
    let base = json!({"type": "Restart", "databaseRef": {"name": "pg"}});
    let cases = include_str!("../refused/ops_request.yaml");
    is_refused(
        "refused-requests",
        "ops.kubedb.com/v1alpha1",
        "PostgresOpsRequest",
        &base,
        cases,
    )
    .await;
}
