//! Patroni's REST API on the real cluster: who is obeyed, and what a lost Secret costs.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use api_types::names;
use api_types::vocabulary::POSTGRES_CONTAINER;
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::poll::{self, Look};
use e2e::{manifests, members, requests, shell, wait};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::DeleteParams;

use crate::PROVISIONING_TIMEOUT;

const DATABASE: &str = "ha-postgres";
/// Until the Secret is made again and every member has read what it was given: Secrets are looked at once a minute, members every
/// ten seconds.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest time of a restart of three members.
const RESTART_TIMEOUT: Duration = Duration::from_secs(180);

/// Calls a member's Patroni: method, URL, and `with` for the member's own certificate. Prints the answer's status, or why there
/// is none.
const CALL: &str = "
import http.client, ssl, sys, urllib.error, urllib.request
method, url, identity = sys.argv[1:]
context = ssl.create_default_context(cafile='/tls/certs/members/ca.crt')
if identity == 'with':
    context.load_cert_chain('/tls/certs/members/member.pem')
try:
    request = urllib.request.Request(url, method=method)
    print(urllib.request.urlopen(request, context=context, timeout=5).status)
except urllib.error.HTTPError as error:
    print(error.code)
except (OSError, http.client.HTTPException):
    print('no answer')
";

/// SHA-256 of the certificate that a member's Patroni serves.
const SERVED: &str = "
import hashlib, ssl, sys
pem = ssl.get_server_certificate((sys.argv[1], 8008))
print(hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest())
";

#[tokio::test(flavor = "multi_thread")]
async fn patroni_obeys_only_who_shows_a_certificate_of_the_database() -> Result<()> {
    in_namespace("members-tls", |namespace| async move { story(&namespace).await }).await
}

async fn story(namespace: &TestNamespace) -> Result<()> {
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |_| {}).await?;
    wait::database_ready(&namespace.api(), DATABASE, PROVISIONING_TIMEOUT).await?;
    who_is_obeyed(namespace).await?;
    the_command_line(namespace).await?;
    a_lost_secret(namespace).await
}

async fn python(namespace: &TestNamespace, script: &str, arguments: &[&str]) -> Result<String> {
    let mut command = vec!["python3", "-c", script];
    command.extend(arguments);
    let pod = names::pod(DATABASE, 0);
    let printed = shell::output_of(&namespace.pods(), &pod, POSTGRES_CONTAINER, &command).await?;
    Ok(printed.trim().to_owned())
}

async fn who_is_obeyed(namespace: &TestNamespace) -> Result<()> {
    let host = host(namespace, &names::pod(DATABASE, 1));
    for (method, scheme, path, identity, wanted) in [
        ("GET", "https", "patroni", "without", "200"),
        ("GET", "https", "liveness", "without", "200"),
        ("POST", "https", "reload", "without", "403"),
        ("POST", "https", "restart", "without", "403"),
        ("POST", "https", "failsafe", "without", "403"),
        ("PATCH", "https", "config", "without", "403"),
        ("POST", "https", "reload", "with", "202"),
        ("GET", "http", "patroni", "without", "no answer"),
    ] {
        let url = format!("{scheme}://{host}:8008/{path}");
        let got = python(namespace, CALL, &[method, &url, identity]).await?;
        ensure!(
            got == wanted,
            "{method} {url} {identity} a certificate: {got}, not {wanted}"
        );
    }
    Ok(())
}

/// `patronictl` checks the names in the certificates of the members that it calls.
async fn the_command_line(namespace: &TestNamespace) -> Result<()> {
    let reload = [
        "patronictl",
        "-c",
        "/etc/config/patroni.yml",
        "reload",
        "--force",
        DATABASE,
    ];
    let pod = names::pod(DATABASE, 0);
    let printed = shell::output_of(&namespace.pods(), &pod, POSTGRES_CONTAINER, &reload).await?;
    let told = printed.matches("Reload request received").count();
    ensure!(told == 3, "{printed}");
    Ok(())
}

/// Members go on, read the certificate of the new CA without a restart, and operations go on as well.
async fn a_lost_secret(namespace: &TestNamespace) -> Result<()> {
    let (uids, before) = (uids(namespace).await?, served(namespace).await?);
    let secrets = namespace.api::<Secret>();
    let name = names::members_tls_secret(DATABASE);
    let lost = secrets.get(&name).await?;
    secrets.delete(&name, &DeleteParams::default()).await?;
    poll::until(
        "every member's Patroni serves a certificate of the new CA",
        RELOAD_TIMEOUT,
        Duration::from_secs(1),
        || async {
            let now = served(namespace).await?;
            let read = now.iter().filter(|(pod, leaf)| before.get(*pod) != Some(*leaf));
            Ok(match read.count() {
                3 => Look::Found(()),
                read => Look::NotYet(format!("{read} of 3 do")),
            })
        },
    )
    .await?;
    ensure!(secrets.get(&name).await?.uid() != lost.uid(), "it is another one");
    ensure!(self::uids(namespace).await? == uids, "nothing was restarted");
    who_is_obeyed(namespace).await?;
    requests::run(
        namespace,
        manifests::RESTART,
        "restart",
        DATABASE,
        RESTART_TIMEOUT,
    )
    .await?;
    wait::database_ready(&namespace.api(), DATABASE, PROVISIONING_TIMEOUT).await?;
    Ok(())
}

async fn served(namespace: &TestNamespace) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for member in members::list(namespace, DATABASE).await? {
        let leaf = python(namespace, SERVED, &[&host(namespace, &member.name)]).await?;
        all.insert(member.name, leaf);
    }
    Ok(all)
}

async fn uids(namespace: &TestNamespace) -> Result<Vec<String>> {
    let all = members::list(namespace, DATABASE).await?;
    Ok(all.into_iter().map(|member| member.uid).collect())
}

fn host(namespace: &TestNamespace, pod: &str) -> String {
    names::member_host(DATABASE, &namespace.name, pod)
}
