//! Two Pods of one name may run at once, on one volume: deletion without grace takes a Pod out of the API before its processes
//! have ended. PostgreSQL runs in one of them only.

use std::time::Duration;

use anyhow::{Result, ensure};
use api_types::Postgres;
use api_types::vocabulary::POSTGRES_CONTAINER;
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::members;
use e2e::poll::{self, Look};
use e2e::{manifests, shell, wait};
use kube::api::DeleteParams;

use crate::{DATABASE, PROVISIONING};

const POD: &str = "standalone-0";
/// How long the former Pod's PostgreSQL, which does not end by itself, is left alone by kubelet.
const GRACE: i64 = 15;
/// Until the next Pod runs.
const SOON: Duration = Duration::from_secs(60);
const OFTEN: Duration = Duration::from_millis(200);

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_waits_until_the_former_one_has_let_go_of_the_volume() -> Result<()> {
    in_namespace("volume", |namespace| async move { story(&namespace).await }).await
}

async fn story(namespace: &TestNamespace) -> Result<()> {
    manifests::create_postgres(namespace, manifests::STANDALONE, |postgres| {
        let template = postgres.spec.pod_template.get_or_insert_default();
        let pod = template.spec.get_or_insert_default();
        pod.termination_grace_period_seconds = Some(GRACE);
    })
    .await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING).await?;
    let write = "create table kept as select generate_series(1, 1000)";
    members::sql(namespace, POD, write).await?;

    let former = members::primary(namespace, DATABASE).await?;
    hold_its_shutdown(namespace).await?;
    let at_once = DeleteParams::default().grace_period(0);
    namespace.pods().delete(POD, &at_once).await?;
    let waits = until_it_says(namespace, &former.uid, "waiting for it").await?;
    ensure!(
        !waits.contains("starting PostgreSQL"),
        "it did not wait:\n{waits}"
    );
    let running = shell::output_of(
        &namespace.pods(),
        POD,
        POSTGRES_CONTAINER,
        &["sh", "-c", "cat /proc/[0-9]*/comm"],
    )
    .await?;
    let now = members::log(namespace, POD, POSTGRES_CONTAINER).await?;
    ensure!(
        now.contains("has let go") || !running.lines().any(|name| name == "postgres"),
        "PostgreSQL runs beside the former Pod's:\n{running}"
    );
    until_it_says(namespace, &former.uid, "has let go of the volume").await?;

    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING).await?;
    let rows = members::sql(namespace, POD, "select count(*) from kept").await?;
    ensure!(rows == "1000", "{rows} rows of 1000");
    Ok(())
}

/// A shutdown ends with a checkpoint, and the process that would write it stands still.
async fn hold_its_shutdown(namespace: &TestNamespace) -> Result<()> {
    let checkpointer = "select pid from pg_stat_activity where backend_type = 'checkpointer'";
    let pid = members::sql(namespace, POD, checkpointer).await?;
    let stop = format!("kill -STOP {pid}");
    let command = ["sh", "-c", stop.as_str()];
    shell::output_of(&namespace.pods(), POD, POSTGRES_CONTAINER, &command)
        .await
        .map(|_| ())
}

/// The log of the Pod that comes after this one, once it has these words.
async fn until_it_says(namespace: &TestNamespace, former: &str, words: &str) -> Result<String> {
    poll::until(words, SOON, OFTEN, || async {
        let all = members::list(namespace, DATABASE).await?;
        if all.iter().all(|member| member.uid == former) {
            return Ok(Look::NotYet("there is no other Pod".to_owned()));
        }
        // A container that has not begun has no log.
        let said = members::log(namespace, POD, POSTGRES_CONTAINER)
            .await
            .unwrap_or_else(|error| error.to_string());
        Ok(if said.contains(words) {
            Look::Found(said)
        } else {
            Look::NotYet(said)
        })
    })
    .await
}
