//! `VolumeExpansion` on volumes with a real size: while an application writes, on a full disk, with a storage driver that refuses
//! one member, and with one that enlarges no volume in use.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use api_types::ops_request::{OpsRequestPhase, VolumeSize};
use api_types::vocabulary::{DATA_MOUNT, NO_POD, POSTGRES_CONTAINER};
use api_types::{Postgres, PostgresOpsRequest};
use e2e::cluster::{FIELD_MANAGER, TestNamespace, in_namespace};
use e2e::poll::{self, Look};
use e2e::writer::{Choice, Writer};
use e2e::{checks, manifests, members, report, requests, shell, volumes, wait};
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::PROVISIONING_TIMEOUT;

const HA: &str = "ha-postgres";
const SINGLE: &str = "standalone";
const EXPANSION_TIMEOUT: Duration = Duration::from_secs(120);
/// An expansion of three members. Tests run side by side: this bounds what is broken, and `make bench` measures.
const ONLINE: Duration = Duration::from_secs(40);
/// Three members whose Pods are away one after the other.
const OFFLINE: Duration = Duration::from_secs(180);
/// A switchover; tests run side by side.
const SWITCHOVER: Duration = Duration::from_secs(10);
/// The way from a full disk back to service, kubelet's restart of the container included.
const BACK_IN_SERVICE: Duration = Duration::from_secs(90);
const POLL_INTERVAL: Duration = Duration::from_millis(200);
const MEBIBYTE: u64 = 1 << 20;

fn request(name: &str, database: &str, size: &str) -> Result<PostgresOpsRequest> {
    let fields = json!({"volumeExpansion": {"mode": "Online", "postgres": size}, "timeout": "60s"});
    requests::of(name, database, "VolumeExpansion", &fields)
}

fn offline_request(name: &str, database: &str, size: &str) -> Result<PostgresOpsRequest> {
    let fields = json!({"volumeExpansion": {"mode": "Offline", "postgres": size}, "timeout": "150s"});
    requests::of(name, database, "VolumeExpansion", &fields)
}

async fn create(namespace: &TestNamespace, manifest: &str, name: &str, class: &str) -> Result<()> {
    manifests::create_postgres(namespace, manifest, |postgres| {
        volumes::of_class(postgres, class);
    })
    .await?;
    wait::database_ready(&namespace.api::<Postgres>(), name, PROVISIONING_TIMEOUT).await?;
    Ok(())
}

/// Mebibytes of the file system that a member has its data on, as `df` shows them there.
async fn disk(namespace: &TestNamespace, pod: &str) -> Result<u64> {
    let command = ["df", "--block-size=1", "--output=size", DATA_MOUNT];
    let shown = shell::output_of(&namespace.pods(), pod, POSTGRES_CONTAINER, &command).await?;
    let bytes: u64 = shown.lines().last().context("no line")?.trim().parse()?;
    Ok(bytes / MEBIBYTE)
}

async fn disks(namespace: &TestNamespace, database: &str) -> Result<Vec<u64>> {
    let mut all = Vec::new();
    for member in members::list(namespace, database).await? {
        all.push(disk(namespace, &member.name).await?);
    }
    Ok(all)
}

