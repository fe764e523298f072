//! `VerticalScaling` on the real cluster, with an application that writes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use api_types::ops_request::{OpsRequestPhase, ResourceSettings};
use api_types::vocabulary::POSTGRES_CONTAINER;
use api_types::{Postgres, PostgresOpsRequest};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::writer::{Choice, Writer};
use e2e::{checks, history, manifests, members, report, requests, wait};
use k8s_openapi::api::core::v1::ResourceRequirements;
use serde_json::{Value, json};

use crate::PROVISIONING;

const DATABASE: &str = "ha-postgres";
const RESIZED: Duration = Duration::from_secs(240);
/// A switchover; tests run side by side.
const LONGEST_GAP: Duration = Duration::from_secs(10);

fn request(name: &str, section: &Value) -> Result<PostgresOpsRequest> {
    let fields = json!({"verticalScaling": section});
    requests::of(name, DATABASE, "VerticalScaling", &fields)
}

#[tokio::test(flavor = "multi_thread")]
async fn members_get_other_resources_and_no_row_is_lost() -> Result<()> {
    in_namespace("resize", |namespace| async move { resize(&namespace).await }).await
}

async fn resize(namespace: &TestNamespace) -> Result<()> {
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |_| {}).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING).await?;
    let writer = Writer::start(namespace, DATABASE, Choice::TESTING).await?;
    let (mark, recorder) = (writer.mark().await?, history::record(namespace, DATABASE).await?);
    let wanted = json!({"requests": {"cpu": "60m", "memory": "192Mi"}, "limits": {"memory": "512Mi"}});
    let begin = Instant::now();
    let section = json!({"mode": "InPlace", "postgres": {"resources": wanted}});
    requests::create_as_is(namespace, &request("grow", &section)?).await?;
    let grown = wait::request_successful(&namespace.api(), "grow", RESIZED).await?;
    println!("grow: {}", report::seconds(begin.elapsed()));
    recorder.finish().await?.check_rolling_restart()?;
    let names = requests::conditions(&grown);
    for expected in [
        "NotActedOn",
        "UpdatePetSetResources",
        "CheckPodResources--ha-postgres-0",
    ] {
        ensure!(names.contains(&expected), "{expected} is missing in {names:?}");
    }
    every_member_has(namespace, &serde_json::from_value(wanted.clone())?, "48MB").await?;
    let postgres = checks::at_peace(namespace, DATABASE).await?;
    ensure!(
        ResourceSettings::of(&postgres.spec).postgres == Some(serde_json::from_value(wanted)?),
        "{:?}",
        postgres.spec.pod_template
    );
    let stretch = writer.since(mark).await?;
    checks::writer_served(&stretch, LONGEST_GAP)?;
    println!("writes stood still for {:?}", stretch.longest_gap);
    refused(namespace).await?;
    no_room(namespace).await?;
    println!("{} acknowledged rows, none lost", writer.finish().await?);
    Ok(())
}

/// As the Pod asks, as kubelet reports of the container that runs, and as PostgreSQL has it.
async fn every_member_has(
    namespace: &TestNamespace,
    wanted: &ResourceRequirements,
    shared_buffers: &str,
) -> Result<()> {
    for member in members::list(namespace, DATABASE).await? {
        let pod = namespace.pods().get(&member.name).await?;
        let seen = resources_of(&pod).context(member.name.clone())?;
        ensure!(seen == *wanted, "{}: {seen:?}", member.name);
        let buffers = members::sql(namespace, &member.name, "show shared_buffers").await?;
        ensure!(buffers.trim() == shared_buffers, "{}: {buffers}", member.name);
    }
    Ok(())
}

fn resources_of(pod: &k8s_openapi::api::core::v1::Pod) -> Result<ResourceRequirements> {
    let spec = pod.spec.as_ref().context("no spec")?;
    let container = spec.containers.iter().find(|it| it.name == POSTGRES_CONTAINER);
    container
        .and_then(|it| it.resources.clone())
        .context("no resources")
}

/// Bad input changes nothing.
async fn refused(namespace: &TestNamespace) -> Result<()> {
    let before = members::list(namespace, DATABASE).await?;
    let too_little =
        json!({"postgres": {"resources": {"requests": {"memory": "64Mi"}, "limits": {"memory": "64Mi"}}}});
    requests::create_as_is(namespace, &request("too-little", &too_little)?).await?;
    let ended = wait::request_ended(&namespace.api(), "too-little", RESIZED).await?;
    let words = wait::last_words(&ended);
    ensure!(ended.phase() == Some(OpsRequestPhase::Failed), "{words}");
    ensure!(words.contains("Write limits.memory"), "{words}");
    ensure!(
        before == members::list(namespace, DATABASE).await?,
        "a member was touched"
    );
    Ok(())
}

/// One standby was recreated and had no room; it comes back as it was, and the others were not touched.
async fn no_room(namespace: &TestNamespace) -> Result<()> {
    let before = members::list(namespace, DATABASE).await?;
    let spec = checks::at_peace(namespace, DATABASE).await?.spec;
    let too_much = json!({"postgres": {"resources": {"requests": {"memory": "2000Gi"}, "limits": {"memory": "2000Gi"}}}});
    let mut request = request("too-much", &too_much)?;
    request.spec.timeout = Some("60s".into());
    requests::create_as_is(namespace, &request).await?;
    let ended = wait::request_ended(&namespace.api(), "too-much", RESIZED).await?;
    ensure!(
        ended.phase() == Some(OpsRequestPhase::Failed),
        "{:?}",
        ended.status
    );
    let restored = ended.conditions().iter().find(|it| it.type_ == "RestoreDatabase");
    ensure!(restored.is_some_and(|it| it.is_true()), "{:?}", ended.status);
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING).await?;
    ensure!(
        checks::at_peace(namespace, DATABASE).await?.spec == spec,
        "the spec was written"
    );
    let after = members::list(namespace, DATABASE).await?;
    let touched = before.iter().zip(&after).filter(|(old, new)| old.uid != new.uid);
    ensure!(touched.count() == 1, "{before:?} {after:?}");
    let wanted = ResourceSettings::of(&spec).postgres.context("no resources")?;
    every_member_has(namespace, &wanted, "48MB").await
}
