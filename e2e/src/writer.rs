//! An application that writes without a pause: a Pod that commits rows at a steady pace through the primary Service and
//! writes down what was acknowledged. Afterwards we know what an operation cost it, and whether a row was lost.
//!
//! It connects as the AppBinding says (`sslmode`, CA bundle, client Secret), which is how an application learns of
//! a change; a courier brings it what the AppBinding says whenever that changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use api_types::AppBinding;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Secret, Service};
use kube::api::DeleteParams;
use kube::runtime::utils::Backoff;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::attempts::{Attempts, Probes};
use crate::cluster::TestNamespace;
use crate::poll::{self, Look};
use crate::{members, pki, pods, shell};

const SCRIPT: &str = include_str!("writer.py");
const COMPANIONS: &str = include_str!("application.py");
const SHARED: &str = include_str!("connecting.py");
const FOLDER: &str = "/run/writer";
const START_DEADLINE: Duration = Duration::from_secs(60);
const COURIER_DEADLINE: Duration = Duration::from_secs(120);
/// Longest time of one attempt to bring them.
const BRING_DEADLINE: Duration = Duration::from_secs(3);
/// The writer ends by itself after this long, whatever becomes of its test.
const LIFETIME_SECONDS: &str = "3000";

/// A running writer.
pub struct Writer {
    namespace: TestNamespace,
    database: String,
    name: String,
    courier: JoinHandle<()>,
}

/// What runs in the writer's Pod, and where.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// Time from one row to the next: no gap can be told more exactly.
    pub cadence: Duration,
    /// Beside the writer, a prober (new `verify-full` connections) and a reader of a standby.
    pub companions: bool,
    /// The node to run on; any when none.
    pub node: Option<&'a str>,
}

impl Choice<'_> {
    /// A row every 20 ms, to measure gaps.
    pub const MEASURING: Self = Self {
        cadence: Duration::from_millis(20),
        companions: false,
        node: None,
    };
    /// A row every 100 ms: tests run side by side, and judge gaps of seconds.
    pub const TESTING: Self = Self {
        cadence: Duration::from_millis(100),
        ..Self::MEASURING
    };
}

/// A place in the writer's record.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    writes: usize,
    probes: usize,
    held: usize,
    reads: usize,
}

/// What a stretch of the record says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stretch {
    /// Acknowledged rows.
    pub acknowledged: usize,
    /// Longest time between two acknowledged rows.
    pub longest_gap: Duration,
    /// Failed connects and commits, by their message.
    pub errors: BTreeMap<String, usize>,
    /// Rows written over a connection that is not what the AppBinding says now (the fallback).
    pub by_fallback: usize,
    /// Addresses of the members that wrote, in order.
    pub servers: Vec<String>,
}

impl Stretch {
    /// All failed attempts.
    pub fn error_count(&self) -> usize {
        self.errors.values().sum()
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.courier.abort();
    }
}

impl Writer {
    /// Makes the table and the writer's Pod; returns when rows are being acknowledged.
    pub async fn start(namespace: &TestNamespace, database: &str, choice: Choice<'_>) -> Result<Self> {
        let table = "create table if not exists written \
                     (id bigint primary key, at timestamptz not null default clock_timestamp())";
        members::sql_on_primary(namespace, database, table).await?;
        members::sql_on_primary(namespace, database, "truncate written").await?;
        let name = format!("writer-{database}");
        make_pod(namespace, database, &name, choice).await?;
        let courier = tokio::spawn(carry(namespace.clone(), database.to_owned(), name.clone()));
        let writer = Self {
            namespace: namespace.clone(),
            database: database.to_owned(),
            name,
            courier,
        };
        writer
            .wait_for_rows(Mark::default())
            .await
            .context("the writer did not start")?;
        Ok(writer)
    }

    /// Where the record is now.
    pub async fn mark(&self) -> Result<Mark> {
        let counts = self
            .read("touch probes held reads; for record in log probes held reads; do wc -l < $record; done")
            .await?;
        let counts: Result<Vec<usize>, _> = counts.split_whitespace().map(str::parse).collect();
        match counts.context("not a number of lines")?.as_slice() {
            &[writes, probes, held, reads] => Ok(Mark {
                writes,
                probes,
                held,
                reads,
            }),
            other => bail!("four records have {other:?} lengths"),
        }
    }

