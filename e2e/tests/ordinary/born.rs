//! What the members were born with: another major version and other credentials are held, and the way back always works.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::postgres::{AuthSecret, DeletionPolicy};
use api_types::vocabulary::ROLE_STANDBY;
use api_types::{Major, Postgres, PostgresVersion};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::poll::{self, Look};
use e2e::{manifests, members, pki, wait};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::{PROVISIONING_TIMEOUT, REPORT_TIMEOUT, edit, reported};

const DATABASE: &str = "pg";
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Two versions of different majors that the catalog has, the older one first.
async fn two_majors(namespace: &TestNamespace) -> Result<(String, String)> {
    let api: Api<PostgresVersion> = Api::all(namespace.client.clone());
    let all = api.list(&ListParams::default()).await?;
    let mut known: Vec<(Major, String)> = all
        .iter()
        .filter(|it| it.spec.deprecated != Some(true))
        .filter_map(|it| Some((it.spec.major()?, it.name_any())))
        .collect();
    known.sort();
    known.dedup_by_key(|(major, _)| *major);
    let [(_, old), .., (_, new)] = known.as_slice() else {
        anyhow::bail!("the catalog has one major version only: {known:?}");
    };
    Ok((old.clone(), new.clone()))
}

async fn standalone(namespace: &TestNamespace, version: Option<&str>) -> Result<()> {
    manifests::create_postgres(namespace, manifests::STANDALONE, |postgres| {
        postgres.metadata.name = Some(DATABASE.to_owned());
        postgres.spec.deletion_policy = Some(DeletionPolicy::Halt);
        if let Some(version) = version {
            version.clone_into(&mut postgres.spec.version);
        }
    })
    .await?;
    Ok(())
}

/// Waits until nothing of the spec is held.
async fn applied(namespace: &TestNamespace) -> Result<()> {
    let holds = |postgres: &Postgres| {
        let status = postgres.status.as_ref();
        let conditions = status.map(|status| status.conditions.as_slice());
        api_types::condition::find(conditions.unwrap_or_default(), "SpecApplied").is_none()
    };
    wait::until(
        &namespace.api(),
        DATABASE,
        "nothing is held",
        REPORT_TIMEOUT,
        holds,
    )
    .await?;
    Ok(())
}

async fn answer(namespace: &TestNamespace) -> Result<()> {
    let answer = members::sql_on_primary(namespace, DATABASE, "select answer from kept").await?;
    ensure!(answer == "42", "the row is {answer:?}");
    Ok(())
}

