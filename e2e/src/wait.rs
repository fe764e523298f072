//! Waiting by watch, with a deadline and a message that says what was waited for and what was there instead.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use api_types::condition;
use api_types::ops_request::{OpsRequestPhase, PostgresOpsRequest};
use api_types::postgres::{DatabasePhase, Postgres};
use kube::runtime::wait::await_condition;
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Waits until the object fulfils `holds`; returns it.
pub async fn until<K, F>(api: &Api<K>, name: &str, what: &str, deadline: Duration, holds: F) -> Result<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + DeserializeOwned + Serialize + 'static,
    F: Fn(&K) -> bool,
{
    let condition = |object: Option<&K>| object.is_some_and(&holds);
    match tokio::time::timeout(deadline, await_condition(api.clone(), name, condition)).await {
        Ok(found) => found?.ok_or_else(|| anyhow!("{} {name} vanished", K::kind(&()))),
        Err(_) => Err(anyhow!(
            "{} {name}: {what}: not within {}s; it is now: {}",
            K::kind(&()),
            deadline.as_secs(),
            summary(api, name).await
        )),
    }
}

/// Waits until there is no object with this UID.
pub async fn gone<K>(api: &Api<K>, name: &str, uid: &str, deadline: Duration) -> Result<()>
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + DeserializeOwned + Serialize + 'static,
{
    let deleted = kube::runtime::conditions::is_deleted(uid);
    match tokio::time::timeout(deadline, await_condition(api.clone(), name, deleted)).await {
        Ok(found) => found.map(|_| ()).context("watch failed"),
        Err(_) => Err(anyhow!(
            "{} {name} is not gone within {}s; it is now: {}",
            K::kind(&()),
            deadline.as_secs(),
            summary(api, name).await
        )),
    }
}

/// Waits until a client can use the database: phase Ready, of this generation, and nobody holds a pause.
pub async fn database_ready(api: &Api<Postgres>, name: &str, deadline: Duration) -> Result<Postgres> {
    until(api, name, "phase Ready and not Paused", deadline, is_ready).await
}

/// Whether the database is Ready as of its present spec, and not paused.
pub fn is_ready(postgres: &Postgres) -> bool {
    let Some(status) = &postgres.status else {
        return false;
    };
    status.phase == Some(DatabasePhase::Ready)
        && status.observed_generation >= postgres.metadata.generation
        && !condition::is_true(&status.conditions, "Paused")
        && condition::is_true(&status.conditions, "Ready")
}

/// Waits until the request has ended, one way or the other.
pub async fn request_ended(
    api: &Api<PostgresOpsRequest>,
    name: &str,
    deadline: Duration,
) -> Result<PostgresOpsRequest> {
    until(api, name, "an end (Successful, Failed, …)", deadline, |r| {
        r.has_ended()
    })
    .await
}

/// Waits until the request is Successful; errors at once when it ends otherwise.
pub async fn request_successful(
    api: &Api<PostgresOpsRequest>,
    name: &str,
    deadline: Duration,
) -> Result<PostgresOpsRequest> {
    let request = request_ended(api, name, deadline).await?;
    match request.phase() {
        Some(OpsRequestPhase::Successful) => Ok(request),
        other => Err(anyhow!(
            "request {name} ended {other:?}: {}",
            last_words(&request)
        )),
    }
}

/// The message of the newest condition, which says why a request ended as it did.
pub fn last_words(request: &PostgresOpsRequest) -> String {
    let conditions = request.conditions();
    let failed = condition::find(conditions, "Failed").or(conditions.last());
    failed.map_or_else(
        || "no conditions".to_owned(),
        |c| format!("{}={}: {}", c.type_, c.status, c.message.as_deref().unwrap_or("")),
    )
}

async fn summary<K>(api: &Api<K>, name: &str) -> String
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Serialize,
{
    match api.get_opt(name).await {
        Ok(None) => "absent".to_owned(),
        Ok(Some(object)) => {
            let value = serde_json::to_value(&object).unwrap_or_default();
            format!(
                "resourceVersion {}, status {}",
                object.resource_version().unwrap_or_default(),
                value.get("status").unwrap_or(&serde_json::Value::Null)
            )
        }
        Err(error) => format!("unknown ({error})"),
    }
}
