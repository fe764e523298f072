//! `RotateAuth` on the real cluster, with an application that writes: no session ends, and the former password opens nothing.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use api_types::ops_request::OpsRequestPhase;
use api_types::{Postgres, PostgresOpsRequest};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::poll::{self, Look};
use e2e::{checks, client, manifests, members, pki, pods, report, requests, wait};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::PROVISIONING_TIMEOUT;

const DATABASE: &str = "ha-postgres";
const ROTATION_TIMEOUT: Duration = Duration::from_secs(120);

async fn rotate(namespace: &TestNamespace, name: &str, fields: &Value) -> Result<PostgresOpsRequest> {
    let begin = Instant::now();
    let request = requests::of(name, DATABASE, "RotateAuth", fields)?;
    requests::create_as_is(namespace, &request).await?;
    let ended = wait::request_successful(&namespace.api(), name, ROTATION_TIMEOUT).await?;
    println!(
        "{name}: request to Successful {}",
        report::seconds(begin.elapsed())
    );
    checks::at_peace(namespace, DATABASE).await?;
    Ok(ended)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_changes_on_every_member_and_no_session_ends() -> Result<()> {
    in_namespace("rotate-auth", |namespace| async move { story(&namespace).await }).await
}

async fn story(namespace: &TestNamespace) -> Result<()> {
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |_| {}).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    let before = members::list(namespace, DATABASE).await?;
    hold_a_session(namespace).await?;

    let (user, former) = pki::password(namespace, DATABASE).await?;
    let ended = rotate(namespace, "made", &json!({})).await?;
    let (_, made) = pki::password(namespace, DATABASE).await?;
    ensure!(made != former, "the Secret has the former password");
    opens_only(namespace, &made, &former).await?;
    let secret: Secret = namespace.api().get("ha-postgres-auth").await?;
    let kept = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        bytes.map(|bytes| String::from_utf8_lossy(&bytes.0).into_owned())
    };
    ensure!(
        kept("password.prev") == Some(former),
        "password.prev is another one"
    );
    ensure!(
        kept("username.prev") == Some(user.clone()),
        "username.prev is another one"
    );
    let conditions = requests::conditions(&ended);
    for wanted in ["RotateAuth", "UpdateCredential", "UpdatePetSets", "Successful"] {
        ensure!(conditions.contains(&wanted), "{conditions:?}");
    }

    own(namespace, &user, &made).await?;
    the_session_goes_on(namespace).await?;
    let after = members::list(namespace, DATABASE).await?;
    ensure!(before == after, "a Pod was touched: {before:?} {after:?}");
    another_user_is_refused(namespace).await
}

/// Writes in one session for as long as that lives, with the password of its beginning.
const SESSION: &str = "
import os, psycopg2, time
session = psycopg2.connect(host=os.environ['PGHOST'], dbname='postgres')
session.autocommit = True
with session.cursor() as cursor:
    cursor.execute('create table written (at timestamptz default clock_timestamp())')
    while True:
        cursor.execute('insert into written default values returning pg_backend_pid()')
        print(cursor.fetchone()[0], flush=True)
        time.sleep(0.05)
";
const HOLDER: &str = "session";

async fn hold_a_session(namespace: &TestNamespace) -> Result<()> {
    let target = pods::target(namespace, DATABASE).await?;
    let pod = pods::restricted(HOLDER, &target, &["python3", "-c", SESSION], Vec::new())?;
    let host = format!("{DATABASE}.{}.svc", namespace.name);
    let pod = pods::with_environment(pod, json!([{"name": "PGHOST", "value": host}]))?;
    pods::start(namespace, &pod, ROTATION_TIMEOUT).await?;
    rows_after(namespace, 0).await.map(drop)
}

/// How many rows the session has written, once they are more than these.
async fn rows_after(namespace: &TestNamespace, rows: usize) -> Result<usize> {
    poll::until(
        "another row",
        ROTATION_TIMEOUT,
        Duration::from_millis(300),
        || async {
            let said = members::log(namespace, HOLDER, pods::CONTAINER).await?;
            let backends: BTreeSet<&str> = said.lines().collect();
            ensure!(backends.len() <= 1, "the session ended: {backends:?}");
            Ok(match said.lines().count() {
                found if found > rows => Look::Found(found),
                found => Look::NotYet(format!("{found} rows")),
            })
        },
    )
    .await
}

async fn the_session_goes_on(namespace: &TestNamespace) -> Result<()> {
    let rows = rows_after(namespace, 0).await?;
    let rows = rows_after(namespace, rows).await?;
    println!("one session wrote {rows} rows from before the first change until now");
    Ok(())
}

/// The user's Secret, with KubeDB's YAML.
async fn own(namespace: &TestNamespace, user: &str, former: &str) -> Result<()> {
    make_secret(namespace, "mine", user, "a-password-of-my-own").await?;
    let own = json!({"authentication": {"secretRef": {"kind": "Secret", "name": "mine"}}, "timeout": "5m", "apply": "IfReady"});
    rotate(namespace, "own", &own).await?;
    opens_only(namespace, "a-password-of-my-own", former).await?;
    let postgres: Postgres = namespace.api().get(DATABASE).await?;
    ensure!(
        postgres.auth_secret_name() == "mine",
        "{:?}",
        postgres.spec.auth_secret
    );
    Ok(())
}

async fn another_user_is_refused(namespace: &TestNamespace) -> Result<()> {
    make_secret(namespace, "another", "somebody", "x").await?;
    let fields = json!({"authentication": {"secretRef": {"name": "another"}}});
    let request = requests::of("another", DATABASE, "RotateAuth", &fields)?;
    requests::create_as_is(namespace, &request).await?;
    let ended = wait::request_ended(&namespace.api(), "another", ROTATION_TIMEOUT).await?;
    let words = wait::last_words(&ended);
    ensure!(
        ended.phase() == Some(OpsRequestPhase::Failed)
            && words.contains("database username cannot be changed"),
        "{}: {words}",
        ended.name_any()
    );
    Ok(())
}

async fn make_secret(namespace: &TestNamespace, name: &str, username: &str, password: &str) -> Result<()> {
    let secret = json!({"metadata": {"name": name}, "type": "kubernetes.io/basic-auth",
        "stringData": {"username": username, "password": password}});
    let secret: Secret = serde_json::from_value(secret).context("a Secret")?;
    namespace.api().create(&PostParams::default(), &secret).await?;
    Ok(())
}

/// On every member, by its own name.
async fn opens_only(namespace: &TestNamespace, right: &str, wrong: &str) -> Result<()> {
    for member in members::list(namespace, DATABASE).await? {
        let option =
            |password: &str| format!("sslmode=disable hostaddr={} password={password}", member.address);
        let (right, wrong) = (option(right), option(wrong));
        let attempts = client::connect(namespace, DATABASE, &[&right, &wrong], "select 1").await?;
        attempts[0].connected().with_context(|| member.name.clone())?;
        let words = attempts[1].refused().with_context(|| member.name.clone())?;
        ensure!(words.contains("password authentication failed"), "{words}");
    }
    Ok(())
}
