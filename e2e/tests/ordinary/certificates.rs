//! Certificates as real clients see them: an issuer whose certificates libpq refuses is refused before a member gets one.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::ops_request::OpsRequestPhase;
use api_types::{Postgres, PostgresOpsRequest};
use e2e::client::{self, VERIFY_FULL_PASSWORD};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::poll::{self, Look};
use e2e::{manifests, members, requests, wait};
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use serde_json::json;

use crate::{PROVISIONING_TIMEOUT, reported};

const DATABASE: &str = "standalone";
const POD: &str = "standalone-0";
const CERTIFICATE_TIMEOUT: Duration = Duration::from_secs(90);
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// CAs as companies have them: one below a root, one with an Ed25519 key, one with an RSA key.
const AUTHORITIES: &str = "
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: intermediate}
spec:
  secretName: intermediate
  isCA: true
  commonName: intermediate
  privateKey: {algorithm: ECDSA, size: 256}
  issuerRef: {name: pg-issuer}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: edwards}
spec:
  secretName: edwards
  isCA: true
  commonName: edwards
  privateKey: {algorithm: Ed25519}
  issuerRef: {name: self-signed}
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: edwards}
spec: {ca: {secretName: edwards}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: rsa}
spec:
  secretName: rsa
  isCA: true
  commonName: rsa
  privateKey: {algorithm: RSA, size: 3072}
  issuerRef: {name: self-signed}
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: rsa}
spec: {ca: {secretName: rsa}}
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: company}
spec: {ca: {secretName: company}}
";

/// Makes the issuers. `company` has a CA below a root, and no `ca.crt` that would name the root.
async fn authorities(namespace: &TestNamespace) -> Result<()> {
    requests::issuers(namespace).await?;
    manifests::apply(namespace, AUTHORITIES).await?;
    let api = namespace.api::<Secret>();
    let data = poll::until(
        "the intermediate CA",
        CERTIFICATE_TIMEOUT,
        POLL_INTERVAL,
        || async {
            let secret = api.get_opt("intermediate").await?;
            let data = secret.and_then(|secret| secret.data);
            Ok(data.map_or(Look::NotYet("no Secret".to_owned()), Look::Found))
        },
    )
    .await?;
    let company = Secret {
        data: Some(data.into_iter().filter(|(key, _)| key != "ca.crt").collect()),
        type_: Some("kubernetes.io/tls".to_owned()),
        metadata: serde_json::from_value(json!({"name": "company"}))?,
        ..Secret::default()
    };
    api.create(&PostParams::default(), &company).await?;
    for issuer in ["edwards", "rsa", "company"] {
        requests::issuer_ready(namespace, issuer).await?;
    }
    Ok(())
}

/// Changes the issuer without a restart; returns the ended request.
async fn change_to(namespace: &TestNamespace, issuer: &str) -> Result<PostgresOpsRequest> {
    let yaml = manifests::with_restart(manifests::CHANGE_ISSUER, "auto").replace("pg-new-issuer", issuer);
    requests::create(namespace, &yaml, issuer, DATABASE).await?;
    wait::request_ended(&namespace.api(), issuer, CERTIFICATE_TIMEOUT).await
}

/// Who issued what the member serves. A request that failed has the old issuer issue again.
async fn issuer_served(namespace: &TestNamespace) -> Result<Option<String>> {
    let served = members::served(namespace, POD).await?;
    Ok(served.map(|served| served.issuer))
}

async fn logs_in(namespace: &TestNamespace) -> Result<()> {
    let options = format!("{VERIFY_FULL_PASSWORD} channel_binding=require");
    let attempt = client::connect_once(namespace, DATABASE, &options, "select 1").await?;
    attempt.connected().map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_would_lock_clients_out_is_refused_and_nothing_changes() -> Result<()> {
    in_namespace("issuers", |namespace| async move { refused(&namespace).await }).await
}

async fn refused(namespace: &TestNamespace) -> Result<()> {
    authorities(namespace).await?;
    manifests::create_postgres(namespace, manifests::STANDALONE, |postgres| {
        postgres.spec.tls = Some(manifests::plain_tls());
        postgres.spec.client_auth_mode = Some(api_types::tls::ClientAuthMode::Scram);
    })
    .await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    logs_in(namespace).await?;
    let before = issuer_served(namespace).await?;
    for (issuer, words) in [("company", "a root, which signed itself"), ("edwards", "Ed25519")] {
        let request = change_to(namespace, issuer).await?;
        let said = wait::last_words(&request);
        ensure!(
            request.phase() == Some(OpsRequestPhase::Failed),
            "{issuer}: {said}"
        );
        ensure!(said.contains(words), "{issuer}: {said}");
        ensure!(
            issuer_served(namespace).await? == before,
            "{issuer}: the member serves a certificate of it"
        );
        logs_in(namespace).await.context(issuer)?;
    }
    let request = change_to(namespace, "rsa").await?;
    let said = wait::last_words(&request);
    ensure!(
        request.phase() == Some(OpsRequestPhase::Successful),
        "rsa: {said}"
    );
    logs_in(namespace).await.context("rsa")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_database_on_such_an_issuer_says_so() -> Result<()> {
    in_namespace("new-on-issuer", |namespace| async move {
        authorities(&namespace).await?;
        manifests::create_postgres(&namespace, manifests::STANDALONE, |postgres| {
            let mut tls = manifests::plain_tls();
            if let Some(issuer) = &mut tls.issuer_ref {
                issuer.name = "company".to_owned();
            }
            postgres.spec.tls = Some(tls);
        })
        .await?;
        let said = reported(&namespace, DATABASE, "SpecApplied", "False", "CertificateRefused").await?;
        ensure!(said.contains("a root, which signed itself"), "{said}");
        ensure!(
            members::list(&namespace, DATABASE).await?.is_empty(),
            "a member was made"
        );
        Ok(())
    })
    .await
}
