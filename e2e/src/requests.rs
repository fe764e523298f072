//! Operations as users ask for them.

use std::time::Duration;

use anyhow::{Context, Result};
use api_types::PostgresOpsRequest;
use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt;
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};

use crate::cluster::TestNamespace;
use crate::{manifests, wait};

/// Creates the request of this manifest for another database and under another name than it says.
pub async fn create(
    namespace: &TestNamespace,
    yaml: &str,
    name: &str,
    database: &str,
) -> Result<PostgresOpsRequest> {
    let mut request: PostgresOpsRequest = manifests::parse(yaml)?;
    request.metadata.name = Some(name.to_owned());
    request.spec.database_ref.name = database.to_owned();
    create_as_is(namespace, &request).await
}

/// A request of this type, with these fields beside its type and its database.
pub fn of(name: &str, database: &str, type_: &str, fields: &Value) -> Result<PostgresOpsRequest> {
    let mut spec = fields.clone();
    spec["type"] = json!(type_);
    spec["databaseRef"] = json!({ "name": database });
    let request = json!({
        "apiVersion": "ops.kubedb.com/v1alpha1", "kind": "PostgresOpsRequest",
        "metadata": { "name": name },
        "spec": spec,
    });
    Ok(serde_json::from_value(request)?)
}

/// Creates a request.
pub async fn create_as_is(
    namespace: &TestNamespace,
    request: &PostgresOpsRequest,
) -> Result<PostgresOpsRequest> {
    let api = namespace.api::<PostgresOpsRequest>();
    api.create(&PostParams::default(), request)
        .await
        .with_context(|| format!("request {} was not admitted", request.name_any()))
}

/// Creates it and waits until it is Successful.
pub async fn run(
    namespace: &TestNamespace,
    yaml: &str,
    name: &str,
    database: &str,
    deadline: Duration,
) -> Result<PostgresOpsRequest> {
    create(namespace, yaml, name, database).await?;
    wait::request_successful(&namespace.api(), name, deadline).await
}

/// Reasons and messages of the Events on a request, oldest first.
pub async fn events(
    namespace: &TestNamespace,
    request: &PostgresOpsRequest,
) -> Result<Vec<(String, String)>> {
    let uid = request.uid().unwrap_or_default();
    let params = ListParams::default().fields(&format!("involvedObject.uid={uid}"));
    let mut events = namespace.api::<Event>().list(&params).await?.items;
    events.sort_by_key(|e| {
        let recorded = e
            .event_time
            .as_ref()
            .map(|t| t.0)
            .or(e.last_timestamp.as_ref().map(|t| t.0));
        (recorded, e.metadata.creation_timestamp.as_ref().map(|t| t.0))
    });
    let words = |e: Event| (e.reason.unwrap_or_default(), e.message.unwrap_or_default());
    Ok(events.into_iter().map(words).collect())
}

/// Condition types of a request, in their order.
pub fn conditions(request: &PostgresOpsRequest) -> Vec<&str> {
    request.conditions().iter().map(|c| c.type_.as_str()).collect()
}

/// Makes the two issuers of these tests, and waits until both can sign.
pub async fn issuers(namespace: &TestNamespace) -> Result<()> {
    manifests::apply(namespace, manifests::ISSUERS).await?;
    for issuer in ["pg-issuer", "pg-new-issuer"] {
        issuer_ready(namespace, issuer).await?;
    }
    Ok(())
}

/// Waits until an Issuer can sign.
pub async fn issuer_ready(namespace: &TestNamespace, name: &str) -> Result<()> {
    let ready = |issuer: &api_types::cert_manager::Issuer| {
        let conditions = issuer
            .status
            .as_ref()
            .map(|s| s.conditions.as_slice())
            .unwrap_or_default();
        conditions
            .iter()
            .any(|c| c.type_ == "Ready" && c.status == "True")
    };
    wait::until(&namespace.api(), name, "Ready", Duration::from_secs(30), ready)
        .await
        .map(|_| ())
}
