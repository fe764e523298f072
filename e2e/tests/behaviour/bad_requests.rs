//! Requests that can't be: refused at admission, or Failed, with words that say what to write instead, and the
//! database untouched.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::ops_request::OpsRequestPhase;
use api_types::{Postgres, PostgresOpsRequest};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::{checks, history, hold, manifests, requests, wait};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use crate::{DATABASE, PROVISIONING_TIMEOUT, standalone};

const END_TIMEOUT: Duration = Duration::from_secs(60);

/// Who says no.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Refusal {
    /// The API server: the object is not created.
    Admission,
    /// ops-manager: the request ends Failed.
    Failed,
}
use Refusal::{Admission, Failed};

/// What is asked for, who refuses it, and a part of what is said.
const TABLE: &[(&str, Refusal, &str, &str)] = &[
    (
        "no such database",
        Failed,
        "{type: Restart, databaseRef: {name: nobody}, apply: Always}",
        "nobody, is invalid or not found",
    ),
    (
        "no tls",
        Admission,
        "{type: ReconfigureTLS, databaseRef: {name: standalone}}",
        "needs spec.tls",
    ),
    (
        "empty tls",
        Admission,
        "{type: ReconfigureTLS, databaseRef: {name: standalone}, tls: {}}",
        "nothing to do",
    ),
    (
        "no such type",
        Admission,
        "{type: Rejuvenate, databaseRef: {name: standalone}}",
        "Unsupported value",
    ),
    (
        "remove and rotate",
        Admission,
        "{type: ReconfigureTLS, databaseRef: {name: standalone}, tls: {remove: true, rotateCertificates: true}}",
        "nothing to issue",
    ),
    (
        "remove and cert",
        Admission,
        "{type: ReconfigureTLS, databaseRef: {name: standalone}, tls: {remove: true, clientAuthMode: cert}}",
        "no client can show a certificate",
    ),
    (
        "disable",
        Admission,
        "{type: ReconfigureTLS, databaseRef: {name: standalone}, tls: {sslMode: disable}}",
        "remove: true",
    ),
    (
        "nothing to rotate",
        Failed,
        "{type: ReconfigureTLS, databaseRef: {name: standalone}, tls: {rotateCertificates: true}}",
        "no TLS",
    ),
    (
        "cert without TLS",
        Failed,
        "{type: ReconfigureTLS, databaseRef: {name: standalone}, tls: {clientAuthMode: cert}}",
        "issuerRef",
    ),
    (
        "issuer of another group",
        Failed,
        "{type: ReconfigureTLS, databaseRef: {name: standalone},
          tls: {issuerRef: {apiGroup: example.com, kind: Issuer, name: pg-issuer}}}",
        "cert-manager.io",
    ),
    (
        "no such alias",
        Failed,
        "{type: ReconfigureTLS, databaseRef: {name: standalone},
          tls: {issuerRef: {kind: Issuer, name: pg-issuer}, certificates: [{alias: waiter, duration: 48h}]}}",
        "waiter",
    ),
    (
        "no such issuer",
        Failed,
        "{type: ReconfigureTLS, databaseRef: {name: standalone},
          tls: {issuerRef: {apiGroup: cert-manager.io, kind: Issuer, name: nobody}}}",
        "Issuer nobody does not exist",
    ),
    (
        "issuer not ready",
        Failed,
        "{type: ReconfigureTLS, databaseRef: {name: standalone},
          tls: {issuerRef: {apiGroup: cert-manager.io, kind: Issuer, name: empty-handed}}}",
        "Issuer empty-handed is not Ready",
    ),
    (
        "an operation of the API that is not offered",
        Failed,
        "{type: StorageMigration, databaseRef: {name: standalone}, migration: {storageClassName: standard}}",
        "StorageMigration",
    ),
];

const EMPTY_HANDED: &str = "
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: empty-handed}
spec: {ca: {secretName: there-is-none}}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_request_says_what_to_write_and_leaves_the_database_alone() -> Result<()> {
    in_namespace("bad-requests", |namespace| async move { table(&namespace).await }).await
}

async fn table(namespace: &TestNamespace) -> Result<()> {
    let before = standalone(namespace).await?;
    manifests::apply(namespace, EMPTY_HANDED).await?;
    let recorder = history::record(namespace, DATABASE).await?;
    let mut wrong = Vec::new();
    for (number, (what, refusal, spec, words)) in TABLE.iter().enumerate() {
        // One after another: of several pending requests of a type only the newest is done.
        let outcome = refused(namespace, &format!("bad-{number}"), spec).await;
        let (by, said) = outcome.with_context(|| (*what).to_owned())?;
        if by != *refusal || !said.contains(words) {
            wrong.push(format!("{what}: {by:?}, not {refusal:?} with {words:?}: {said}"));
        }
        checks::at_peace(namespace, DATABASE).await.context(*what)?;
    }
    ensure!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    checks::untouched(namespace, DATABASE, &before, &recorder.finish().await?).await
}

