//! Roles of ours: whatever the user does to the superuser of the auth Secret, or to them, the database goes on.

use std::time::Duration;

use anyhow::{Result, ensure};
use api_types::ops_request::{OpsRequestPhase, PostgresOpsRequest};
use api_types::{Postgres, roles};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::failover::another_primary_than;
use e2e::members::Member;
use e2e::poll::{self, Look};
use e2e::{manifests, members, pki, pods, requests, wait};
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::json;

use crate::{PROVISIONING_TIMEOUT, edit};

const DATABASE: &str = "ha-postgres";
/// Longest time until standbys stream again, or a role is as it was: a health check comes every ten seconds.
const REPAIR_TIMEOUT: Duration = Duration::from_secs(60);
const OPERATION_TIMEOUT: Duration = Duration::from_secs(300);

/// What a user may do to the superuser of the auth Secret, so that nobody logs in as that role any more.
const LOCKED: [&str; 4] = [
    "alter role postgres password 'another one'",
    "alter role postgres valid until '2001-01-01'",
    "alter role postgres connection limit 0",
    "alter role postgres nologin",
];

/// What a user may do to the roles of ours.
const DAMAGED: [&str; 6] = [
    "alter role sealwright_replication password 'another one'; alter role sealwright_rewind nologin",
    "alter role sealwright_operator valid until '2001-01-01'",
    "alter role sealwright_operator connection limit 0",
    "drop schema sealwright cascade; drop owned by sealwright_operator; drop role sealwright_operator",
    "alter role sealwright_replication rename to somebody",
    "drop owned by sealwright_rewind; drop role sealwright_rewind, sealwright_monitor, sealwright_replication",
];

async fn as_ours(namespace: &TestNamespace, statement: &str) -> Result<String> {
    let primary = members::primary(namespace, DATABASE).await?;
    members::sql_as(namespace, &primary.name, roles::PATRONI, statement).await
}

/// Standbys that have to log in again do so, and stream as the role that is for that.
async fn replicates(namespace: &TestNamespace) -> Result<()> {
    as_ours(
        namespace,
        "select count(pg_terminate_backend(pid)) from pg_stat_replication",
    )
    .await?;
    streams(namespace).await
}

async fn streams(namespace: &TestNamespace) -> Result<()> {
    let query = "select count(*) from pg_stat_replication where state = 'streaming' and usename = 'sealwright_replication'";
    poll::until(
        "two standbys that stream",
        REPAIR_TIMEOUT,
        Duration::from_secs(1),
        || async {
            let streaming = as_ours(namespace, query).await?;
            Ok(if streaming == "2" {
                Look::Found(())
            } else {
                Look::NotYet(format!("{streaming} stream"))
            })
        },
    )
    .await
}

async fn run(namespace: &TestNamespace, yaml: &str, name: &str) -> Result<()> {
    requests::run(namespace, yaml, name, DATABASE, OPERATION_TIMEOUT).await?;
    wait::database_ready(&namespace.api(), DATABASE, REPAIR_TIMEOUT).await?;
    Ok(())
}

async fn with_tls(namespace: &TestNamespace) -> Result<()> {
    requests::issuers(namespace).await?;
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |postgres| {
        postgres.spec.tls = Some(manifests::plain_tls());
        postgres.spec.ssl_mode = Some(api_types::tls::SslMode::VerifyFull);
    })
    .await?;
    wait::database_ready(&namespace.api(), DATABASE, PROVISIONING_TIMEOUT).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superuser_that_nobody_logs_in_as_is_not_missed() -> Result<()> {
    in_namespace("no-superuser", |namespace| async move {
        with_tls(&namespace).await?;
        for statement in LOCKED {
            as_ours(&namespace, statement).await?;
            replicates(&namespace).await?;
        }
        wait::database_ready(&namespace.api(), DATABASE, REPAIR_TIMEOUT).await?;

        fails_over(&namespace).await?;
        run(&namespace, manifests::RESTART, "restart").await?;
        run(&namespace, manifests::ROTATE_TLS, "rotate").await?;
        streams(&namespace).await?;
        // What was done to the superuser is the user's to undo.
        let question = "select rolcanlogin, rolconnlimit, rolvaliduntil < now() from pg_roles where rolname = 'postgres'";
        let answer = as_ours(&namespace, question).await?;
        ensure!(answer == "f|0|t", "the superuser is {answer}");
        Ok(())
    })
    .await
}