    /// What the prober came to since the mark.
    pub async fn probes_since(&self, mark: Mark) -> Result<Probes> {
        let lines = self.read(&format!("tail -n +{} probes", mark.probes + 1)).await?;
        let current = Attempts::read(&lines);
        let lines = self.read(&format!("tail -n +{} held", mark.held + 1)).await?;
        Ok(Probes {
            current,
            held: Attempts::read(&lines),
        })
    }

    /// What the reader of a standby came to since the mark.
    pub async fn reads_since(&self, mark: Mark) -> Result<Attempts> {
        let lines = self.read(&format!("tail -n +{} reads", mark.reads + 1)).await?;
        Ok(Attempts::read(&lines))
    }

    /// What happened since the mark. The row just before the mark counts as the begin of the first gap.
    pub async fn since(&self, mark: Mark) -> Result<Stretch> {
        let lines = self.read(&format!("tail -n +{} log", mark.writes.max(1))).await?;
        Ok(stretch(&lines))
    }

    /// Waits until rows are acknowledged again after the mark.
    pub async fn wait_for_rows(&self, mark: Mark) -> Result<()> {
        poll::until(
            "an acknowledged row",
            START_DEADLINE,
            Duration::from_millis(300),
            || async {
                let next = Mark {
                    writes: mark.writes + 1,
                    ..mark
                };
                let found = self.since(next).await?;
                let words = || format!("errors only: {:?}", found.errors);
                Ok(if found.acknowledged > 0 {
                    Look::Found(())
                } else {
                    Look::NotYet(words())
                })
            },
        )
        .await
    }

    /// Errors when an acknowledged row is not in the database; then ends the writer. Returns the acknowledged rows.
    pub async fn finish(self) -> Result<usize> {
        self.courier.abort();
        let rows = self.check_nothing_lost().await?;
        let params = DeleteParams {
            grace_period_seconds: Some(0),
            ..DeleteParams::default()
        };
        self.namespace.pods().delete(&self.name, &params).await?;
        Ok(rows)
    }

    /// Errors when a row that was acknowledged until now is not in the database.
    pub async fn check_nothing_lost(&self) -> Result<usize> {
        let (acknowledged, missing) = self.lost().await?;
        ensure!(
            missing.is_empty(),
            "{} acknowledged rows are lost, first {:?}",
            missing.len(),
            missing.first()
        );
        Ok(acknowledged)
    }

    /// How many rows were acknowledged until now, and those of them that are not in the database.
    pub async fn lost(&self) -> Result<(usize, Vec<u64>)> {
        // In this order: what was acknowledged before the table is read must be in it.
        let acknowledged = self.acknowledged().await?;
        let present: BTreeSet<u64> =
            members::sql_on_primary(&self.namespace, &self.database, "select id from written")
                .await?
                .lines()
                .filter_map(|l| l.parse().ok())
                .collect();
        let missing = acknowledged.difference(&present).copied().collect();
        Ok((acknowledged.len(), missing))
    }

    /// The node that the writer runs on.
    pub async fn node(&self) -> Result<String> {
        let pod = self.namespace.pods().get(&self.name).await?;
        pod.spec
            .and_then(|s| s.node_name)
            .context("the writer is not scheduled")
    }

    async fn acknowledged(&self) -> Result<BTreeSet<u64>> {
        let lines = self.read("grep ^ok log | cut -d' ' -f2").await?;
        Ok(lines.lines().filter_map(|l| l.parse().ok()).collect())
    }

    /// Runs a command beside the writer; returns what it prints.
    pub async fn run(&self, command: &[&str]) -> Result<String> {
        shell::output_of(&self.namespace.pods(), &self.name, pods::CONTAINER, command).await
    }

    async fn read(&self, command: &str) -> Result<String> {
        let command = format!("cd {FOLDER} && {command}");
        self.run(&["sh", "-c", &command]).await
    }
}

