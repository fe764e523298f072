//! The auth Secret: brought later, with a line break, or gone while the data is there.

use anyhow::{Context, Result, ensure};
use api_types::postgres::{AuthSecret, DeletionPolicy};
use api_types::vocabulary::POSTGRES_CONTAINER;
use api_types::{PetSet, Postgres, names};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::{manifests, members, pki, shell, wait};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use crate::{PROVISIONING_TIMEOUT, healed, reported};

async fn standalone(namespace: &TestNamespace, auth: Option<&str>, policy: DeletionPolicy) -> Result<()> {
    manifests::create_postgres(namespace, manifests::STANDALONE, |postgres| {
        postgres.metadata.name = Some("pg".to_owned());
        postgres.spec.deletion_policy = Some(policy);
        postgres.spec.auth_secret = auth.map(|name| AuthSecret {
            name: name.to_owned(),
            ..AuthSecret::default()
        });
    })
    .await?;
    Ok(())
}

async fn secret(namespace: &TestNamespace, name: &str, username: &str, password: &str) -> Result<()> {
    let secret =
        json!({"metadata": {"name": name}, "stringData": {"username": username, "password": password}});
    let secret: Secret = serde_json::from_value(secret).context("a Secret")?;
    namespace.api().create(&PostParams::default(), &secret).await?;
    Ok(())
}

async fn no_member_was_made(namespace: &TestNamespace) -> Result<()> {
    let pet_set = namespace.api::<PetSet>().get_opt("pg").await?;
    ensure!(pet_set.is_none(), "members were made");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_the_user_names_is_waited_for() -> Result<()> {
    in_namespace("waited-for", |namespace| async move {
        standalone(&namespace, Some("my-auth"), DeletionPolicy::WipeOut).await?;
        let why = reported(&namespace, "pg", "Ready", "False", "InvalidAuthSecret").await?;
        ensure!(
            why.contains("\"my-auth\" does not exist yet and is waited for"),
            "{why}"
        );
        no_member_was_made(&namespace).await?;
        let made = namespace.api::<Secret>().get_opt("my-auth").await?;
        ensure!(made.is_none(), "the operator made the user's Secret");

        // A password with what shells, files and connection strings quote.
        secret(&namespace, "my-auth", "admin", r#" 'p"a:s\s$w{o}r%d# "#).await?;
        healed(&namespace, "pg").await?;
        let question = "select rolsuper from pg_roles where rolname = current_user";
        let psql = [
            "psql",
            "-XAtq",
            "-h",
            "/var/run/postgresql",
            "-U",
            "admin",
            "-d",
            "postgres",
            "-c",
            question,
        ];
        let answer = shell::output_of(&namespace.pods(), "pg-0", POSTGRES_CONTAINER, &psql).await?;
        ensure!(answer.trim() == "t", "admin is no superuser: {answer}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_ends_in_a_line_break_is_refused_and_the_corrected_one_heals() -> Result<()> {
    in_namespace("line-break", |namespace| async move {
        secret(&namespace, "my-auth", "postgres", "secret\n").await?;
        standalone(&namespace, Some("my-auth"), DeletionPolicy::WipeOut).await?;
        let why = reported(&namespace, "pg", "Ready", "False", "InvalidAuthSecret").await?;
        ensure!(
            why.contains("\"my-auth\": key password ends in a line break"),
            "{why}"
        );
        no_member_was_made(&namespace).await?;
        let corrected = json!({"stringData": {"password": "secret"}});
        namespace
            .api::<Secret>()
            .patch("my-auth", &PatchParams::default(), &Patch::Merge(corrected))
            .await?;
        healed(&namespace, "pg").await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_is_made_for_the_data_of_an_earlier_database() -> Result<()> {
    in_namespace("old-data", |namespace| async move { old_data(&namespace).await }).await
}

async fn old_data(namespace: &TestNamespace) -> Result<()> {
    standalone(namespace, None, DeletionPolicy::Halt).await?;
    let api = namespace.api::<Postgres>();
    let uid = wait::database_ready(&api, "pg", PROVISIONING_TIMEOUT)
        .await?
        .uid();
    members::sql_on_primary(namespace, "pg", "create table kept as select 42 as answer").await?;
    let (username, password) = pki::password(namespace, "pg").await?;
    api.delete("pg", &DeleteParams::default()).await?;
    wait::gone(&api, "pg", &uid.unwrap_or_default(), PROVISIONING_TIMEOUT).await?;
    let auth = names::auth_secret("pg");
    namespace
        .api::<Secret>()
        .delete(&auth, &DeleteParams::default())
        .await?;

    standalone(namespace, None, DeletionPolicy::WipeOut).await?;
    let why = reported(namespace, "pg", "Ready", "False", "InvalidAuthSecret").await?;
    ensure!(
        why.contains("\"data-pg-0\" has the data of an earlier database"),
        "{why}"
    );
    no_member_was_made(namespace).await?;
    secret(namespace, &auth, &username, &password).await?;
    healed(namespace, "pg").await?;
    let answer = members::sql_on_primary(namespace, "pg", "select answer from kept").await?;
    ensure!(answer == "42", "the row is {answer:?}");
    Ok(())
}
