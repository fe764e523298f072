//! A certificate that cert-manager issues anew by itself reaches every member, and nobody is restarted for it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use api_types::cert_manager::{Certificate, IssuerCondition};
use api_types::names;
use api_types::tls::{CertificateAlias, IssuerRef, TlsConfig};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::poll::{self, Look};
use e2e::{history, manifests, members, pki, requests, wait};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::PROVISIONING;

const DATABASE: &str = "ha-postgres";
/// From the renewal until every member serves it.
const SERVED: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_nobody_asked_for_is_served_by_all_without_a_restart() -> Result<()> {
    in_namespace("renewal", |namespace| async move { renewed(&namespace).await }).await
}

async fn renewed(namespace: &TestNamespace) -> Result<()> {
    manifests::apply(namespace, manifests::ISSUERS).await?;
    requests::issuer_ready(namespace, "pg-issuer").await?;
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |postgres| {
        postgres.spec.tls = Some(TlsConfig {
            issuer_ref: Some(IssuerRef {
                api_group: Some("cert-manager.io".to_owned()),
                kind: "Issuer".to_owned(),
                name: "pg-issuer".to_owned(),
            }),
            certificates: vec![],
        });
    })
    .await?;
    wait::database_ready(&namespace.api(), DATABASE, PROVISIONING).await?;
    let old = pki::certificate(namespace, DATABASE, CertificateAlias::Server).await?;
    let recorder = history::record(namespace, DATABASE).await?;
    renew(namespace).await?;
    let begun = Instant::now();
    poll::until(
        "the new certificate on every member",
        SERVED,
        Duration::from_millis(200),
        || async {
            let new = pki::certificate(namespace, DATABASE, CertificateAlias::Server).await?;
            if new.leaf.fingerprint == old.leaf.fingerprint {
                return Ok(Look::NotYet("not issued".to_owned()));
            }
            for member in members::list(namespace, DATABASE).await? {
                let served = members::served(namespace, &member.name).await?;
                if served.as_ref().map(|served| &served.fingerprint) != Some(&new.leaf.fingerprint) {
                    return Ok(Look::NotYet(format!("{} serves {served:?}", member.name)));
                }
            }
            Ok(Look::Found(()))
        },
    )
    .await?;
    println!(
        "renewed and served by all after {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    recorder.finish().await?.check_untouched()?;
    let postgres = wait::database_ready(&namespace.api(), DATABASE, PROVISIONING).await?;
    ensure!(postgres.spec.tls.is_some(), "spec.tls is gone");
    Ok(())
}

/// What cert-manager does when the time has come, and `cmctl renew` by hand.
async fn renew(namespace: &TestNamespace) -> Result<()> {
    let api = namespace.api::<Certificate>();
    let name = names::certificate(DATABASE, CertificateAlias::Server);
    let certificate = api.get(&name).await?;
    let mut conditions = certificate.status.context("a status")?.conditions;
    conditions.retain(|condition| condition.type_ != "Issuing");
    conditions.push(IssuerCondition {
        type_: "Issuing".to_owned(),
        status: "True".to_owned(),
        reason: Some("ManuallyTriggered".to_owned()),
        message: Some("renewal".to_owned()),
        ..IssuerCondition::default()
    });
    let patch = json!({ "status": { "conditions": conditions } });
    api.patch_status(&name, &PatchParams::default(), &Patch::Merge(&patch))
        .await?;
    Ok(())
}