async fn fails_over(namespace: &TestNamespace) -> Result<()> {
    let old: Member = members::primary(namespace, DATABASE).await?;
    let at_once = DeleteParams::default().grace_period(0);
    namespace.pods().delete(&old.name, &at_once).await?;
    another_primary_than(namespace, DATABASE, &old).await?;
    streams(namespace).await?;
    wait::database_ready(&namespace.api(), DATABASE, PROVISIONING_TIMEOUT).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_of_ours_that_were_changed_or_dropped_are_made_again() -> Result<()> {
    in_namespace("our-roles", |namespace| async move {
        manifests::create_postgres(&namespace, manifests::HA_POSTGRES, |_| {}).await?;
        wait::database_ready(&namespace.api(), DATABASE, PROVISIONING_TIMEOUT).await?;
        let sound = as_ours(&namespace, "select sealwright.roles()").await?;
        for statement in DAMAGED {
            members::sql_on_primary(&namespace, DATABASE, statement).await?;
            mended(&namespace, statement, &sound).await?;
            members::sql_on_primary(&namespace, DATABASE, "drop role if exists somebody").await?;
            replicates(&namespace).await?;
        }
        // Patroni's own: its sessions go on, and a restarted PostgreSQL lets it in again.
        members::sql_on_primary(&namespace, DATABASE, "alter role sealwright nologin").await?;
        mended(&namespace, "Patroni's role without a login", &sound).await?;
        fails_over(&namespace).await
    })
    .await
}

async fn mended(namespace: &TestNamespace, what: &str, sound: &str) -> Result<()> {
    let what = format!("roles as they were after {what:?}");
    poll::until(&what, REPAIR_TIMEOUT, Duration::from_secs(1), || async {
        let found = members::sql_on_primary(namespace, DATABASE, "select sealwright.roles()").await?;
        Ok(if found == sound {
            Look::Found(())
        } else {
            Look::NotYet(found)
        })
    })
    .await?;
    wait::database_ready(&namespace.api(), DATABASE, REPAIR_TIMEOUT).await?;
    Ok(())
}

/// Holds connections as the superuser until none is left, as an application's pool does.
const TAKE_ALL: &str = "
import os, psycopg2, time
host = os.environ['PGHOST']
held = []
while True:
    try:
        while True:
            held.append(psycopg2.connect(host=host, dbname='postgres', connect_timeout=3))
    except psycopg2.OperationalError as error:
        print(len(held), str(error).strip().splitlines()[-1], flush=True)
    time.sleep(0.2)
";

#[tokio::test(flavor = "multi_thread")]
async fn certificates_are_rotated_while_the_superusers_applications_have_all_connections() -> Result<()> {
    in_namespace("no-connection", |namespace| async move {
        with_tls(&namespace).await?;
        let few = json!({"configuration": {"inline": {"user.conf": "max_connections = 30"}}});
        edit(&namespace, DATABASE, few).await?;
        let taken = |postgres: &Postgres| wait::is_ready(postgres);
        wait::until(
            &namespace.api(),
            DATABASE,
            "Ready with few connections",
            OPERATION_TIMEOUT,
            taken,
        )
        .await?;
        run(&namespace, manifests::RESTART, "few").await?;

        take_all(&namespace).await?;
        requests::create(&namespace, manifests::ROTATE_TLS, "rotate", DATABASE).await?;
        let ended_or_told = |request: &PostgresOpsRequest| {
            let conditions = request.conditions().iter();
            let mut words = conditions.filter_map(|condition| condition.message.as_deref());
            request.has_ended() || words.any(|message| message.contains("no connection left"))
        };
        let what = "an end, or the cause of the wait";
        let request = wait::until(&namespace.api(), "rotate", what, OPERATION_TIMEOUT, ended_or_told).await?;
        if !request.has_ended() {
            // The way on that the message leaves: connections that are free again.
            let params = DeleteParams::default();
            namespace.pods().delete("takes-all", &params).await?;
        }
        let request = wait::request_ended(&namespace.api(), "rotate", OPERATION_TIMEOUT).await?;
        ensure!(
            request.phase() == Some(OpsRequestPhase::Successful),
            "{}: {}",
            request.name_any(),
            wait::last_words(&request)
        );
        Ok(())
    })
    .await
}

async fn take_all(namespace: &TestNamespace) -> Result<()> {
    let target = pods::target(namespace, DATABASE).await?;
    let pod = pods::restricted("takes-all", &target, &["python3", "-c", TAKE_ALL], Vec::new())?;
    let host = format!("{DATABASE}.{}.svc", namespace.name);
    let pod = pods::with_environment(pod, json!([{"name": "PGHOST", "value": host}]))?;
    pods::start(namespace, &pod, REPAIR_TIMEOUT).await?;
    let (username, _) = pki::password(namespace, DATABASE).await?;
    ensure!(username == "postgres", "the superuser is {username}");
    poll::until(
        "no connection left",
        REPAIR_TIMEOUT,
        Duration::from_secs(1),
        || async {
            let log = namespace.pods().logs("takes-all", &Default::default()).await?;
            Ok(match log.lines().last() {
                Some(line) if line.contains("too many clients") || line.contains("slots are reserved") => {
                    Look::Found(())
                }
                last => Look::NotYet(format!("{last:?}")),
            })
        },
    )
    .await
}
