//! What `kubectl get` shows, as the API server prints it.

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use crate::{api, apply, server};

/// What `kubectl get` asks for.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// Cells of an object by column, `-o wide` included; without its age.
async fn printed(client: &Client, path: &str) -> Vec<(String, Value)> {
    let request = http::Request::get(path)
        .header("Accept", TABLE)
        .body(Vec::new())
        .expect("a request");
    let table: Value = client.request(request).await.expect("a table");
    let columns = table["columnDefinitions"].as_array().expect("columns").iter();
    let cells = table["rows"][0]["cells"].as_array().expect("a row").iter();
    columns
        .zip(cells)
        .filter(|(column, _)| column["name"] != "Age")
        .map(|(column, cell)| {
            let wide = if column["priority"] == 0 { "" } else { "wide " };
            (
                format!("{wide}{}", column["name"].as_str().unwrap_or_default()),
                cell.clone(),
            )
        })
        .collect()
}

async fn with_status(client: &Client, namespace: &str, object: Value, status: Value) {
    let object: DynamicObject = serde_json::from_value(object).expect("an object");
    apply(client, namespace, &object).await.expect("it is accepted");
    let status = json!({"status": status});
    api(client, namespace, &object)
        .patch_status(&object.name_any(), &PatchParams::default(), &Patch::Merge(status))
        .await
        .expect("the status can be written");
}

fn condition(type_: &str, status: &str, message: &str) -> Value {
    json!({
        "type": type_, "status": status, "reason": type_, "message": message,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    })
}

#[tokio::test]
async fn a_database_shows_its_tls_and_who_holds_its_pause() {
    const NAMESPACE: &str = "printed-database";
    let Some((_server, client)) = server(NAMESPACE).await else {
        return;
    };
    let database = json!({
        "apiVersion": "kubedb.com/v1", "kind": "Postgres",
        "metadata": {"name": "pg", "annotations": {api_types::vocabulary::PAUSED_BY: "add-tls/4711"}},
        "spec": {
            "version": "17.4", "replicas": 3, "storageType": "Ephemeral", "deletionPolicy": "WipeOut",
            "sslMode": "verify-full", "clientAuthMode": "cert",
            "tls": {"issuerRef": {"apiGroup": "cert-manager.io", "kind": "Issuer", "name": "pg-issuer"}},
        },
    });
    let conditions = [
        condition("Ready", "True", "The PostgreSQL: demo/pg is ready."),
        condition("SpecApplied", "False", "spec.sslMode was edited"),
        condition("IssuerCAChanged", "True", "another CA"),
    ];
    with_status(
        &client,
        NAMESPACE,
        database,
        json!({
            "phase": "Ready", "conditions": conditions,
            "tls": {"mode": "Required", "earliestExpiry": "2026-04-01T00:00:00Z"},
        }),
    )
    .await;
    let path = format!("/apis/kubedb.com/v1/namespaces/{NAMESPACE}/postgreses");
    let expected = [
        ("Name", json!("pg")),
        ("Version", json!("17.4")),
        ("Status", json!("Ready")),
        ("TLS", json!("Required")),
        ("TLS-Expiry", json!("2026-04-01T00:00:00Z")),
        ("Paused-By", json!("add-tls/4711")),
        ("wide Replicas", json!(3)),
        ("wide Issuer", json!("pg-issuer")),
        ("wide SSL-Mode", json!("verify-full")),
        ("wide Client-Auth", json!("cert")),
        ("wide Spec-Applied", json!("False")),
        ("wide Issuer-CA-Changed", json!("True")),
        ("wide Message", json!("The PostgreSQL: demo/pg is ready.")),
    ];
    assert_eq!(
        printed(&client, &path).await,
        expected.map(|(name, cell)| (name.to_owned(), cell))
    );
}

#[tokio::test]
async fn a_request_shows_its_database_and_the_step_that_it_is_at() {
    const NAMESPACE: &str = "printed-request";
    let Some((_server, client)) = server(NAMESPACE).await else {
        return;
    };
    let request = json!({
        "apiVersion": "ops.kubedb.com/v1alpha1", "kind": "PostgresOpsRequest", "metadata": {"name": "restart"},
        "spec": {"type": "Restart", "databaseRef": {"name": "pg"}},
    });
    let conditions = [
        condition("Restart", "True", "begun"),
        condition("DatabasePauseSucceeded", "True", "paused"),
        condition("RestartNodes", "False", "evict pg-1"),
        condition("EvictPod--pg-1", "False", "evict pod"),
    ];
    let status = json!({"phase": "Progressing", "conditions": conditions});
    with_status(&client, NAMESPACE, request, status).await;
    let path = format!("/apis/ops.kubedb.com/v1alpha1/namespaces/{NAMESPACE}/postgresopsrequests");
    let expected = [
        ("Name", json!("restart")),
        ("Type", json!("Restart")),
        ("Status", json!("Progressing")),
        ("Database", json!("pg")),
        ("Step", json!("RestartNodes")),
        ("wide Message", json!("evict pg-1")),
        ("wide Failure", json!(null)),
    ];
    assert_eq!(
        printed(&client, &path).await,
        expected.map(|(name, cell)| (name.to_owned(), cell))
    );
}

#[tokio::test]
async fn a_request_that_failed_shows_why() {
    const NAMESPACE: &str = "printed-failure";
    let Some((_server, client)) = server(NAMESPACE).await else {
        return;
    };
    let request = json!({
        "apiVersion": "ops.kubedb.com/v1alpha1", "kind": "PostgresOpsRequest", "metadata": {"name": "add-tls"},
        "spec": {"type": "Restart", "databaseRef": {"name": "pg"}},
    });
    let why = "there is no Issuer pg-issuer";
    let status = json!({"phase": "Failed", "conditions": [condition("Failed", "True", why)]});
    with_status(&client, NAMESPACE, request, status).await;
    let path = format!("/apis/ops.kubedb.com/v1alpha1/namespaces/{NAMESPACE}/postgresopsrequests");
    let printed = printed(&client, &path).await;
    let cell = |column: &str| {
        printed
            .iter()
            .find(|(name, _)| name == column)
            .map(|(_, cell)| cell.clone())
    };
    assert_eq!(cell("Status"), Some(json!("Failed")));
    assert_eq!(cell("wide Failure"), Some(json!(why)));
}
