//! Clients in a Pod, and the history that they write down.

use std::time::Duration;

use anyhow::Result;
use kube::api::DeleteParams;
use serde_json::json;

use crate::cluster::TestNamespace;
use crate::poll::{self, Look};
use crate::{members, pods, shell};

const RECORDING: &str = include_str!("../recording.py");
const POD: &str = "clients";
const FOLDER: &str = "/run/writer";
const CLIENTS: &str = "6";
const KEYS: &str = "5";
const START_DEADLINE: Duration = Duration::from_secs(60);
/// A client ends after its operation, which it gives up after seconds.
const END_DEADLINE: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(300);

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// They write and read registers.
    Registers,
    /// They append rows.
    Appending,
}

impl Work {
    fn script(self) -> &'static str {
        match self {
            Self::Registers => include_str!("../registers.py"),
            Self::Appending => include_str!("../appending.py"),
        }
    }

    fn table(self) -> &'static str {
        match self {
            Self::Registers => "register (key text primary key, value text not null)",
            Self::Appending => "appended (id text primary key)",
        }
    }

    fn statements(self) -> [String; 2] {
        let table = self.table();
        let name = table.split(' ').next().unwrap_or(table);
        [
            format!("create table if not exists {table}"),
            format!("truncate {name}"),
        ]
    }
}

/// What the clients saw.
#[derive(Clone, Debug)]
pub struct History {
    /// One JSON object per operation.
    pub lines: String,
    /// Operations with an answer.
    pub answered: usize,
    /// Writes of which no client knows whether they were done.
    pub unknown: usize,
}

/// Clients that run.
pub struct Clients {
    namespace: TestNamespace,
}

impl Clients {
    /// Empties their table and starts the clients; returns when an operation was answered.
    pub async fn start(namespace: &TestNamespace, database: &str, work: Work, seed: u64) -> Result<Self> {
        // The primary's Pod may not count as ready yet when its node was cut off just now.
        for statement in work.statements() {
            poll::until("an empty table", START_DEADLINE, POLL_INTERVAL, || async {
                members::sql_on_primary(namespace, database, &statement)
                    .await
                    .map(Look::Found)
            })
            .await?;
        }
        make_pod(namespace, database, work, seed).await?;
        let clients = Self {
            namespace: namespace.clone(),
        };
        clients
            .until("an operation", START_DEADLINE, "grep -q end history")
            .await?;
        Ok(clients)
    }

    /// Waits until operations that begin from now on are answered.
    pub async fn serve_again(&self, within: Duration) -> Result<()> {
        let count = self.read("grep -c end history").await?;
        let more = format!("[ $(grep -c end history) -gt $(({} + 20)) ]", count.trim());
        self.until("answers", within, &more).await
    }

    /// Ends the clients, and returns what they saw.
    pub async fn finish(self) -> Result<History> {
        self.read("touch end").await?;
        self.until("the clients' end", END_DEADLINE, "[ -e ended ]")
            .await?;
        let lines = self.read("cat history").await?;
        let params = DeleteParams::default().grace_period(0);
        self.namespace.pods().delete(POD, &params).await?;
        let answered = lines.lines().filter(|line| line.contains("\"end\"")).count();
        Ok(History {
            unknown: lines.lines().count() - answered,
            answered,
            lines,
        })
    }

    async fn until(&self, what: &str, within: Duration, test: &str) -> Result<()> {
        let test = format!("if {test}; then echo yes; else tail -n 3 history; fi");
        poll::until(what, within, POLL_INTERVAL, || async {
            let said = self.read(&test).await?;
            Ok(if said.trim() == "yes" {
                Look::Found(())
            } else {
                Look::NotYet(said)
            })
        })
        .await
    }

    async fn read(&self, command: &str) -> Result<String> {
        let command = format!("cd {FOLDER} && touch history && {command}");
        let command = ["sh", "-c", command.as_str()];
        shell::output_of(&self.namespace.pods(), POD, pods::CONTAINER, &command).await
    }
}

async fn make_pod(namespace: &TestNamespace, database: &str, work: Work, seed: u64) -> Result<()> {
    let files = json!({ "client.py": work.script(), "recording.py": RECORDING });
    let volume = pods::scripts(namespace, POD, files).await?;
    let target = pods::target(namespace, database).await?;
    let command = ["python3", "/script/client.py"];
    let pod = pods::restricted(POD, &target, &command, vec![volume])?;
    let environment = json!([
        { "name": "PGHOST", "value": database },
        { "name": "CLIENTS", "value": CLIENTS },
        { "name": "KEYS", "value": KEYS },
        { "name": "SEED", "value": seed.to_string() },
    ]);
    pods::start(
        namespace,
        &pods::with_environment(pod, environment)?,
        START_DEADLINE,
    )
    .await
}