async fn says_old(namespace: &TestNamespace, old: &str) -> Result<()> {
    let why = reported(namespace, DATABASE, "SpecApplied", "False", "UpdateVersionNeeded").await?;
    ensure!(why.contains(&format!("{old:?}")), "{why}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_major_version_is_never_started_on_the_data() -> Result<()> {
    in_namespace("majors", |namespace| async move { majors(&namespace).await }).await
}

async fn majors(namespace: &TestNamespace) -> Result<()> {
    let (old, new) = two_majors(namespace).await?;
    let api = namespace.api::<Postgres>();
    standalone(namespace, Some(&old)).await?;
    wait::database_ready(&api, DATABASE, PROVISIONING_TIMEOUT).await?;
    members::sql_on_primary(namespace, DATABASE, "create table kept as select 42 as answer").await?;

    edit(namespace, DATABASE, json!({"version": new})).await?;
    says_old(namespace, &old).await?;
    answer(namespace).await?;
    edit(namespace, DATABASE, json!({"version": old, "halted": true})).await?;
    let is_halted = |postgres: &Postgres| {
        postgres.status.as_ref().and_then(|status| status.phase)
            == Some(api_types::postgres::DatabasePhase::Halted)
    };
    wait::until(&api, DATABASE, "Halted", PROVISIONING_TIMEOUT, is_halted).await?;
    edit(namespace, DATABASE, json!({"version": new})).await?;
    says_old(namespace, &old).await?;
    edit(namespace, DATABASE, json!({"halted": false})).await?;
    reported(namespace, DATABASE, "Ready", "False", "UpdateVersionNeeded").await?;
    ensure!(
        namespace.pods().get_opt("pg-0").await?.is_none(),
        "a member was started"
    );
    edit(namespace, DATABASE, json!({"version": old})).await?;
    wait::database_ready(&api, DATABASE, PROVISIONING_TIMEOUT).await?;
    answer(namespace).await?;

    // Halt, delete, apply again.
    let uid = api.get(DATABASE).await?.uid().context("a UID")?;
    api.delete(DATABASE, &DeleteParams::default()).await?;
    wait::gone(&api, DATABASE, &uid, PROVISIONING_TIMEOUT).await?;
    standalone(namespace, Some(&new)).await?;
    says_old(namespace, &old).await?;
    ensure!(
        namespace.pods().get_opt("pg-0").await?.is_none(),
        "a member was started"
    );
    edit(namespace, DATABASE, json!({"version": old})).await?;
    wait::database_ready(&api, DATABASE, PROVISIONING_TIMEOUT).await?;
    answer(namespace).await
}

async fn set_password(namespace: &TestNamespace, secret: &str, password: &str) -> Result<()> {
    let patch = Patch::Merge(json!({"stringData": {"password": password}}));
    namespace
        .api::<Secret>()
        .patch(secret, &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_auth_secret_is_held_and_nobody_is_locked_out() -> Result<()> {
    in_namespace("auth-edited", |namespace| async move { edited(&namespace).await }).await
}

async fn edited(namespace: &TestNamespace) -> Result<()> {
    let api = namespace.api::<Postgres>();
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |postgres| {
        postgres.metadata.name = Some(DATABASE.to_owned());
    })
    .await?;
    wait::database_ready(&api, DATABASE, PROVISIONING_TIMEOUT).await?;
    let (_, first) = pki::password(namespace, DATABASE).await?;

    set_password(namespace, "pg-auth", "another").await?;
    let why = reported(namespace, DATABASE, "SpecApplied", "False", "RotateAuthNeeded").await?;
    ensure!(why.contains("key password of Secret \"pg-auth\""), "{why}");
    ensure!(
        !why.contains("another") && !why.contains(&first),
        "a password in the status"
    );
    // A member that starts now replicates: it has what opens the database.
    let standby = members::list(namespace, DATABASE)
        .await?
        .into_iter()
        .find(|member| member.role.as_deref() == Some(ROLE_STANDBY))
        .context("a standby")?;
    namespace
        .pods()
        .delete(&standby.name, &DeleteParams::default())
        .await?;
    poll::until(
        "the new standby streams",
        PROVISIONING_TIMEOUT,
        POLL_INTERVAL,
        || async {
            let pod = namespace.pods().get_opt(&standby.name).await?;
            let is_new = pod
                .and_then(|pod| pod.uid())
                .is_some_and(|uid| uid != standby.uid);
            if !is_new {
                return Ok(Look::NotYet("no new Pod".to_owned()));
            }
            let streaming = "select count(*) from pg_stat_replication where state = 'streaming'";
            let count = members::sql_on_primary(namespace, DATABASE, streaming).await?;
            Ok(if count == "2" {
                Look::Found(())
            } else {
                Look::NotYet(format!("{count} standbys stream"))
            })
        },
    )
    .await?;
    set_password(namespace, "pg-auth", &first).await?;
    applied(namespace).await?;

    // Another Secret.
    let other =
        json!({"metadata": {"name": "mine"}, "stringData": {"username": "postgres", "password": "another"}});
    let other: Secret = serde_json::from_value(other)?;
    namespace.api().create(&PostParams::default(), &other).await?;
    edit(namespace, DATABASE, json!({"authSecret": {"name": "mine"}})).await?;
    let why = reported(namespace, DATABASE, "SpecApplied", "False", "RotateAuthNeeded").await?;
    ensure!(why.contains("Secret \"mine\" has another key password"), "{why}");
    edit(namespace, DATABASE, json!({"authSecret": {"name": "pg-auth"}})).await?;
    applied(namespace).await
}

/// A single member has no standby that would have to log in again.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_changed_by_sql_too_is_taken() -> Result<()> {
    in_namespace("auth-by-sql", |namespace| async move {
        standalone(&namespace, None).await?;
        wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
        members::sql_on_primary(&namespace, DATABASE, "alter role postgres password 'another'").await?;
        set_password(&namespace, "pg-auth", "another").await?;
        let is_second = |postgres: &Postgres| {
            postgres
                .deployed()
                .and_then(|deployed| deployed.auth.as_ref())
                .is_some_and(|auth| auth.revision == 2)
        };
        wait::until(
            &namespace.api(),
            DATABASE,
            "other credentials",
            REPORT_TIMEOUT,
            is_second,
        )
        .await?;
        applied(&namespace).await?;
        wait::database_ready(&namespace.api::<Postgres>(), DATABASE, REPORT_TIMEOUT).await?;
        Ok(())
    })
    .await
}

/// The user's own Secret is the user's, also when it is another one by now.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_another_name_with_the_same_credentials_is_followed() -> Result<()> {
    in_namespace("auth-renamed", |namespace| async move {
        standalone(&namespace, None).await?;
        wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
        let (username, password) = pki::password(&namespace, DATABASE).await?;
        let same =
            json!({"metadata": {"name": "mine"}, "stringData": {"username": username, "password": password}});
        let same: Secret = serde_json::from_value(same)?;
        namespace.api().create(&PostParams::default(), &same).await?;
        let named = AuthSecret {
            name: "mine".to_owned(),
            ..AuthSecret::default()
        };
        edit(&namespace, DATABASE, json!({"authSecret": named})).await?;
        let is_followed = |postgres: &Postgres| {
            postgres
                .deployed()
                .and_then(|deployed| deployed.auth.as_ref())
                .is_some_and(|auth| auth.secret_name == "mine" && auth.revision == 1)
        };
        wait::until(&namespace.api(), DATABASE, "mine", REPORT_TIMEOUT, is_followed).await?;
        applied(&namespace).await
    })
    .await
}
