//! The pause as a human holds it, and as it shows.

use std::time::Duration;

use anyhow::Result;
use api_types::vocabulary::PAUSED_BY;
use api_types::{Postgres, condition};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::cluster::TestNamespace;
use crate::wait;

const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(20);

/// Sets the annotation as a human would, and waits until the provisioner acknowledges it.
pub async fn take(namespace: &TestNamespace, database: &str, holder: &str) -> Result<Postgres> {
    annotate(namespace, database, json!(holder)).await?;
    wait::until(
        &namespace.api(),
        database,
        "Paused, naming the holder",
        ACKNOWLEDGEMENT_TIMEOUT,
        |p: &Postgres| {
            let conditions = p
                .status
                .as_ref()
                .map(|s| s.conditions.as_slice())
                .unwrap_or_default();
            condition::find(conditions, "Paused")
                .is_some_and(|c| c.is_true() && c.message.as_deref().is_some_and(|m| m.contains(holder)))
        },
    )
    .await
}

/// Removes the annotation, and waits until the provisioner works again.
pub async fn release(namespace: &TestNamespace, database: &str) -> Result<Postgres> {
    annotate(namespace, database, json!(null)).await?;
    released(namespace, database, ACKNOWLEDGEMENT_TIMEOUT).await
}

/// Waits until nobody holds the pause and the provisioner has seen it.
pub async fn released(namespace: &TestNamespace, database: &str, deadline: Duration) -> Result<Postgres> {
    wait::until(
        &namespace.api(),
        database,
        "neither paused nor Paused",
        deadline,
        |p: &Postgres| {
            let conditions = p
                .status
                .as_ref()
                .map(|s| s.conditions.as_slice())
                .unwrap_or_default();
            !p.annotations().contains_key(PAUSED_BY) && condition::find(conditions, "Paused").is_none()
        },
    )
    .await
}

async fn annotate(namespace: &TestNamespace, database: &str, value: serde_json::Value) -> Result<()> {
    let patch = json!({ "metadata": { "annotations": { PAUSED_BY: value } } });
    namespace
        .api::<Postgres>()
        .patch(database, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    Ok(())
}
