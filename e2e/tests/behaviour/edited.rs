//! TLS edited in the spec of a running database: it waits for a request, certificates go on being renewed meanwhile, and
//! the request for the same carries it out.

use std::time::Duration;

use anyhow::Result;
use api_types::tls::{CertificateAlias, ClientAuthMode, SslMode};
use api_types::{Postgres, condition};
use e2e::checks::{self, Tls};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::{history, manifests, pki, requests, wait};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::renewal::{certificate, served_by_all};
use crate::{PROVISIONING, born_with_tls};

const DATABASE: &str = "ha-postgres";
const TOLD: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn tls_that_was_edited_in_the_spec_is_carried_out_by_a_request_for_the_same() -> Result<()> {
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
    wait::until(&api, DATABASE, "ReconfigureTLSNeeded", TOLD, is_held).await?;

    let old = pki::certificate(namespace, DATABASE, CertificateAlias::Server).await?;
    pki::renew(namespace, &certificate(CertificateAlias::Server)).await?;
    served_by_all(namespace, &old.leaf.fingerprint, "renewed while an edit waits").await?;

    let yaml = manifests::with_restart(manifests::CHANGE_ISSUER, "auto");
    requests::run(namespace, &yaml, "same", DATABASE, PROVISIONING).await?;
    // The end of the pause is acknowledged before the database is looked at again.
    let is_applied = |postgres: &Postgres| !is_held(postgres);
    wait::until(&api, DATABASE, "nothing is held back", TOLD, is_applied).await?;
    wait::database_ready(&api, DATABASE, PROVISIONING).await?;
    recorder.finish().await?.check_untouched()?;
    let wanted = Tls {
        ssl_mode: SslMode::VerifyFull,
        client_auth_mode: ClientAuthMode::Md5,
        issuer: &["CN=ca-updated", "O=kubedb-updated"],
        extra_names: &[],
    };
    checks::every_member_presents_it(namespace, DATABASE, &wanted).await
}
