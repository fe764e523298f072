//! The spec of a running database is edited. TLS waits for a request, certificates go on being renewed meanwhile, and the
//! request for the same carries it out; what Patroni keeps for all members follows by itself.

use std::time::Duration;

use anyhow::{Result, ensure};
use api_types::tls::{CertificateAlias, ClientAuthMode, SslMode};
use api_types::{Postgres, condition};
use e2e::checks::{self, Tls};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::{failover, history, manifests, members, pki, requests, wait};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::renewal::{certificate, served_by_all};
use crate::{PROVISIONING_TIMEOUT, born_with_tls};

const DATABASE: &str = "ha-postgres";
const REPORT_TIMEOUT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn edits_of_a_running_database_are_carried_out_or_wait_for_a_request_for_the_same() -> Result<()> {
    in_namespace("edited", |namespace| async move { edited(&namespace).await }).await
}

async fn edited(namespace: &TestNamespace) -> Result<()> {
    let api = namespace.api::<Postgres>();
    born_with_tls(namespace, DATABASE).await?;
    let recorder = history::record(namespace, DATABASE).await?;
    let edit = json!({"spec": {"tls": {"issuerRef": {"name": "pg-new-issuer"}}}});
    api.patch(DATABASE, &PatchParams::default(), &Patch::Merge(&edit))
        .await?;
    let is_held = |postgres: &Postgres| {
        let conditions = postgres
            .status
            .as_ref()
            .map(|status| status.conditions.as_slice());
        condition::find(conditions.unwrap_or_default(), "SpecApplied")
            .is_some_and(|applied| applied.reason.as_deref() == Some("ReconfigureTLSNeeded"))
    };
    wait::until(&api, DATABASE, "ReconfigureTLSNeeded", REPORT_TIMEOUT, is_held).await?;

    let old = pki::certificate(namespace, DATABASE, CertificateAlias::Server).await?;
    pki::renew(namespace, &certificate(CertificateAlias::Server)).await?;
    served_by_all(namespace, &old.leaf.fingerprint, "renewed while an edit waits").await?;

    let yaml = manifests::with_restart(manifests::CHANGE_ISSUER, "auto");
    requests::run(namespace, &yaml, "same", DATABASE, PROVISIONING_TIMEOUT).await?;
    // The end of the pause is acknowledged before the database is looked at again.
    let is_applied = |postgres: &Postgres| !is_held(postgres);
    wait::until(&api, DATABASE, "nothing is held back", REPORT_TIMEOUT, is_applied).await?;
    wait::database_ready(&api, DATABASE, PROVISIONING_TIMEOUT).await?;
    recorder.finish().await?.check_untouched()?;
    let wanted = Tls {
        ssl_mode: SslMode::VerifyFull,
        client_auth_mode: ClientAuthMode::Md5,
        issuer: &["CN=ca-updated", "O=kubedb-updated"],
        extra_names: &[],
    };
    checks::every_member_presents_it(namespace, DATABASE, &wanted).await?;
    replication_follows(namespace).await
}

/// Commits wait for a standby when the spec says so, and the primary's PostgreSQL was told.
async fn replication_follows(namespace: &TestNamespace) -> Result<()> {
    let primary = members::primary(namespace, DATABASE).await?;
    let edit = json!({"spec": {"streamingMode": "Synchronous"}});
    namespace
        .api::<Postgres>()
        .patch(DATABASE, &PatchParams::default(), &Patch::Merge(edit))
        .await?;
    failover::synchronous_again(namespace, DATABASE, &primary).await?;
    let names = members::sql(namespace, &primary.name, "show synchronous_standby_names").await?;
    ensure!(names.contains("ANY 1"), "synchronous_standby_names is {names:?}");
    let now = members::primary(namespace, DATABASE).await?;
    ensure!(now.uid == primary.uid, "the primary was made anew");
    Ok(())
}
