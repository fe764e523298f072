//! Every member's agent brings what changes in the config Secret, and may die without anybody noticing.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::tls::CertificateAlias;
use api_types::vocabulary::{AGENT_CONTAINER, POSTGRES_CONTAINER};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::members::Member;
use e2e::poll::{self, Look};
use e2e::{client, history, manifests, members, pki, provider, requests, shell, wait};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use crate::{PROVISIONING_TIMEOUT, born_with_tls};

const DATABASE: &str = "ha-postgres";
/// Longest time of a rotation without a restart.
const ROTATION_TIMEOUT: Duration = Duration::from_secs(120);
/// Until kubelet has started the agent again and says so.
const RESTART_TIMEOUT: Duration = Duration::from_secs(60);
/// Until a client's Pod runs and has its session.
const SESSION_TIMEOUT: Duration = Duration::from_secs(40);
/// What the agent says of every change that it heard of by its watch.
const SAYS: &str = "files changed resource_version";
const SERVER_CERT: &str = "/tls/certs/server/server.crt";
const SERVER_KEY: &str = "/tls/certs/server/server.key";

/// What a session does that must outlive the agent.
const SLEEP: &str = "select pg_sleep(20)";
/// The process that serves it.
const SLEEPER: &str =
    "select pid from pg_stat_activity where query like 'select pg_sleep%' and client_addr is not null";

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_brings_changes_and_may_be_killed_meanwhile() -> Result<()> {
    in_namespace("agent", |namespace| async move { story(&namespace).await }).await
}

async fn story(namespace: &TestNamespace) -> Result<()> {
    born_with_tls(namespace, DATABASE).await?;
    keys_are_private(namespace).await?;
    let recorder = history::record(namespace, DATABASE).await?;
    rotate(namespace, "rotate").await?;
    brought_by_the_watch(namespace).await?;
    killed(namespace).await?;
    recorder.finish().await?.check_untouched()
}

/// PostgreSQL would not start otherwise; this says it in plain words.
async fn keys_are_private(namespace: &TestNamespace) -> Result<()> {
    for member in members::list(namespace, DATABASE).await? {
        let mode = run(namespace, &member.name, &["stat", "-Lc", "%a", SERVER_KEY]).await?;
        ensure!(
            mode.trim() == "600",
            "{}: {SERVER_KEY} has mode {mode}",
            member.name
        );
    }
    Ok(())
}

/// A rotation without a restart: whatever members have afterwards came into their folders while they ran.
async fn rotate(namespace: &TestNamespace, name: &str) -> Result<()> {
    let yaml = manifests::with_restart(manifests::ROTATE_TLS, "auto");
    let before = pki::certificate(namespace, DATABASE, CertificateAlias::Server).await?;
    requests::run(namespace, &yaml, name, DATABASE, ROTATION_TIMEOUT).await?;
    wait::database_ready(&namespace.api(), DATABASE, PROVISIONING_TIMEOUT).await?;
    let issued = pki::certificate(namespace, DATABASE, CertificateAlias::Server).await?;
    ensure!(
        before.leaf.fingerprint != issued.leaf.fingerprint,
        "{name}: nothing was issued"
    );
    for (pod, file) in server_certificates(namespace).await? {
        ensure!(
            file.trim().as_bytes() == issued.certificate.trim_ascii(),
            "{name}: {pod} has another {SERVER_CERT} than was issued"
        );
        let served = members::served(namespace, &pod).await?;
        let served = served.with_context(|| format!("{name}: {pod} serves no TLS"))?;
        ensure!(
            served.fingerprint == issued.leaf.fingerprint,
            "{name}: {pod} does not serve it"
        );
    }
    Ok(())
}

/// kubelet brings files, too; who brought them is in the agent's log.
async fn brought_by_the_watch(namespace: &TestNamespace) -> Result<()> {
    for member in members::list(namespace, DATABASE).await? {
        let log = members::log(namespace, &member.name, AGENT_CONTAINER).await?;
        ensure!(log.contains(SAYS), "{}'s agent says:\n{log}", member.name);
    }
    Ok(())
}

/// SIGKILL to the primary's agent. A session goes on, files stay, and the next change is taken.
async fn killed(namespace: &TestNamespace) -> Result<()> {
    let primary = members::primary(namespace, DATABASE).await?;
    let session = client::connect_once(namespace, DATABASE, client::VERIFY_FULL, SLEEP);
    let (session, killed) = tokio::join!(session, kill_beside_a_session(namespace, &primary));
    if !killed? {
        println!("skipped: this cluster's provider can't kill a process (hack/cluster/node.sh says so)");
        return Ok(());
    }
    session?.connected().context("the session that was open")?;
    wait::database_ready(&namespace.api(), DATABASE, PROVISIONING_TIMEOUT).await?;
    rotate(namespace, "rotate-again").await?;
    let log = members::log(namespace, &primary.name, AGENT_CONTAINER).await?;
    ensure!(
        log.contains(SAYS),
        "the agent that was started again says:\n{log}"
    );
    Ok(())
}

/// `false` when this provider can't kill.
async fn kill_beside_a_session(namespace: &TestNamespace, primary: &Member) -> Result<bool> {
    let opened = || async {
        let pid = members::sql(namespace, &primary.name, SLEEPER).await?;
        Ok(if pid.is_empty() {
            Look::NotYet("nobody sleeps".to_owned())
        } else {
            Look::Found(pid)
        })
    };
    let before = poll::until(
        "an open session",
        SESSION_TIMEOUT,
        Duration::from_millis(200),
        opened,
    )
    .await?;
    let files = server_certificates(namespace).await?;
    if !kill(namespace, primary).await? {
        return Ok(false);
    }
    let after = members::sql(namespace, &primary.name, SLEEPER).await?;
    ensure!(after == before, "process {before} served it, now {after:?}");
    ensure!(
        server_certificates(namespace).await? == files,
        "files changed with the agent's end"
    );
    Ok(true)
}

/// Kills a member's agent, and waits until it runs again; `false` when this provider can't.
async fn kill(namespace: &TestNamespace, member: &Member) -> Result<bool> {
    let pod = namespace.pods().get(&member.name).await?;
    let before = agent(&pod).context("the Pod has no agent")?;
    let id = before.container_id.clone().context("the agent never ran")?;
    let (_, id) = id.split_once("://").context("the id of a container")?;
    if !provider::aim(&member.node, id).await?.fire().await? {
        return Ok(false);
    }
    let again = |pod: &Pod| {
        agent(pod).is_some_and(|it| it.restart_count > before.restart_count && it.started == Some(true))
    };
    let what = "its agent runs again";
    wait::until(&namespace.pods(), &member.name, what, RESTART_TIMEOUT, again).await?;
    Ok(true)
}

fn agent(pod: &Pod) -> Option<ContainerStatus> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|it| it.name == AGENT_CONTAINER).cloned()
}

/// What each member has as its server certificate.
async fn server_certificates(namespace: &TestNamespace) -> Result<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for member in members::list(namespace, DATABASE).await? {
        let file = run(namespace, &member.name, &["cat", SERVER_CERT]).await?;
        all.insert(member.name, file);
    }
    Ok(all)
}

async fn run(namespace: &TestNamespace, pod: &str, command: &[&str]) -> Result<String> {
    shell::output_of(&namespace.pods(), pod, POSTGRES_CONTAINER, command).await
}