async fn make_pod(namespace: &TestNamespace, database: &str, name: &str, choice: Choice<'_>) -> Result<()> {
    let files = json!({ "writer.py": SCRIPT, "application.py": COMPANIONS, "connecting.py": SHARED });
    let volume = pods::scripts(namespace, name, files).await?;
    let target = pods::target(namespace, database).await?;
    let run = "until [ -e /run/writer/tls/candidates.json ]; do read -t 0.1 _ <> /run/writer/wait || true; done; \
               [ -z \"$PRIMARY\" ] || python3 /script/application.py & exec python3 /script/writer.py";
    let run = format!("mkfifo /run/writer/wait; {run}");
    let mut pod = pods::restricted(name, &target, &["bash", "-c", &run], vec![volume])?;
    if let (Some(spec), Some(node)) = (&mut pod.spec, choice.node) {
        spec.node_name = Some(node.to_owned());
    }
    let mut environment = json!([
        { "name": "SECONDS_TO_RUN", "value": LIFETIME_SECONDS },
        { "name": "CADENCE", "value": choice.cadence.as_secs_f64().to_string() },
    ]);
    if choice.companions {
        let services = services(namespace, database).await?;
        let more = services
            .iter()
            .map(|(name, value)| json!({ "name": name, "value": value }));
        environment.as_array_mut().context("a list")?.extend(more);
    }
    pods::start(
        namespace,
        &pods::with_environment(pod, environment)?,
        START_DEADLINE,
    )
    .await
}

/// The Services that the companions use, by the variable that names each.
async fn services(namespace: &TestNamespace, database: &str) -> Result<Vec<(&'static str, String)>> {
    let standby = api_types::names::standby_service(database);
    let there = namespace.api::<Service>().get_opt(&standby).await?;
    let mut services = vec![("PRIMARY", database.to_owned())];
    services.extend(there.map(|_| ("STANDBY", standby)));
    Ok(services)
}

/// A broken watch is begun anew at once: one that waits half a minute after an API server was away, as watches do that spare
/// it, would show what comes of old news, and not what members do.
struct Soon;

impl Iterator for Soon {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::from_millis(300))
    }
}

impl Backoff for Soon {
    fn reset(&mut self) {}
}

/// Brings what the AppBinding says and the password to the writer, at once and after every change of them or of the client Secret.
async fn carry(namespace: TestNamespace, database: String, writer: String) {
    let only = |name: &str| watcher::Config::default().fields(&format!("metadata.name={name}"));
    let bindings = watcher(namespace.api::<AppBinding>(), only(&database)).backoff(Soon);
    let secret = api_types::names::certificate(&database, api_types::tls::CertificateAlias::Client);
    let secrets = watcher(namespace.api::<Secret>(), only(&secret)).backoff(Soon);
    let passwords = watcher(
        namespace.api::<Secret>(),
        only(&api_types::names::auth_secret(&database)),
    )
    .backoff(Soon);
    let mut changes = stream::select_all([
        bindings.map_ok(|_| ()).boxed(),
        secrets.map_ok(|_| ()).boxed(),
        passwords.map_ok(|_| ()).boxed(),
    ]);
    while let Some(change) = changes.next().await {
        if change.is_ok() {
            // A node that is cut off, or an API server that is away, comes back.
            let brought = poll::until(
                "new connection strings",
                COURIER_DEADLINE,
                Duration::from_millis(300),
                || async {
                    // An exec whose API server was killed says nothing any more.
                    let brought = timeout(BRING_DEADLINE, bring(&namespace, &database, &writer)).await?;
                    brought.map(Look::Found)
                },
            )
            .await;
            if let Err(error) = brought {
                eprintln!(
                    "{}: the writer did not get its new connection strings: {error:#}",
                    namespace.name
                );
            }
        }
    }
}

