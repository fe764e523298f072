//! A certificate that cert-manager issues anew by itself.

use std::time::Duration;

use anyhow::{Context, Result};
use api_types::names;
use api_types::tls::CertificateAlias;
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher::watch_object;
use tokio::time::Instant;

use super::PROVISIONING;
use crate::cluster::TestNamespace;
use crate::pki::CertificateSecret;
use crate::poll::{self, Look};
use crate::served::Served;
use crate::{members, pki, wait};

const ISSUED: Duration = Duration::from_secs(60);
const SERVED: Duration = Duration::from_secs(90);
/// How often each member is asked; a handshake through the API server takes longer.
const EVERY: Duration = Duration::from_millis(10);

/// From the change of the server certificate's Secret until every member serves it.
pub(super) async fn measure(namespace: &TestNamespace, database: &str) -> Result<Duration> {
    let name = names::certificate(database, CertificateAlias::Server);
    let old = pki::certificate(namespace, database, CertificateAlias::Server).await?;
    let issued = another_leaf(namespace, &name, &old.leaf);
    let (issued, renewed) = tokio::join!(issued, pki::renew(namespace, &name));
    renewed?;
    let (begin, leaf) = issued?;
    let all = members::list(namespace, database).await?;
    try_join_all(all.iter().map(|member| serves(namespace, &member.name, &leaf))).await?;
    let served = begin.elapsed();
    wait::database_ready(&namespace.api(), database, PROVISIONING).await?;
    Ok(served)
}

/// When the Secret is seen to hold another leaf than this, and which.
async fn another_leaf(namespace: &TestNamespace, secret: &str, old: &Served) -> Result<(Instant, Served)> {
    let look = async {
        let mut versions = watch_object(namespace.api::<Secret>(), secret).boxed();
        while let Some(version) = versions.try_next().await? {
            let seen = Instant::now();
            let held = version.as_ref().map(CertificateSecret::of).transpose()?;
            if let Some(held) = held.filter(|held| held.leaf != *old) {
                return Ok((seen, held.leaf));
            }
        }
        anyhow::bail!("the watch of Secret {secret} ended")
    };
    let late = || format!("Secret {secret} was not issued anew within {}s", ISSUED.as_secs());
    tokio::time::timeout(ISSUED, look).await.with_context(late)?
}

async fn serves(namespace: &TestNamespace, member: &str, leaf: &Served) -> Result<()> {
    poll::until("the new certificate", SERVED, EVERY, || async {
        let served = members::served(namespace, member).await?;
        Ok(if served.as_ref() == Some(leaf) {
            Look::Found(())
        } else {
            Look::NotYet(format!("{member} serves {served:?}"))
        })
    })
    .await
}
