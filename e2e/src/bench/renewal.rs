//! A certificate that cert-manager issues anew by itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use api_types::names;
use api_types::tls::CertificateAlias;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher::watch_object;

use super::PROVISIONING_TIMEOUT;
use crate::cluster::TestNamespace;
use crate::pki::CertificateSecret;
use crate::served::Served;
use crate::writer::Writer;
use crate::{members, pki, wait};

const ISSUANCE_TIMEOUT: Duration = Duration::from_secs(60);
/// Asks members from inside the cluster: a handshake through the API server takes longer than what is measured.
const SERVED: &str = include_str!("served.py");

/// From the change of the server certificate's Secret until every member was seen to serve it.
pub(super) async fn measure(writer: &Writer, namespace: &TestNamespace, database: &str) -> Result<Duration> {
    let name = names::certificate(database, CertificateAlias::Server);
    let old = pki::certificate(namespace, database, CertificateAlias::Server).await?;
    let mut command = vec!["python3", "-c", SERVED, &old.leaf.fingerprint];
    let hosts: Vec<String> = members::list(namespace, database)
        .await?
        .iter()
        .map(|member| format!("{}.{}", member.name, names::governing_service(database)))
        .collect();
    command.extend(hosts.iter().map(String::as_str));
    let (issued, renewed, served) = tokio::join!(
        another_leaf(namespace, &name, &old.leaf),
        pki::renew(namespace, &name),
        writer.run(&command)
    );
    renewed?;
    let served: f64 = served?.trim().parse().context("not served by all in time")?;
    let served = UNIX_EPOCH + Duration::from_secs_f64(served);
    wait::database_ready(&namespace.api(), database, PROVISIONING_TIMEOUT).await?;
    Ok(served.duration_since(issued?).unwrap_or_default())
}

/// When the Secret is seen to hold another leaf than this.
async fn another_leaf(namespace: &TestNamespace, secret: &str, old: &Served) -> Result<SystemTime> {
    let look = async {
        let mut versions = watch_object(namespace.api::<Secret>(), secret).boxed();
        while let Some(version) = versions.try_next().await? {
            let seen = SystemTime::now();
            let held = version.as_ref().map(CertificateSecret::of).transpose()?;
            if held.is_some_and(|held| held.leaf != *old) {
                return Ok(seen);
            }
        }
        anyhow::bail!("the watch of Secret {secret} ended")
    };
    let late = || {
        format!(
            "Secret {secret} was not reissued within {}s",
            ISSUANCE_TIMEOUT.as_secs()
        )
    };
    tokio::time::timeout(ISSUANCE_TIMEOUT, look)
        .await
        .with_context(late)?
}