/// Creates the request as JSON, so that what our types would not let through reaches the API server too.
async fn refused(namespace: &TestNamespace, name: &str, spec: &str) -> Result<(Refusal, String)> {
    let spec: Value = serde_yaml::from_str(spec)?;
    let kind = GroupVersionKind::gvk("ops.kubedb.com", "v1alpha1", "PostgresOpsRequest");
    let resource = kube::api::ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> = Api::namespaced_with(namespace.client.clone(), &namespace.name, &resource);
    let object = DynamicObject::new(name, &resource).data(json!({ "spec": spec }));
    match api.create(&PostParams::default(), &object).await {
        Err(kube::Error::Api(status)) => return Ok((Admission, status.message)),
        other => other?,
    };
    let request = wait::request_ended(&namespace.api(), name, END_TIMEOUT).await?;
    let phase = request.phase();
    ensure!(
        phase == Some(OpsRequestPhase::Failed),
        "ended {phase:?}: {}",
        wait::last_words(&request)
    );
    Ok((Failed, wait::last_words(&request)))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_waits_for_a_database_that_is_not_ready_and_says_so() -> Result<()> {
    in_namespace(
        "not-ready",
        |namespace| async move { not_ready(&namespace).await },
    )
    .await
}

async fn not_ready(namespace: &TestNamespace) -> Result<()> {
    manifests::create_postgres(namespace, manifests::STANDALONE, |p| {
        p.spec.version = "1.0".to_owned()
    })
    .await?;
    let api = namespace.api::<Postgres>();
    let reports = |p: &Postgres| {
        let conditions = p
            .status
            .as_ref()
            .map(|s| s.conditions.as_slice())
            .unwrap_or_default();
        conditions.iter().any(|c| {
            c.message
                .as_deref()
                .is_some_and(|m| m.contains("1.0") && m.contains("17.9"))
        })
    };
    wait::until(
        &api,
        DATABASE,
        "an unknown version is reported with those there are",
        END_TIMEOUT,
        reports,
    )
    .await?;
    let mut request: PostgresOpsRequest = manifests::parse(manifests::ROTATE_TLS)?;
    request.spec.database_ref.name = DATABASE.to_owned();
    request.spec.tls = None;
    request.spec.type_ = api_types::ops_request::OpsRequestType::Restart;
    request.spec.timeout = Some("3s".to_owned());
    requests::create_as_is(namespace, &request).await?;
    let ended = wait::request_ended(&namespace.api(), &request.name_any(), END_TIMEOUT).await?;
    let words = wait::last_words(&ended);
    ensure!(
        ended.phase() == Some(OpsRequestPhase::Failed) && words.contains("Ready"),
        "{words}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_can_be_deleted_while_it_runs_and_cannot_be_changed() -> Result<()> {
    in_namespace("deleted-request", |namespace| async move {
        deleted_while_running(&namespace).await
    })
    .await
}

async fn deleted_while_running(namespace: &TestNamespace) -> Result<()> {
    standalone(namespace).await?;
    let api = namespace.api::<PostgresOpsRequest>();
    requests::create(namespace, manifests::ADD_TLS, "add-tls", DATABASE).await?;
    let changed = json!({ "spec": { "tls": { "sslMode": "require" } } });
    let refusal = api
        .patch("add-tls", &PatchParams::default(), &Patch::Merge(changed))
        .await;
    ensure!(refusal.is_err(), "the spec of a request was changed");
    let running = |r: &PostgresOpsRequest| requests::conditions(r).contains(&"CertificateSynced");
    let request = wait::until(&api, "add-tls", "under way", END_TIMEOUT, running).await?;
    ensure!(
        request.phase() == Some(OpsRequestPhase::Progressing),
        "{:?}",
        request.phase()
    );
    api.delete("add-tls", &DeleteParams::default()).await?;
    wait::gone(
        &api,
        "add-tls",
        &request.uid().unwrap_or_default(),
        PROVISIONING_TIMEOUT,
    )
    .await?;
    hold::released(namespace, DATABASE, END_TIMEOUT).await?;
    wait::database_ready(&namespace.api(), DATABASE, PROVISIONING_TIMEOUT).await?;
    // Whichever way the operation was left, the next one goes through.
    requests::run(
        namespace,
        manifests::RESTART,
        "restart",
        DATABASE,
        PROVISIONING_TIMEOUT,
    )
    .await?;
    wait::database_ready(&namespace.api(), DATABASE, PROVISIONING_TIMEOUT).await?;
    Ok(())
}
