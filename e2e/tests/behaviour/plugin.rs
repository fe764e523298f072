//! The kubectl plugin against a real database: what it says is what is there, and it refuses what it must.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::tls::CertificateAlias;
use api_types::vocabulary::PAUSED_BY;
use api_types::{Postgres, PostgresOpsRequest};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::plugin::{self, Ran};
use e2e::{manifests, members, pki, requests, shell, story, wait};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::PROVISIONING_TIMEOUT;

const DATABASE: &str = "ha-postgres";
/// Planted where it must not get out of.
const PLANTED: &str = "planted-password-7";

#[tokio::test(flavor = "multi_thread")]
async fn the_plugin_tells_what_is_there_and_operates() -> Result<()> {
    in_namespace("plugin", |namespace| async move {
        manifests::apply(&namespace, manifests::HA_POSTGRES).await?;
        requests::issuers(&namespace).await?;
        wait::database_ready(&namespace.api(), DATABASE, PROVISIONING_TIMEOUT).await?;
        without_tls(&namespace).await?;
        adds_tls_and_verifies(&namespace).await?;
        finds_what_is_wrong(&namespace).await?;
        rotates(&namespace).await?;
        pauses(&namespace).await?;
        leaves_an_operations_pause_alone(&namespace).await?;
        talks_to_members(&namespace).await?;
        bundles(&namespace).await
    })
    .await
}

async fn sealwright(namespace: &TestNamespace, line: &str) -> Result<Ran> {
    let arguments: Vec<&str> = line.split_whitespace().collect();
    plugin::run(namespace, &arguments).await
}

async fn without_tls(namespace: &TestNamespace) -> Result<()> {
    let status = sealwright(namespace, "status ha-postgres -o json")
        .await?
        .ended(0)?
        .json()?;
    ensure!(status["phase"] == "Ready" && status["tls"].is_null(), "{status}");
    let primary = members::primary(namespace, DATABASE).await?.name;
    let told: Vec<(&Value, &Value)> = list(&status["members"])?
        .iter()
        .map(|member| (&member["name"], &member["role"]))
        .collect();
    ensure!(told.len() == 3, "{told:?}");
    for (name, role) in told {
        let wanted = if *name == primary.as_str() {
            "primary"
        } else {
            "standby"
        };
        ensure!(role == wanted, "{name} is told to be {role}");
    }
    sealwright(namespace, "status nobody").await?.ended(4)?;
    sealwright(namespace, "status ha-postgres --colour")
        .await?
        .ended(2)?;
    // None of these writes anything.
    let refused = sealwright(namespace, "tls rotate ha-postgres").await?.ended(6)?;
    ensure!(refused.stderr.contains("tls add"), "{}", refused.stderr);
    let printed = sealwright(namespace, "tls add ha-postgres --issuer pg-issuer --dry-run")
        .await?
        .ended(0)?;
    let request: PostgresOpsRequest = manifests::parse(&printed.stdout)?;
    ensure!(request.spec.database_ref.name == DATABASE, "{}", printed.stdout);
    let invalid = sealwright(
        namespace,
        "tls add ha-postgres --issuer pg-issuer --duration 90days",
    )
    .await?
    .ended(6)?;
    ensure!(invalid.stderr.contains("duration"), "{}", invalid.stderr);
    let written = namespace
        .api::<PostgresOpsRequest>()
        .list(&ListParams::default())
        .await?;
    ensure!(written.items.is_empty(), "requests were written: {written:?}");
    sealwright(namespace, "verify ha-postgres").await?.ended(0)?;
    // An operation that fails says why, and so does the exit code.
    let failed = sealwright(namespace, "tls add ha-postgres --issuer nobody")
        .await?
        .ended(3)?;
    ensure!(
        failed.stdout.contains("Failed") && failed.stdout.contains("nobody"),
        "{}",
        failed.stdout
    );
    Ok(())
}

async fn adds_tls_and_verifies(namespace: &TestNamespace) -> Result<()> {
    let added = sealwright(
        namespace,
        "tls add ha-postgres --issuer pg-issuer --restart auto --name add-tls",
    )
    .await?
    .ended(0)?;
    for step in ["✓ CertificateSynced", "✓ ReloadPods", "add-tls: Successful"] {
        ensure!(added.stdout.contains(step), "{step} is not in\n{}", added.stdout);
    }
    ensure!(!added.stdout.contains('\u{1b}'), "colours without a terminal");
    wait::database_ready(&namespace.api(), DATABASE, PROVISIONING_TIMEOUT).await?;
    let verdict = sealwright(namespace, "verify ha-postgres -o json")
        .await?
        .ended(0)?
        .json()?;
    ensure!(verdict["verdict"] == "ok", "{verdict}");
    for member in list(&verdict["members"])? {
        let name = member["name"].as_str().context("a name")?;
        let served = members::served(namespace, name).await?.context("TLS")?;
        ensure!(
            member["certificate"]["fingerprint"] == served.fingerprint.as_str(),
            "{name}: {member}"
        );
        ensure!(member["matchesSecret"] == true, "{name}: {member}");
    }
    let again = sealwright(namespace, "tls add ha-postgres --issuer pg-issuer")
        .await?
        .ended(6)?;
    ensure!(again.stderr.contains("has TLS already"), "{}", again.stderr);
    Ok(())
}

