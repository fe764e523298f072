//! What users ask for while faults happen.

use std::time::Duration;

use anyhow::Result;
use api_types::{Postgres, PostgresOpsRequest};
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use super::Ground;
use crate::cluster::TestNamespace;
use crate::poll::{self, Look};
use crate::{manifests, requests};

const POLL_INTERVAL: Duration = Duration::from_secs(1);

pub(super) async fn restart(ground: &Ground<'_>, number: u32) -> Result<bool> {
    let name = format!("restart-{number:08x}");
    requests::create(ground.namespace, manifests::RESTART, &name, ground.database).await?;
    Ok(true)
}

/// One member more, or the number that there were.
pub(super) async fn scale(ground: &Ground<'_>) -> Result<bool> {
    let postgres = ground.namespace.api::<Postgres>().get(ground.database).await?;
    let more = postgres.spec.replicas == Some(ground.members);
    replicas(ground, ground.members + i32::from(more)).await
}

async fn replicas(ground: &Ground<'_>, replicas: i32) -> Result<bool> {
    let patch = Patch::Merge(json!({ "spec": { "replicas": replicas } }));
    let api = ground.namespace.api::<Postgres>();
    api.patch(ground.database, &PatchParams::default(), &patch)
        .await?;
    Ok(true)
}

/// The issuers that [`reconfigure_tls`] needs.
pub async fn two_issuers(namespace: &TestNamespace) -> Result<()> {
    requests::issuers(namespace).await
}

/// TLS is added where there is none; otherwise it is rotated, moved to the other issuer, or removed.
pub(super) async fn reconfigure_tls(ground: &Ground<'_>, number: u32) -> Result<bool> {
    let postgres = ground.namespace.api::<Postgres>().get(ground.database).await?;
    let manifest = match (postgres.spec.tls, number % 3) {
        (None, _) => manifests::ADD_TLS_MD5,
        (Some(_), 0) => manifests::ROTATE_TLS,
        (Some(_), 1) => manifests::CHANGE_ISSUER,
        (Some(_), _) => manifests::REMOVE_TLS,
    };
    let manifest = manifests::with_restart(manifest, "auto");
    let name = format!("tls-{number:08x}");
    requests::create(ground.namespace, &manifest, &name, ground.database).await?;
    Ok(true)
}

/// Waits until every request has ended, and there are as many members as before.
///
/// # Errors
/// One does not end.
pub async fn settle(ground: &Ground<'_>, within: Duration) -> Result<()> {
    replicas(ground, ground.members).await?;
    let api = ground.namespace.api::<PostgresOpsRequest>();
    poll::until("the end of every request", within, POLL_INTERVAL, || async {
        let all = api.list(&ListParams::default()).await?;
        let open: Vec<String> = all
            .iter()
            .filter(|it| !it.has_ended())
            .map(ResourceExt::name_any)
            .collect();
        let postgres = ground.namespace.api::<Postgres>().get(ground.database).await?;
        let members = crate::members::list(ground.namespace, ground.database)
            .await?
            .len();
        let is_scaled =
            i32::try_from(members) == Ok(ground.members) && postgres.spec.replicas == Some(ground.members);
        Ok(if open.is_empty() && is_scaled {
            Look::Found(())
        } else {
            Look::NotYet(format!("{open:?} are open, {members} members"))
        })
    })
    .await
}
