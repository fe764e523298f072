//! `VerticalScaling` on the real cluster, with an application that writes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use api_types::ops_request::{OpsRequestPhase, ResourceSettings};
use api_types::vocabulary::POSTGRES_CONTAINER;
use api_types::{Postgres, PostgresOpsRequest};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::writer::{Choice, Writer};
use e2e::{checks, history, manifests, members, report, requests, shell, wait};
use k8s_openapi::api::core::v1::ResourceRequirements;
use serde_json::{Value, json};

use crate::PROVISIONING_TIMEOUT;

const DATABASE: &str = "ha-postgres";
const RESIZE_TIMEOUT: Duration = Duration::from_secs(240);
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
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    let writer = Writer::start(namespace, DATABASE, Choice::TESTING).await?;
    in_place(namespace, &writer).await?;
    let (mark, recorder) = (writer.mark().await?, history::record(namespace, DATABASE).await?);
    let wanted = json!({"requests": {"cpu": "60m", "memory": "192Mi"}, "limits": {"memory": "512Mi"}});
    let grown = succeed(namespace, "grow", &json!({"postgres": {"resources": wanted}})).await?;
    recorder.finish().await?.check_rolling_restart()?;
    names(
        &grown,
        &["UpdatePetSetResources", "CheckPodResources--ha-postgres-0"],
    )?;
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

async fn succeed(namespace: &TestNamespace, name: &str, section: &Value) -> Result<PostgresOpsRequest> {
    let begin = Instant::now();
    requests::create_as_is(namespace, &request(name, section)?).await?;
    let ended = wait::request_successful(&namespace.api(), name, RESIZE_TIMEOUT).await?;
    println!("{name}: {}", report::seconds(begin.elapsed()));
    Ok(ended)
}

fn names(request: &PostgresOpsRequest, expected: &[&str]) -> Result<()> {
    let names = requests::conditions(request);
    for expected in expected {
        ensure!(names.contains(expected), "{expected} is missing in {names:?}");
    }
    Ok(())
}

/// The containers run on: same Pods, no restart, same primary, no failed write; and the kernel has the limits.
async fn in_place(namespace: &TestNamespace, writer: &Writer) -> Result<()> {
    let before = members::list(namespace, DATABASE).await?;
    let mark = writer.mark().await?;
    for (name, cpu, memory, limit, buffers) in [
        ("more", "60m", "128Mi", 512, "32MB"),
        ("processors", "70m", "128Mi", 512, "32MB"),
        ("less", "60m", "128Mi", 448, "32MB"),
        // Another request of memory means other shared_buffers, which wait for a restart.
        ("buffers", "60m", "160Mi", 448, "32MB"),
    ] {
        let wanted =
            json!({"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": format!("{limit}Mi")}});
        let section = json!({"mode": "InPlace", "postgres": {"resources": wanted}});
        let ended = succeed(namespace, name, &section).await?;
        names(&ended, &["ResizePods", "CheckPodResources--ha-postgres-2"])?;
        let waits = requests::conditions(&ended).contains(&"PendingRestart");
        ensure!(waits == (name == "buffers"), "{name}: {:?}", ended.status);
        every_member_has(namespace, &serde_json::from_value(wanted)?, buffers).await?;
        every_control_group_has(namespace, limit << 20).await?;
        checks::at_peace(namespace, DATABASE).await?;
    }
    let after = members::list(namespace, DATABASE).await?;
    ensure!(
        before == after,
        "a Pod was touched, or the primary moved: {before:?} {after:?}"
    );
    let stretch = writer.since(mark).await?;
    ensure!(stretch.error_count() == 0, "{:?}", stretch.errors);
    println!("in place: writes stood still for {:?}", stretch.longest_gap);
    Ok(())
}

/// As the processes of the container read it.
async fn every_control_group_has(namespace: &TestNamespace, bytes: i64) -> Result<()> {
    let read = "cat /sys/fs/cgroup/memory.max 2>/dev/null || cat /sys/fs/cgroup/memory/memory.limit_in_bytes";
    for member in members::list(namespace, DATABASE).await? {
        let command = ["sh", "-c", read];
        let found = shell::output_of(&namespace.pods(), &member.name, POSTGRES_CONTAINER, &command).await?;
        ensure!(found.trim() == bytes.to_string(), "{}: {found}", member.name);
    }
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
    let ended = wait::request_ended(&namespace.api(), "too-little", RESIZE_TIMEOUT).await?;
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
    checks::one_taken_back(namespace, DATABASE, "too-much", &before, RESIZE_TIMEOUT).await?;
    ensure!(
        checks::at_peace(namespace, DATABASE).await?.spec == spec,
        "the spec was written"
    );
    let wanted = ResourceSettings::of(&spec).postgres.context("no resources")?;
    every_member_has(namespace, &wanted, "48MB").await
}