async fn finds_what_is_wrong(namespace: &TestNamespace) -> Result<()> {
    let wrong = sealwright(namespace, "verify ha-postgres --host db.example.com")
        .await?
        .ended(3)?;
    ensure!(
        wrong.stdout.contains("is not for db.example.com")
            && wrong.stdout.contains("--dns-name db.example.com"),
        "{}",
        wrong.stdout
    );
    // What it advises is what helps.
    let advised = "tls update ha-postgres --dns-name db.example.com --restart auto";
    sealwright(namespace, advised).await?.ended(0)?;
    sealwright(namespace, "verify ha-postgres --host db.example.com")
        .await?
        .ended(0)?;
    let foreign: Secret = namespace.api().get("postgres-new-ca").await?;
    let ca = foreign
        .data
        .unwrap_or_default()
        .remove("tls.crt")
        .context("a CA")?;
    let folder = scratch(&namespace.name)?;
    let file = folder.join("foreign-ca.crt");
    std::fs::write(&file, ca.0)?;
    let untrusted = sealwright(
        namespace,
        &format!("verify ha-postgres --ca-file {} -o json", file.display()),
    )
    .await?
    .ended(3)?
    .json()?;
    let checks: BTreeSet<&str> = list(&untrusted["findings"])?
        .iter()
        .filter_map(|finding| finding["check"].as_str())
        .collect();
    ensure!(checks == BTreeSet::from(["chain"]), "{untrusted}");
    Ok(())
}

async fn rotates(namespace: &TestNamespace) -> Result<()> {
    tells_the_plan(namespace).await?;
    let before = pki::certificate(namespace, DATABASE, CertificateAlias::Server)
        .await?
        .leaf;
    sealwright(namespace, "tls rotate ha-postgres --restart auto --name rotate")
        .await?
        .ended(0)?;
    let after = pki::certificate(namespace, DATABASE, CertificateAlias::Server)
        .await?
        .leaf;
    ensure!(before.fingerprint != after.fingerprint, "nothing was issued");
    for verify in ["", "--verify"] {
        let status = sealwright(namespace, &format!("status ha-postgres {verify} -o json"))
            .await?
            .ended(0)?
            .json()?;
        let by = if verify.is_empty() { "rotate" } else { "handshake" };
        for member in list(&status["members"])? {
            let serves = &member["serves"];
            ensure!(
                serves["seenBy"] == by && serves["certificate"]["fingerprint"] == after.fingerprint.as_str(),
                "{member}"
            );
        }
        ensure!(status["lastOperation"]["name"] == "rotate", "{status}");
        ensure!(status["earliestExpiry"]["notAfter"].is_string(), "{status}");
    }
    Ok(())
}

/// The ops-manager plans it, nothing changes, and no request is left.
async fn tells_the_plan(namespace: &TestNamespace) -> Result<()> {
    let leaf = async || pki::certificate(namespace, DATABASE, CertificateAlias::Server).await;
    let before = leaf().await?.leaf.fingerprint;
    let line = "tls rotate ha-postgres --restart auto --dry-run=server --name would-rotate";
    let plan = sealwright(namespace, line).await?.ended(0)?.stdout;
    for word in ["ReloadTLS", "if needed", "issue anew", "hash of the plan"] {
        ensure!(plan.contains(word), "{word}: {plan}");
    }
    ensure!(leaf().await?.leaf.fingerprint == before, "something was issued");
    let left = namespace
        .api::<PostgresOpsRequest>()
        .get_opt("would-rotate")
        .await?;
    let is_left = left.is_some_and(|request| request.metadata.deletion_timestamp.is_none());
    ensure!(!is_left, "the dry run is left");
    Ok(())
}

async fn holder(namespace: &TestNamespace) -> Result<Option<String>> {
    let postgres: Postgres = namespace.api().get(DATABASE).await?;
    Ok(postgres.annotations().get(PAUSED_BY).cloned())
}

async fn pauses(namespace: &TestNamespace) -> Result<()> {
    sealwright(namespace, "pause ha-postgres --holder jane")
        .await?
        .ended(0)?;
    ensure!(holder(namespace).await?.as_deref() == Some("jane"), "not paused");
    let status = sealwright(namespace, "status ha-postgres -o json")
        .await?
        .ended(0)?
        .json()?;
    let wanted = json!({ "kind": "person", "holder": "jane", "acknowledged": true });
    ensure!(status["pause"] == wanted, "{}", status["pause"]);
    sealwright(namespace, "pause ha-postgres --holder bob")
        .await?
        .ended(6)?;
    sealwright(namespace, "resume ha-postgres --holder bob")
        .await?
        .ended(6)?;
    ensure!(holder(namespace).await?.as_deref() == Some("jane"), "taken away");
    sealwright(namespace, "resume ha-postgres --holder jane")
        .await?
        .ended(0)?;
    ensure!(holder(namespace).await?.is_none(), "not resumed");
    Ok(())
}