async fn bring(namespace: &TestNamespace, database: &str, writer: &str) -> Result<()> {
    let binding: AppBinding = namespace.api().get(database).await?;
    let client = &binding.spec.client_config;
    let query = client
        .service
        .as_ref()
        .and_then(|s| s.query.clone())
        .unwrap_or_default();
    let base = format!(
        "host={database}.{}.svc dbname=postgres application_name=writer",
        namespace.name
    );
    let mut candidates = Vec::new();
    let mut files = String::new();
    let secret = binding
        .spec
        .tls_secret
        .as_ref()
        .map(|r| r.name.clone())
        .unwrap_or_default();
    let secret = namespace.api::<Secret>().get_opt(&secret).await.ok().flatten();
    if let (Some(bundle), Some(secret)) = (&client.ca_bundle, secret) {
        let data = secret.data.unwrap_or_default();
        let bytes = |key: &str| data.get(key).map(|v| v.0.clone()).unwrap_or_default();
        let bundle = BASE64_STANDARD.decode(bundle).context("caBundle")?;
        for (name, content) in [
            ("ca.crt", bundle),
            ("tls.crt", bytes("tls.crt")),
            ("tls.key", bytes("tls.key")),
        ] {
            files += &format!(
                "echo {} | base64 -d > $n/{name}\n",
                BASE64_STANDARD.encode(content)
            );
        }
        candidates.push(format!("{base} {}", query.replace('&', " ") + TLS_FILES));
    } else if !query.is_empty() {
        candidates.push(format!("{base} {}", query.replace('&', " ")));
    }
    // While TLS is being added or removed the AppBinding may be ahead of or behind the servers.
    candidates.push(format!("{base} sslmode=prefer sslrootcert=/none {CLIENT_FILES}"));
    let candidates = BASE64_STANDARD.encode(serde_json::to_string(&candidates)?);
    let (_, password) = pki::password(namespace, database).await?;
    let password = BASE64_STANDARD.encode(password);
    let script = script(&files, &candidates, &password);
    let run = shell::run_in(
        &namespace.pods(),
        writer,
        pods::CONTAINER,
        &["sh", "-s"],
        Some(&script),
    )
    .await?;
    ensure!(run.success, "{}", run.stderr);
    Ok(())
}

/// Writes everything into a folder of its own, then makes the link lead there: all of it is taken at once.
fn script(files: &str, candidates: &str, password: &str) -> String {
    format!(
        "set -e; umask 077; cd {FOLDER}; n=tls.$(date +%s%N); mkdir $n\n{files}\
         echo {candidates} | base64 -d > $n/candidates.json\n\
         echo {password} | base64 -d > $n/password\n\
         ln -sfn $n $n.link; mv -T $n.link tls\n"
    )
}

const TLS_FILES: &str =
    " sslrootcert=/run/writer/tls/ca.crt sslcert=/run/writer/tls/tls.crt sslkey=/run/writer/tls/tls.key";
const CLIENT_FILES: &str = "sslcert=/run/writer/tls/tls.crt sslkey=/run/writer/tls/tls.key";

fn stretch(lines: &str) -> Stretch {
    let mut found = Stretch::default();
    let mut last: Option<f64> = None;
    for line in lines.lines() {
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        match words.as_slice() {
            ["ok", _, seconds, candidate, server] => {
                let Ok(now) = seconds.parse::<f64>() else { continue };
                let gap = last.map_or(0.0, |last| (now - last).max(0.0));
                found.longest_gap = found.longest_gap.max(Duration::from_secs_f64(gap));
                last = Some(now);
                found.acknowledged += 1;
                found.by_fallback += usize::from(*candidate != "0");
                if found.servers.last().map(String::as_str) != Some(*server) {
                    found.servers.push((*server).to_owned());
                }
            }
            ["err", _, stage, _, message] => {
                *found.errors.entry(format!("{stage}: {message}")).or_default() += 1;
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_summed_up() {
        let lines = "ok 1 10.00 0 10.0.0.1\nok 2 10.02 0 10.0.0.1\nerr 10.1 commit 0 server closed\n\
                     err 10.2 connect 0 refused it\nok 4 11.52 1 10.0.0.2\n";
        let found = stretch(lines);
        assert_eq!(
            (found.acknowledged, found.error_count(), found.by_fallback),
            (3, 2, 1)
        );
        assert_eq!(found.longest_gap.as_millis(), 1500);
        assert_eq!(found.servers, ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(found.errors.get("connect: refused it"), Some(&1));
    }
}
