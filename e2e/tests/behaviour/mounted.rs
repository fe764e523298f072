//! An application that mounts the Secret of the client certificate, and checks the server by its `ca.crt`, is served through
//! a change of issuer that gives it the time to take the bundle.

use std::time::Duration;

use anyhow::{Result, ensure};
use api_types::vocabulary::{ISSUED_CA_CRT, PUBLISHED_CA};
use e2e::attempts::Attempts;
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::poll::{self, Look};
use e2e::{manifests, pods, requests, served, shell, wait};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::{DATABASE, PROVISIONING_TIMEOUT};

const CLIENT: &str = "client";
const SECRET: &str = "standalone-client-cert";
const RECORD: &str = "/run/writer/probes";
/// What the request gives applications; kubelet brings a Secret much sooner when the Pod changes.
const OVERLAP: &str = "30s";
const CA_PICKUP_TIMEOUT: Duration = Duration::from_secs(25);
const CHANGE_TIMEOUT: Duration = Duration::from_secs(120);
const SESSION_TIMEOUT: Duration = Duration::from_secs(60);

const SCRIPT: &str = "
import os, time
import psycopg2

string = f\"host={os.environ['PGHOST']} dbname=postgres sslmode=verify-full sslrootcert=/tls/ca.crt connect_timeout=5\"
with open('/run/writer/probes', 'a', buffering=1) as record:
    while True:
        try:
            psycopg2.connect(string).close()
            record.write(f'ok {time.time()}\\n')
        except psycopg2.Error as error:
            record.write(f'err {time.time()} ' + ' '.join(str(error).split()) + '\\n')
        time.sleep(0.1)
";

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_mounts_the_secret_notices_no_change_of_issuer() -> Result<()> {
    in_namespace("mounted", |namespace| async move { story(&namespace).await }).await
}

async fn story(namespace: &TestNamespace) -> Result<()> {
    requests::issuers(namespace).await?;
    manifests::create_postgres(namespace, manifests::STANDALONE, |postgres| {
        postgres.spec.tls = Some(manifests::plain_tls());
    })
    .await?;
    wait::database_ready(&namespace.api(), DATABASE, PROVISIONING_TIMEOUT).await?;
    start(namespace).await?;
    let before = attempts(namespace).await?;
    ensure!(before.made > 0 && before.failed() == 0, "before: {before:?}");

    let yaml = manifests::with_restart(manifests::CHANGE_ISSUER, "auto")
        .replace("caOverlap: 0s", &format!("caOverlap: {OVERLAP}"));
    requests::create(namespace, &yaml, "change", DATABASE).await?;
    takes_both(namespace).await?;
    wait::request_successful(&namespace.api(), "change", CHANGE_TIMEOUT).await?;
    let after = attempts(namespace).await?;
    ensure!(after.failed() == 0, "of {}: {:?}", after.made, after.errors);
    println!(
        "{} connections of a client that mounts the Secret, none failed",
        after.made
    );
    only_the_new_one_is_left(namespace).await
}

/// Starts the client; returns when it has connected.
async fn start(namespace: &TestNamespace) -> Result<()> {
    let target = pods::target(namespace, DATABASE).await?;
    let volume = json!({ "name": "tls", "secret": { "secretName": SECRET, "defaultMode": 0o440 } });
    let mut pod = pods::restricted(CLIENT, &target, &["python3", "-c", SCRIPT], vec![volume])?;
    let container = &mut pod.spec.get_or_insert_default().containers[0];
    let host = json!({ "name": "PGHOST", "value": format!("{DATABASE}.{}.svc", namespace.name) });
    container
        .env
        .get_or_insert_default()
        .push(serde_json::from_value(host)?);
    pods::start(namespace, &pod, SESSION_TIMEOUT).await?;
    poll::until(
        "a connection",
        SESSION_TIMEOUT,
        Duration::from_millis(300),
        || async {
            let attempts = attempts(namespace).await?;
            Ok(if attempts.made > 0 {
                Look::Found(())
            } else {
                Look::NotYet("none was tried".to_owned())
            })
        },
    )
    .await
}

async fn attempts(namespace: &TestNamespace) -> Result<Attempts> {
    let command = format!("touch {RECORD}; cat {RECORD}");
    let command = ["sh", "-c", command.as_str()];
    let lines = shell::output_of(&namespace.pods(), CLIENT, pods::CONTAINER, &command).await?;
    Ok(Attempts::read(&lines))
}

/// Waits until both CAs are in the client's volume. kubelet looks at a Pod when it changes, and else about once a minute.
async fn takes_both(namespace: &TestNamespace) -> Result<()> {
    let api = namespace.pods();
    poll::until(
        "a bundle of two CAs",
        CA_PICKUP_TIMEOUT,
        Duration::from_secs(1),
        || async {
            let secret: Secret = namespace.api().get(SECRET).await?;
            let touch = json!({ "metadata": { "annotations": { "seen": secret.resource_version() } } });
            api.patch(CLIENT, &PatchParams::default(), &Patch::Merge(&touch))
                .await?;
            let bundle = shell::output_of(&api, CLIENT, pods::CONTAINER, &["cat", "/tls/ca.crt"]).await?;
            let count = served::certificates(bundle.as_bytes())?.len();
            Ok(if count == 2 {
                Look::Found(())
            } else {
                Look::NotYet(format!("{count} CAs"))
            })
        },
    )
    .await
}

async fn only_the_new_one_is_left(namespace: &TestNamespace) -> Result<()> {
    let secret: Secret = namespace.api().get(SECRET).await?;
    let data = secret.data.clone().unwrap_or_default();
    let cas = served::certificates(&data["ca.crt"].0)?;
    ensure!(cas.len() == 1, "{} CAs are left", cas.len());
    let subject = served::Served::parse(&cas[0])?.subject;
    ensure!(subject.contains("ca-updated"), "the CA is {subject}");
    ensure!(!data.contains_key(ISSUED_CA_CRT), "{ISSUED_CA_CRT} is left");
    ensure!(
        !secret.annotations().contains_key(PUBLISHED_CA),
        "{PUBLISHED_CA} is left"
    );
    Ok(())
}
