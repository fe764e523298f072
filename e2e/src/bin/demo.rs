//! `make demo`: a three-member PostgreSQL, and its whole life with TLS, told step by step on a real cluster.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::Postgres;
use e2e::cluster::{Cluster, TestNamespace};
use e2e::progress::{self, Narrator};
use e2e::story::{self, Performed, Stage};
use e2e::writer::{Choice, Writer};
use e2e::{install, manifests, members, report, requests, wait};

const NAMESPACE: &str = "demo";
const DATABASE: &str = "ha-postgres";
const PROVISIONING_TIMEOUT: Duration = Duration::from_secs(180);

/// The operations of the story, in order: title, name of the request, manifest and `spec.tls.restart`.
const STORY: [(&str, &str, &str, Option<&str>); 6] = [
    ("add TLS", "add-tls", manifests::ADD_TLS, None),
    (
        "rotate the certificates",
        "rotate-tls",
        manifests::ROTATE_TLS,
        None,
    ),
    (
        "rotate again, without a restart",
        "rotate-without-restart",
        manifests::ROTATE_TLS,
        Some("auto"),
    ),
    (
        "move to another issuer",
        "change-issuer",
        manifests::CHANGE_ISSUER,
        None,
    ),
    (
        "change the certificates",
        "update-certificates",
        manifests::UPDATE_CERTIFICATES,
        None,
    ),
    ("remove TLS", "remove-tls", manifests::REMOVE_TLS, None),
];

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = tokio::select! {
        outcome = tell() => outcome,
        _ = tokio::signal::ctrl_c() => {
            println!("\nStopped. The next `make demo` begins anew; nothing has to be cleaned up.");
            return ExitCode::from(130);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!(
                "\nThe demo failed: {error:#}\n\nTo look around:  kubectl -n {NAMESPACE} get pg,pgops,pods,events"
            );
            ExitCode::FAILURE
        }
    }
}

async fn tell() -> Result<()> {
    let narrator = Narrator::new();
    let cluster = Cluster::connect().await?;

    narrator.chapter("Sealwright: five Helm releases");
    narrator.say(&format!(
        "installing into namespace {}",
        install::SYSTEM_NAMESPACE
    ));
    install::everything(&cluster).await?;
    narrator.say("petset, provisioner and ops-manager are rolled out");
    // What an earlier run left; its operators must be there to let go of it.
    cluster.remove_namespace(NAMESPACE).await?;
    let namespace = cluster.namespace(NAMESPACE).await?;

    create(&narrator, &namespace).await?;
    let writer = Writer::start(&namespace, DATABASE, Choice::MEASURING).await?;
    narrator.say("an application commits a row every 20 ms through the primary Service from now on");
    let stage = Stage {
        namespace: &namespace,
        database: DATABASE,
        narrator: &narrator,
        writer: Some(&writer),
    };
    let mut performed = Vec::new();
    for (title, name, manifest, restart) in STORY {
        let yaml = restart.map_or_else(|| manifest.to_owned(), |it| manifests::with_restart(manifest, it));
        let done = story::perform(&stage, title, &yaml, name).await?;
        if restart.is_some() {
            narrator.say(&unnoticed(&done)?);
        }
        performed.push(done);
    }
    let rows = writer.finish().await?;
    println!("\n{}", summary(&performed, rows));
    println!("{}", farewell());
    Ok(())
}

/// What the application saw of a change without a restart: nothing.
fn unnoticed(performed: &Performed) -> Result<String> {
    let seen = performed.stretch.as_ref().context("no application ran")?;
    ensure!(
        seen.errors.is_empty() && seen.by_fallback == 0,
        "{}: the application noticed {:?}",
        performed.title,
        seen.errors
    );
    Ok(format!(
        "the application, which connects with sslmode=verify-full every second, noticed nothing: {} rows committed, no \
         error, {} between two rows at most",
        seen.acknowledged,
        report::seconds(seen.longest_gap)
    ))
}

async fn create(narrator: &Narrator, namespace: &TestNamespace) -> Result<()> {
    narrator.chapter("a three-member PostgreSQL, and two certificate authorities");
    manifests::apply(namespace, manifests::HA_POSTGRES).await?;
    narrator.say("Postgres demo/ha-postgres applied");
    manifests::apply(namespace, manifests::ISSUERS).await?;
    let api = namespace.api::<Postgres>();
    progress::follow(narrator, &api, DATABASE, PROVISIONING_TIMEOUT, wait::is_ready).await?;
    for member in members::list(namespace, DATABASE).await? {
        let role = member.role.as_deref().unwrap_or("no role");
        narrator.say(&format!("{} is {role}, on {}", member.name, member.node));
    }
    for issuer in ["pg-issuer", "pg-new-issuer"] {
        requests::issuer_ready(namespace, issuer).await.context(issuer)?;
    }
    Ok(())
}

fn summary(performed: &[Performed], rows: usize) -> String {
    format!(
        "{}\n{rows} rows were acknowledged to the application, and all are in the database.\n\n\
         What each member served, by a TLS handshake:\n\n{}",
        report::operations(performed),
        report::certificates(performed),
    )
}

fn farewell() -> String {
    format!(
        "Look around:\n\
         \x20 . hack/environment.sh\n\
         \x20 kubectl -n {NAMESPACE} get postgres,postgresopsrequests,pods,certificates\n\
         \x20 kubectl -n {NAMESPACE} describe postgresopsrequest change-issuer\n\
         \x20 kubectl -n {NAMESPACE} exec -it {DATABASE}-0 -c postgres -- psql -U postgres\n\
         Remove the cluster:\n\
         \x20 make clean-cluster"
    )
}
