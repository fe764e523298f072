//! What happens to one member.

use std::time::Duration;

use anyhow::{Context, Result};
use api_types::vocabulary::POSTGRES_CONTAINER;
use k8s_openapi::api::core::v1::Pod;
use kube::api::DeleteParams;
use tokio::time::{Instant, sleep_until};

use super::Ground;
use crate::members::Member;
use crate::{provider, shell};

/// A file that takes all that is left of a small disk, beside PostgreSQL's own.
const FILLED: &str = "$(psql -XAtq -h /var/run/postgresql -U postgres -c 'show data_directory')/../filled";

pub(super) async fn kill(ground: &Ground<'_>, member: &Member) -> Result<bool> {
    let at_once = DeleteParams::default().grace_period(0);
    Ok(ground
        .namespace
        .pods()
        .delete(&member.name, &at_once)
        .await
        .is_ok())
}

pub(super) async fn run(ground: &Ground<'_>, member: &Member, script: &str) -> Result<String> {
    let command = ["sh", "-c", script];
    shell::output_of(
        &ground.namespace.pods(),
        &member.name,
        POSTGRES_CONTAINER,
        &command,
    )
    .await
}

/// A signal to every process of PostgreSQL; Patroni and the shell go on.
fn signal(signal: &str) -> String {
    format!(
        "for p in /proc/[0-9]*; do [ \"$(cat $p/comm 2>/dev/null)\" = postgres ] && kill -{signal} ${{p#/proc/}}; done; true"
    )
}

pub(super) async fn freeze(ground: &Ground<'_>, member: &Member, long: Duration) -> Result<bool> {
    let end = Instant::now() + long;
    if run(ground, member, &signal("STOP")).await.is_err() {
        return Ok(false);
    }
    sleep_until(end).await;
    // A Pod that was replaced meanwhile has no process that stands still.
    let _ = run(ground, member, &signal("CONT")).await;
    Ok(true)
}

/// The whole container, by the freezer of its cgroup.
pub(super) async fn stop(ground: &Ground<'_>, member: &Member, long: Duration) -> Result<bool> {
    let end = Instant::now() + long;
    let Some(pod) = ground.namespace.pods().get_opt(&member.name).await? else {
        return Ok(false);
    };
    let Some(container) = container(&pod) else {
        return Ok(false);
    };
    if !matches!(
        provider::run("node.sh", &["pause", &member.node, &container]).await,
        Ok(true)
    ) {
        return Ok(false);
    }
    sleep_until(end).await;
    // A container that was replaced meanwhile is gone.
    let _ = provider::run("node.sh", &["resume", &member.node, &container]).await;
    Ok(true)
}

/// The id of PostgreSQL's container at the node's runtime.
fn container(pod: &Pod) -> Option<String> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let postgres = statuses.iter().find(|status| status.name == POSTGRES_CONTAINER)?;
    let (_, id) = postgres.container_id.as_ref()?.split_once("://")?;
    Some(id.to_owned())
}

pub(super) async fn fill(ground: &Ground<'_>, member: &Member, long: Duration) -> Result<bool> {
    if !ground.has_small_disks {
        return Ok(false);
    }
    let end = Instant::now() + long;
    let Ok(file) = run(ground, member, &format!("echo {FILLED}")).await else {
        return Ok(false);
    };
    let file = file.trim();
    let _ = run(ground, member, &format!("cat /dev/zero >{file}; true")).await;
    sleep_until(end).await;
    free(ground, member, file).await.context("a disk stays full")?;
    Ok(true)
}

/// The member may be restarting, and be another Pod on the same disk by now.
async fn free(ground: &Ground<'_>, member: &Member, file: &str) -> Result<()> {
    crate::poll::until("room on a disk", FREE_SPACE_TIMEOUT, POLL_INTERVAL, || async {
        run(ground, member, &format!("rm -f {file}")).await?;
        Ok(crate::poll::Look::Found(()))
    })
    .await
}

const FREE_SPACE_TIMEOUT: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_secs(1);

pub(super) async fn switchover(ground: &Ground<'_>, leader: &Member) -> Result<bool> {
    let command = "patronictl -c /etc/config/patroni.yml switchover --force";
    Ok(run(ground, leader, command).await.is_ok())
}