fn size_in_spec(postgres: &Postgres) -> String {
    let size = VolumeSize::of(&postgres.spec).storage;
    size.map(|size| size.0).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_grow_while_an_application_writes() -> Result<()> {
    in_namespace("expand", |namespace| async move { online(&namespace).await }).await
}

async fn online(namespace: &TestNamespace) -> Result<()> {
    if !volumes::are_expandable(&namespace.client).await? {
        return Ok(());
    }
    create(namespace, manifests::HA_POSTGRES, HA, volumes::EXPANDABLE).await?;
    let before = (members::list(namespace, HA).await?, disks(namespace, HA).await?);
    let writer = Writer::start(namespace, HA, Choice::TESTING).await?;
    let mark = writer.mark().await?;
    let begin = Instant::now();
    requests::create_as_is(namespace, &request("grow", HA, "2Gi")?).await?;
    let grown = wait::request_successful(&namespace.api(), "grow", EXPANSION_TIMEOUT).await?;
    let took = begin.elapsed();
    println!("three volumes: {}", report::seconds(took));
    ensure!(took < ONLINE, "it took {took:?}");
    let after = disks(namespace, HA).await?;
    println!("file systems in MiB: {:?} → {after:?}", before.1);
    ensure!(before.1.iter().all(|size| *size < 1024), "{:?}", before.1);
    ensure!(after.iter().all(|size| (1792..=2048).contains(size)), "{after:?}");
    ensure!(
        members::list(namespace, HA).await? == before.0,
        "a member was touched"
    );
    let names = requests::conditions(&grown);
    for expected in [
        "VolumeExpansionSucceeded",
        "CheckVolume--ha-postgres-0",
        "ReadyPetSets",
    ] {
        ensure!(names.contains(&expected), "{expected} is missing in {names:?}");
    }
    let postgres = checks::at_peace(namespace, HA).await?;
    ensure!(size_in_spec(&postgres) == "2Gi", "{:?}", postgres.spec.storage);
    checks::writer_served(&writer.since(mark).await?, Duration::from_secs(2))?;
    refused(namespace, "less", "1Gi", "write 2Gi or more").await?;
    by_an_edit(namespace).await?;
    println!("{} acknowledged rows, none lost", writer.finish().await?);
    Ok(())
}

/// Bad input changes nothing, and is told what to write.
async fn refused(namespace: &TestNamespace, name: &str, size: &str, words: &str) -> Result<()> {
    requests::create_as_is(namespace, &request(name, HA, size)?).await?;
    let ended = wait::request_ended(&namespace.api(), name, EXPANSION_TIMEOUT).await?;
    let said = wait::last_words(&ended);
    ensure!(ended.phase() == Some(OpsRequestPhase::Failed), "{said}");
    ensure!(said.contains(words), "{said}");
    Ok(())
}

/// What Git or a person writes into the Postgres is carried out in the same steps.
async fn by_an_edit(namespace: &TestNamespace) -> Result<()> {
    let patch = json!({"spec": {"storage": {"resources": {"requests": {"storage": "2560Mi"}}}}});
    let api = namespace.api::<Postgres>();
    api.patch(HA, &PatchParams::default(), &Patch::Merge(&patch))
        .await?;
    poll::until(
        "larger file systems",
        EXPANSION_TIMEOUT,
        POLL_INTERVAL,
        || async {
            let sizes = disks(namespace, HA).await?;
            Ok(if sizes.iter().all(|size| *size > 2048) {
                Look::Found(())
            } else {
                Look::NotYet(format!("{sizes:?}"))
            })
        },
    )
    .await?;
    wait::database_ready(&api, HA, PROVISIONING_TIMEOUT).await?;
    checks::at_peace(namespace, HA).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_on_a_full_disk_comes_back_into_service() -> Result<()> {
    in_namespace("full-disk", |namespace| async move { full(&namespace).await }).await
}

async fn full(namespace: &TestNamespace) -> Result<()> {
    if !volumes::are_expandable(&namespace.client).await? {
        return Ok(());
    }
    create(namespace, manifests::STANDALONE, SINGLE, volumes::EXPANDABLE).await?;
    let pod = "standalone-0";
    members::sql(
        namespace,
        pod,
        "create table kept as select generate_series(1, 1000) as id",
    )
    .await?;
    fill(namespace, pod).await?;
    let is_down = || async {
        // Ends a segment of WAL, until there is no room for another one.
        let next = "select pg_logical_emit_message(false, '', ''), pg_switch_wal()";
        let outcome = members::sql(namespace, pod, next).await;
        let down = members::sql(namespace, pod, "select 1").await.is_err();
        Ok(if down {
            Look::Found(())
        } else {
            Look::NotYet(format!("{outcome:?}"))
        })
    };
    poll::until("PostgreSQL is down", EXPANSION_TIMEOUT, POLL_INTERVAL, is_down).await?;
    println!("the disk is full, and PostgreSQL is down");
    let begin = Instant::now();
    requests::create_as_is(namespace, &request("room", SINGLE, "2Gi")?).await?;
    poll::until("a row is written", EXPANSION_TIMEOUT, POLL_INTERVAL, || async {
        members::sql(namespace, pod, "insert into kept values (0)").await?;
        Ok(Look::Found(()))
    })
    .await?;
    let took = begin.elapsed();
    println!("back in service: {}", report::seconds(took));
    wait::request_successful(&namespace.api(), "room", EXPANSION_TIMEOUT).await?;
    let rows = members::sql(namespace, pod, "select count(*) >= 1000 from kept").await?;
    ensure!(rows == "t", "rows are missing");
    ensure!(took < BACK_IN_SERVICE, "it took {took:?}");
    Ok(())
}

/// Takes every byte of the volume, but for what PostgreSQL has.
async fn fill(namespace: &TestNamespace, pod: &str) -> Result<()> {
    let fill = format!(
        "dd if=/dev/zero of={DATA_MOUNT}/filler bs=1M 2>/dev/null; dd if=/dev/zero of={DATA_MOUNT}/rest bs=4k 2>/dev/null; true"
    );
    shell::output_of(&namespace.pods(), pod, POSTGRES_CONTAINER, &["sh", "-c", &fill]).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_refuses_one_member_leaves_a_database_that_serves() -> Result<()> {
    in_namespace(
        "refused",
        |namespace| async move { one_refused(&namespace).await },
    )
    .await
}

async fn one_refused(namespace: &TestNamespace) -> Result<()> {
    if !volumes::are_expandable(&namespace.client).await? {
        return Ok(());
    }
    let class = namespace.name.clone();
    // The driver has no more than 1.5 GiB for the volume of the second member.
    let refuses = json!({"refuseAbove": "1610612736", "refuseFor": "data-ha-postgres-1"});
    make_class(namespace, &class, &refuses).await?;
    let outcome = with_a_driver_that_refuses(namespace, &class).await;
    delete_class(namespace, &class).await?;
    outcome
}

async fn delete_class(namespace: &TestNamespace, name: &str) -> Result<()> {
    volumes::classes(&namespace.client)
        .delete(name, &DeleteParams::default())
        .await?;
    Ok(())
}

async fn make_class(namespace: &TestNamespace, name: &str, parameters: &Value) -> Result<()> {
    let class = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": name},
        "provisioner": "volumes.sealwright.dev", "volumeBindingMode": "WaitForFirstConsumer", "allowVolumeExpansion": true,
        "parameters": parameters,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    volumes::classes(&namespace.client)
        .patch(name, &params, &Patch::Apply(class))
        .await?;
    Ok(())
}

async fn with_a_driver_that_refuses(namespace: &TestNamespace, class: &str) -> Result<()> {
    create(namespace, manifests::HA_POSTGRES, HA, class).await?;
    requests::create_as_is(namespace, &request("grow", HA, "2Gi")?).await?;
    let ended = wait::request_ended(&namespace.api(), "grow", EXPANSION_TIMEOUT).await?;
    let said = wait::last_words(&ended);
    println!("{said}");
    ensure!(ended.phase() == Some(OpsRequestPhase::Failed), "{said}");
    for words in [
        "ha-postgres-1",
        "the disk has room for 1610612736 bytes",
        "The volumes of ha-postgres-0, ha-postgres-2 have 2Gi",
    ] {
        ensure!(said.contains(words), "{said}");
    }
    let sizes = disks(namespace, HA).await?;
    println!("file systems in MiB: {sizes:?}");
    ensure!(sizes[0] > 1792 && sizes[1] < 1024 && sizes[2] > 1792, "{sizes:?}");
    let postgres = wait::database_ready(&namespace.api::<Postgres>(), HA, PROVISIONING_TIMEOUT).await?;
    ensure!(size_in_spec(&postgres) == "1Gi", "the spec was written");
    members::sql_on_primary(namespace, HA, "create table still_serves ()").await?;

    requests::create_as_is(namespace, &request("lower", HA, "1280Mi")?).await?;
    wait::request_successful(&namespace.api(), "lower", EXPANSION_TIMEOUT).await?;
    let sizes = disks(namespace, HA).await?;
    println!("file systems in MiB: {sizes:?}");
    ensure!((1120..=1280).contains(&sizes[1]), "{sizes:?}");
    let postgres = checks::at_peace(namespace, HA).await?;
    ensure!(size_in_spec(&postgres) == "1280Mi", "{:?}", postgres.spec.storage);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_grows_only_out_of_use_grows_while_its_pod_is_away() -> Result<()> {
    in_namespace("offline", |namespace| async move { offline(&namespace).await }).await
}

async fn offline(namespace: &TestNamespace) -> Result<()> {
    if !volumes::are_expandable(&namespace.client).await? {
        return Ok(());
    }
    let class = namespace.name.clone();
    // The driver refuses to enlarge a volume that a node has mounted.
    make_class(namespace, &class, &json!({"offline": "true"})).await?;
    let outcome = with_pods_away(namespace, &class).await;
    delete_class(namespace, &class).await?;
    outcome
}

async fn with_pods_away(namespace: &TestNamespace, class: &str) -> Result<()> {
    create(namespace, manifests::HA_POSTGRES, HA, class).await?;
    let before = (members::list(namespace, HA).await?, disks(namespace, HA).await?);
    let writer = Writer::start(namespace, HA, Choice::TESTING).await?;
    let mark = writer.mark().await?;
    let begin = Instant::now();
    requests::create_as_is(namespace, &offline_request("grow", HA, "2Gi")?).await?;
    let grown = wait::request_successful(&namespace.api(), "grow", OFFLINE).await?;
    println!("three volumes, offline: {}", report::seconds(begin.elapsed()));
    let after = disks(namespace, HA).await?;
    println!("file systems in MiB: {:?} → {after:?}", before.1);
    ensure!(before.1.iter().all(|size| *size < 1024), "{:?}", before.1);
    ensure!(after.iter().all(|size| (1792..=2048).contains(size)), "{after:?}");
    let now = members::list(namespace, HA).await?;
    ensure!(now.len() == 3, "{now:?}");
    let was_there = |uid: &str| before.0.iter().any(|member| member.uid == uid);
    let stayed = now.iter().filter(|member| was_there(&member.uid)).count();
    ensure!(stayed == 0, "{stayed} Pods were not away");
    let names = requests::conditions(&grown);
    for expected in [
        "VolumeExpansionSucceeded",
        "EvictPod--ha-postgres-0",
        "CheckVolume--ha-postgres-0",
        "TransferLeader",
    ] {
        ensure!(names.contains(&expected), "{expected} is missing in {names:?}");
    }
    no_pod_is_kept_away(namespace).await?;
    let postgres = checks::at_peace(namespace, HA).await?;
    ensure!(size_in_spec(&postgres) == "2Gi", "{:?}", postgres.spec.storage);
    checks::writer_served(&writer.since(mark).await?, SWITCHOVER)?;
    one_deleted_in_the_middle(namespace).await?;
    println!("{} acknowledged rows, none lost", writer.finish().await?);
    Ok(())
}

/// A request that is deleted while a Pod is kept away: the Pod comes back.
async fn one_deleted_in_the_middle(namespace: &TestNamespace) -> Result<()> {
    requests::create_as_is(namespace, &offline_request("given-up", HA, "3Gi")?).await?;
    poll::until("a Pod is kept away", OFFLINE, POLL_INTERVAL, || async {
        Ok(match no_pod_is_kept_away(namespace).await {
            Ok(()) => Look::NotYet("none is".to_owned()),
            Err(_) => Look::Found(()),
        })
    })
    .await?;
    let requests = namespace.api::<PostgresOpsRequest>();
    requests.delete("given-up", &DeleteParams::default()).await?;
    poll::until(
        "no Pod is kept away",
        EXPANSION_TIMEOUT,
        POLL_INTERVAL,
        || async {
            Ok(match no_pod_is_kept_away(namespace).await {
                Ok(()) if members::list(namespace, HA).await?.len() == 3 => Look::Found(()),
                outcome => Look::NotYet(format!("{outcome:?}")),
            })
        },
    )
    .await?;
    wait::database_ready(&namespace.api::<Postgres>(), HA, PROVISIONING_TIMEOUT).await?;
    Ok(())
}

async fn no_pod_is_kept_away(namespace: &TestNamespace) -> Result<()> {
    let claims = namespace.api::<PersistentVolumeClaim>();
    for claim in claims.list(&ListParams::default()).await? {
        let noted = claim.annotations().get(NO_POD);
        ensure!(noted.is_none(), "{}: {noted:?}", claim.name_any());
    }
    Ok(())
}
