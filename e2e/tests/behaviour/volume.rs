//! Two Pods may run at once on one volume: deletion without grace takes a Pod out of the API before its processes have ended.
//! PostgreSQL runs in one of them only. How long kubelet leaves such processes alone is kubelet's choice, so another Pod keeps
//! the volume locked here.

use std::time::Duration;

use anyhow::{Result, ensure};
use api_types::vocabulary::POSTGRES_CONTAINER;
use api_types::{Postgres, names};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::members;
use e2e::poll::{self, Look};
use e2e::{manifests, pods, shell, wait};
use kube::api::DeleteParams;
use serde_json::json;

use crate::{DATABASE, PROVISIONING_TIMEOUT};

const POD: &str = "standalone-0";
/// Pod that waits for the lock of the volume, and keeps it.
const HOLDER: &str = "holder";
/// Prints `waits` when another process has the lock.
const HOLD: &str = "flock -n /data/in-use true || echo waits; exec flock /data/in-use sleep infinity";
/// Until the next Pod runs.
const POD_START_TIMEOUT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_waits_until_the_former_one_has_let_go_of_the_volume() -> Result<()> {
    in_namespace("volume", |namespace| async move { story(&namespace).await }).await
}

async fn story(namespace: &TestNamespace) -> Result<()> {
    manifests::create_postgres(namespace, manifests::STANDALONE, |_| ()).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    let write = "create table kept as select generate_series(1, 1000)";
    members::sql(namespace, POD, write).await?;

    let former = members::primary(namespace, DATABASE).await?;
    queue_for_the_volume(namespace).await?;
    let at_once = DeleteParams::default().grace_period(0);
    namespace.pods().delete(POD, &at_once).await?;
    until_it_says(namespace, &former.uid, "waiting for the volume").await?;
    let running = shell::output_of(
        &namespace.pods(),
        POD,
        POSTGRES_CONTAINER,
        &["sh", "-c", "cat /proc/[0-9]*/comm"],
    )
    .await?;
    ensure!(
        !running.lines().any(|name| name == "postgres"),
        "PostgreSQL runs while another Pod has the volume:\n{running}"
    );
    namespace.pods().delete(HOLDER, &at_once).await?;
    until_it_says(namespace, &former.uid, "the former Pod has ended").await?;

    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    let rows = members::sql(namespace, POD, "select count(*) from kept").await?;
    ensure!(rows == "1000", "{rows} rows of 1000");
    Ok(())
}

/// Starts the holder, and returns when it waits for the member to let go of the volume.
async fn queue_for_the_volume(namespace: &TestNamespace) -> Result<()> {
    let target = pods::target(namespace, DATABASE).await?;
    let volume =
        json!({ "name": "data", "persistentVolumeClaim": { "claimName": names::data_claim(DATABASE, 0) } });
    let pod = pods::restricted(HOLDER, &target, &["sh", "-c", HOLD], vec![volume])?;
    pods::start(namespace, &pod, POD_START_TIMEOUT).await?;
    poll::until("the holder waits", POD_START_TIMEOUT, POLL_INTERVAL, || async {
        let said = members::log(namespace, HOLDER, pods::CONTAINER).await?;
        Ok(if said.contains("waits") {
            Look::Found(())
        } else {
            Look::NotYet(said)
        })
    })
    .await
}

/// Returns once the log of the Pod that comes after this one has these words.
async fn until_it_says(namespace: &TestNamespace, former: &str, words: &str) -> Result<()> {
    poll::until(words, POD_START_TIMEOUT, POLL_INTERVAL, || async {
        let all = members::list(namespace, DATABASE).await?;
        if all.iter().all(|member| member.uid == former) {
            return Ok(Look::NotYet("there is no other Pod".to_owned()));
        }
        // A container that has not begun has no log.
        let said = members::log(namespace, POD, POSTGRES_CONTAINER)
            .await
            .unwrap_or_else(|error| error.to_string());
        Ok(if said.contains(words) {
            Look::Found(())
        } else {
            Look::NotYet(said)
        })
    })
    .await
}
