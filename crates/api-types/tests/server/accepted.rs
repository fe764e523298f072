//! Every manifest that KubeDB documents is accepted as it is, and read back with all it says.

use kube::ResourceExt;
use serde_json::Value;
use testkit::manifests::{lost, objects};

use crate::{apply, read, server};

async fn is_accepted(namespace: &str, yaml: &str) {
    let Some((_server, client)) = server(namespace).await else {
        return;
    };
    let mut failures = Vec::new();
    for object in objects(yaml) {
        let name = object.name_any();
        if let Err(error) = apply(&client, namespace, &object).await {
            failures.push(format!("{name}: refused: {error}"));
            continue;
        }
        let read = read(&client, namespace, &object)
            .await
            .expect("it was just written");
        let written = serde_json::to_value(&object).expect("an object is JSON");
        let read = serde_json::to_value(&read).expect("an object is JSON");
        failures.extend(
            lost(&written, &read)
                .into_iter()
                .map(|loss| format!("{name}: {loss}")),
        );
        failures.extend(unreadable(&read).map(|error| format!("{name}: our types cannot read it: {error}")));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Why the operators could not read the stored object.
fn unreadable(object: &Value) -> Option<serde_json::Error> {
    let object = object.clone();
    match object["kind"].as_str().unwrap_or_default() {
        "Postgres" => serde_json::from_value::<api_types::Postgres>(object).err(),
        "PostgresOpsRequest" => serde_json::from_value::<api_types::PostgresOpsRequest>(object).err(),
        "PostgresVersion" => serde_json::from_value::<api_types::PostgresVersion>(object).err(),
        "PlacementPolicy" => serde_json::from_value::<api_types::PlacementPolicy>(object).err(),
        "AppBinding" => serde_json::from_value::<api_types::AppBinding>(object).err(),
        other => panic!("no test knows the kind {other}"),
    }
}

#[tokio::test]
async fn documented_databases() {
    is_accepted("documented-postgres", include_str!("../documented/postgres.yaml")).await;
}

#[tokio::test]
async fn documented_databases_of_the_old_version() {
    is_accepted("documented-old", include_str!("../documented/old_version.yaml")).await;
}

#[tokio::test]
async fn documented_requests() {
    is_accepted(
        "documented-requests",
        include_str!("../documented/ops_request.yaml"),
    )
    .await;
}

#[tokio::test]
async fn documented_kinds_around_a_database() {
    is_accepted("documented-around", include_str!("../documented/around.yaml")).await;
}
