//! `UpdateVersion` on the real cluster, with an application that writes.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use api_types::ops_request::OpsRequestPhase;
use api_types::version::PostgresVersion;
use api_types::{Postgres, PostgresOpsRequest};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::writer::{Choice, Writer};
use e2e::{checks, history, manifests, members, report, requests, wait};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::PROVISIONING_TIMEOUT;

const DATABASE: &str = "ha-postgres";
const UPDATE_TIMEOUT: Duration = Duration::from_secs(240);
/// A switchover; tests run side by side.
const LONGEST_GAP: Duration = Duration::from_secs(10);
/// A PostgresVersion whose image there is not.
const BROKEN: &str = "17.97";

fn request(name: &str, target: &str) -> Result<PostgresOpsRequest> {
    let fields = json!({"updateVersion": {"targetVersion": target}});
    requests::of(name, DATABASE, "UpdateVersion", &fields)
}

#[tokio::test(flavor = "multi_thread")]
async fn members_run_another_minor_version_and_no_row_is_lost() -> Result<()> {
    in_namespace(
        "update-version",
        |namespace| async move { story(&namespace).await },
    )
    .await
}

async fn story(namespace: &TestNamespace) -> Result<()> {
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |_| {}).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    let writer = Writer::start(namespace, DATABASE, Choice::TESTING).await?;
    up(namespace, &writer).await?;
    down_by_an_edit(namespace, &writer).await?;
    another_major(namespace).await?;
    broken_image(namespace).await?;
    println!("{} acknowledged rows, none lost", writer.finish().await?);
    Ok(())
}

/// The request as KubeDB's guide has it.
async fn up(namespace: &TestNamespace, writer: &Writer) -> Result<()> {
    let (mark, recorder) = (writer.mark().await?, history::record(namespace, DATABASE).await?);
    let begin = Instant::now();
    requests::create_as_is(namespace, &request("up", "17.11")?).await?;
    let updated = wait::request_successful(&namespace.api(), "up", UPDATE_TIMEOUT).await?;
    println!("17.9 -> 17.11: {}", report::seconds(begin.elapsed()));
    recorder.finish().await?.check_rolling_restart()?;
    let names = requests::conditions(&updated);
    for expected in [
        "UpdatePetSetImage",
        "UpdateStandbyPodImage",
        "UpdatePrimaryImage",
        "CheckServerVersion--ha-postgres-0",
    ] {
        ensure!(names.contains(&expected), "{expected} is missing in {names:?}");
    }
    is_version(namespace, "17.11").await?;
    let stretch = writer.since(mark).await?;
    checks::writer_served(&stretch, LONGEST_GAP)?;
    println!("writes stood still for {:?}", stretch.longest_gap);
    Ok(())
}

/// As Git would: ops-manager makes the request.
async fn down_by_an_edit(namespace: &TestNamespace, writer: &Writer) -> Result<()> {
    let mark = writer.mark().await?;
    let begin = Instant::now();
    edit(namespace, "17.9").await?;
    let api = namespace.api::<Postgres>();
    let is_back = |postgres: &Postgres| {
        let deployed = postgres.deployed().map(|it| it.version.name.as_str());
        wait::is_ready(postgres) && deployed == Some("17.9") && postgres.pause_holder().is_none()
    };
    wait::until(&api, DATABASE, "runs 17.9", UPDATE_TIMEOUT, is_back).await?;
    println!("17.11 -> 17.9 by an edit: {}", report::seconds(begin.elapsed()));
    is_version(namespace, "17.9").await?;
    let stretch = writer.since(mark).await?;
    checks::writer_served(&stretch, LONGEST_GAP)?;
    println!("writes stood still for {:?}", stretch.longest_gap);
    let all = namespace
        .api::<PostgresOpsRequest>()
        .list(&ListParams::default())
        .await?;
    let made = all
        .iter()
        .find(|it| it.name_any().starts_with("ha-postgres-updateversion-"));
    let made = made.context("no request was made for the edit")?;
    ensure!(
        made.phase() == Some(OpsRequestPhase::Successful),
        "{:?}",
        made.status
    );
    Ok(())
}

async fn edit(namespace: &TestNamespace, version: &str) -> Result<()> {
    let patch = Patch::Merge(json!({"spec": {"version": version}}));
    let api = namespace.api::<Postgres>();
    api.patch(DATABASE, &PatchParams::default(), &patch).await?;
    Ok(())
}

/// Every member says so in SQL, and nothing else was changed.
async fn is_version(namespace: &TestNamespace, version: &str) -> Result<()> {
    for member in members::list(namespace, DATABASE).await? {
        let found = members::sql(namespace, &member.name, "show server_version").await?;
        ensure!(found == version, "{} runs {found}, not {version}", member.name);
    }
    let postgres = checks::at_peace(namespace, DATABASE).await?;
    ensure!(postgres.spec.version == version, "{:?}", postgres.spec.version);
    let deployed = postgres.deployed().context("no record")?;
    ensure!(deployed.version.name == version, "{deployed:?}");
    Ok(())
}

/// Bad input changes nothing.
async fn another_major(namespace: &TestNamespace) -> Result<()> {
    let before = members::list(namespace, DATABASE).await?;
    requests::create_as_is(namespace, &request("major", "18.3")?).await?;
    let ended = wait::request_ended(&namespace.api(), "major", UPDATE_TIMEOUT).await?;
    let words = wait::last_words(&ended);
    ensure!(ended.phase() == Some(OpsRequestPhase::Failed), "{words}");
    ensure!(
        words.contains("Nothing was touched") && words.contains("pg_dumpall"),
        "{words}"
    );
    let after = members::list(namespace, DATABASE).await?;
    ensure!(before == after, "a member was touched");
    Ok(())
}

/// One standby was recreated and had no image; it comes back as it was, and the others were not touched.
async fn broken_image(namespace: &TestNamespace) -> Result<()> {
    let versions: Api<PostgresVersion> = Api::all(namespace.client.clone());
    let mut broken = versions.get("17.9").await?;
    broken.metadata = serde_json::from_value(json!({"name": BROKEN}))?;
    broken.spec.version = BROKEN.to_owned();
    broken.spec.db.image = "docker.io/sealwright/postgres:does-not-exist".to_owned();
    versions.create(&PostParams::default(), &broken).await?;
    let outcome = taken_back(namespace).await;
    versions.delete(BROKEN, &DeleteParams::default()).await?;
    outcome
}

async fn taken_back(namespace: &TestNamespace) -> Result<()> {
    let before = members::list(namespace, DATABASE).await?;
    let mut request = request("broken", BROKEN)?;
    request.spec.timeout = Some("40s".into());
    requests::create_as_is(namespace, &request).await?;
    checks::one_taken_back(namespace, DATABASE, "broken", &before, UPDATE_TIMEOUT).await?;
    is_version(namespace, "17.9").await
}