async fn leaves_an_operations_pause_alone(namespace: &TestNamespace) -> Result<()> {
    sealwright(namespace, "restart ha-postgres --name restart --no-wait")
        .await?
        .ended(0)?;
    let held = |p: &Postgres| {
        p.annotations()
            .get(PAUSED_BY)
            .is_some_and(|h| h.starts_with("restart/"))
    };
    let api = namespace.api::<Postgres>();
    wait::until(
        &api,
        DATABASE,
        "paused by the restart",
        Duration::from_secs(30),
        held,
    )
    .await?;
    let refused = sealwright(namespace, "resume ha-postgres --holder restart")
        .await?
        .ended(6)?;
    ensure!(
        refused.stderr.contains("the operation restart holds the pause"),
        "{}",
        refused.stderr
    );
    ensure!(
        held(&api.get(DATABASE).await?),
        "the pause of the operation was taken away"
    );
    let status = sealwright(namespace, "status ha-postgres -o json")
        .await?
        .ended(0)?
        .json()?;
    ensure!(
        status["operation"]["name"] == "restart" && status["pause"]["kind"] == "operation",
        "{status}"
    );
    wait::request_successful(&namespace.api(), "restart", story::OPERATION_TIMEOUT).await?;
    wait::database_ready(&api, DATABASE, PROVISIONING_TIMEOUT).await?;
    Ok(())
}

async fn talks_to_members(namespace: &TestNamespace) -> Result<()> {
    let arguments = ["psql", DATABASE, "--", "-Atc", "select pg_is_in_recovery()"];
    let primary = plugin::run(namespace, &arguments).await?.ended(0)?;
    ensure!(primary.stdout.trim() == "f", "{}", primary.stdout);
    let logs = sealwright(namespace, "logs ha-postgres --tail 3")
        .await?
        .ended(0)?;
    for ordinal in 0..3 {
        let prefix = format!("[ha-postgres-{ordinal}] ");
        ensure!(
            logs.stdout.lines().any(|line| line.starts_with(&prefix)),
            "{prefix} is not in\n{}",
            logs.stdout
        );
    }
    sealwright(namespace, "logs ha-postgres --member nobody")
        .await?
        .ended(4)?;
    Ok(())
}

async fn bundles(namespace: &TestNamespace) -> Result<()> {
    let note =
        json!({ "metadata": { "annotations": { "example.com/note": format!("password={PLANTED}") } } });
    namespace
        .api::<Postgres>()
        .patch(DATABASE, &PatchParams::default(), &Patch::Merge(note))
        .await?;
    let folder = scratch(&namespace.name)?;
    let file = folder.join("bundle.tar.gz");
    let line = format!("bundle {DATABASE} --file {}", file.display());
    sealwright(namespace, &line).await?.ended(0)?;
    // Nothing that is there is written over.
    sealwright(namespace, &line).await?.ended(1)?;
    let (file, target) = (file.display().to_string(), folder.display().to_string());
    shell::host("tar", &["-xzf", &file, "-C", &target]).await?;
    let root = folder.join(format!("{}-{DATABASE}", namespace.name));
    let expected = [
        "status.txt",
        "objects/Postgres.yaml",
        "objects/PostgresOpsRequest.yaml",
        "objects/Secret.yaml",
        "objects/Certificate.yaml",
        "objects/Pod.yaml",
        "events.txt",
        "logs/ha-postgres-0/postgres.log",
    ];
    for path in expected {
        let size = std::fs::metadata(root.join(path))
            .with_context(|| path.to_owned())?
            .len();
        ensure!(size > 0, "{path} is empty");
    }
    let text = shell::host("grep", &["-r", "", &root.display().to_string()]).await?;
    for secret in secrets_of(namespace)
        .await?
        .iter()
        .map(String::as_str)
        .chain([PLANTED])
    {
        ensure!(
            !text.contains(secret),
            "a secret of {} characters is in the bundle",
            secret.len()
        );
    }
    ensure!(!text.contains("PRIVATE KEY"), "a private key is in the bundle");
    ensure!(
        text.contains("example.com/note"),
        "the object itself is not there"
    );
    Ok(())
}

/// Passwords, and the lines of private keys, of every Secret of the namespace.
async fn secrets_of(namespace: &TestNamespace) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for secret in namespace
        .api::<Secret>()
        .list(&ListParams::default())
        .await?
        .items
    {
        for (key, value) in secret.data.unwrap_or_default() {
            let text = String::from_utf8_lossy(&value.0).into_owned();
            if key == "password" {
                found.insert(text);
            } else if key.ends_with(".key") {
                let lines = text
                    .lines()
                    .filter(|line| !line.contains("-----") && line.len() > 8);
                found.extend(lines.map(str::to_owned));
            }
        }
    }
    ensure!(
        found.len() > 8,
        "the Secrets were expected to have keys and a password"
    );
    Ok(found)
}

fn list(value: &Value) -> Result<&Vec<Value>> {
    value.as_array().with_context(|| format!("no list: {value}"))
}

/// A folder of this test's own.
fn scratch(name: &str) -> Result<std::path::PathBuf> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
