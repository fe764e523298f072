//! The clients of `e2e/drivers`: processes on this machine, and what they say.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::AppBinding;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::StreamExt;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::attempts::Attempts;
use crate::cluster::TestNamespace;
use crate::poll::{self, Look};
use crate::provider;

/// Longest time until a client has made so many connections more.
const CONNECTIONS_TIMEOUT: Duration = Duration::from_secs(30);
const MORE: usize = 12;
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Where a database is reached, and as whom.
#[derive(Clone)]
pub struct Endpoint {
    /// The name that the server's certificate has.
    pub host: String,
    /// Where that name leads.
    pub address: String,
    /// The port there.
    pub port: u16,
    /// The node beside which clients run: this machine may not reach the cluster's addresses.
    pub node: String,
    /// Role.
    pub user: String,
    /// Its password.
    pub password: String,
}

/// A client that runs.
pub struct Client {
    /// Its driver.
    pub driver: &'static str,
    lines: Arc<Mutex<Vec<String>>>,
    process: Child,
    reader: JoinHandle<()>,
}

/// What a client came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// New connections.
    pub new: Attempts,
    /// Questions in the session that it keeps.
    pub kept: Attempts,
}

impl Client {
    /// What it came to since the mark.
    pub fn since(&self, mark: usize) -> Seen {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        seen(lines.get(mark..).unwrap_or_default())
    }

    fn mark(&self) -> usize {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

fn seen(lines: &[String]) -> Seen {
    let of = |is_kept: bool| {
        let words = lines.iter().filter_map(|line| line.split_once(' '));
        let chosen = words.filter(|(name, _)| (*name == "kept") == is_kept);
        let lines: Vec<&str> = chosen.map(|(_, rest)| rest).collect();
        Attempts::read(&lines.join("\n"))
    };
    Seen {
        new: of(false),
        kept: of(true),
    }
}

/// Clients by every driver, and who brings them what the AppBinding says.
pub struct Clients {
    /// One by each driver.
    pub all: Vec<Client>,
    folder: PathBuf,
    courier: JoinHandle<()>,
}

impl Drop for Clients {
    fn drop(&mut self) {
        self.courier.abort();
        for client in &self.all {
            client.reader.abort();
        }
    }
}

impl Clients {
    /// Starts one by each driver; returns when each has made connections.
    ///
    /// # Errors
    /// A program can't be started, or does not connect.
    pub async fn start(
        namespace: &TestNamespace,
        database: &str,
        programs: &Path,
        endpoint: &Endpoint,
    ) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("drivers-{}", namespace.name));
        std::fs::create_dir_all(&folder)?;
        let hosts = format!("{} {}\n", endpoint.address, endpoint.host);
        std::fs::write(folder.join("hosts"), hosts)?;
        let binding = namespace.api::<AppBinding>().get(database).await?;
        bring(&folder, &binding, 0)?;
        let courier = tokio::spawn(carry(namespace.clone(), database.to_owned(), folder.clone()));
        let mut clients = Self {
            all: Vec::new(),
            folder,
            courier,
        };
        for (driver, command) in commands(programs, &clients.folder, &endpoint.node) {
            clients
                .all
                .push(start(driver, command, endpoint, &clients.folder)?);
        }
        clients.go_on().await?;
        Ok(clients)
    }

    /// Where each client is now.
    pub fn marks(&self) -> Vec<usize> {
        self.all.iter().map(Client::mark).collect()
    }

    /// Waits until each has made some connections more, failed or not.
    ///
    /// # Errors
    /// One does not.
    pub async fn go_on(&self) -> Result<()> {
        let marks = self.marks();
        poll::until(
            "connections by every driver",
            CONNECTIONS_TIMEOUT,
            POLL_INTERVAL,
            || async {
                let idle = self
                    .all
                    .iter()
                    .zip(&marks)
                    .find(|(client, mark)| client.since(**mark).new.made < MORE);
                Ok(idle.map_or(Look::Found(()), |(client, _)| {
                    Look::NotYet(format!("{} is idle", client.driver))
                }))
            },
        )
        .await
    }

    /// Ends them.
    ///
    /// # Errors
    /// One ended otherwise than it should.
    pub async fn finish(mut self) -> Result<()> {
        std::fs::write(self.folder.join("end"), "")?;
        for client in &mut self.all {
            let status = tokio::time::timeout(CONNECTIONS_TIMEOUT, client.process.wait()).await;
            let status =
                status.with_context(|| format!("the client by {} does not end", client.driver))??;
            ensure!(status.success(), "the client by {}: {status}", client.driver);
        }
        std::fs::remove_dir_all(&self.folder)?;
        Ok(())
    }
}

/// The drivers, and how each client is started.
fn commands(programs: &Path, folder: &Path, node: &str) -> Vec<(&'static str, Command)> {
    let of = |program: PathBuf, arguments: Vec<String>| {
        let mut command = provider::beside(node);
        command.arg(program).args(arguments);
        command
    };
    let path = |rest: &str| programs.join(rest);
    let text = |rest: &str| path(rest).display().to_string();
    let java = vec![
        "-Xmx64m".to_owned(),
        "-XX:+UseSerialGC".to_owned(),
        format!("-Djdk.net.hosts.file={}", folder.join("hosts").display()),
        "-cp".to_owned(),
        format!("{}:{}", text("pgjdbc"), text("pgjdbc/*")),
        "Client".to_owned(),
    ];
    vec![
        (
            "libpq (psycopg)",
            of(path("libpq/bin/python"), vec![text("libpq/client.py")]),
        ),
        ("pgjdbc", of(PathBuf::from("java"), java)),
        ("pgx", of(path("pgx/client"), vec![])),
        (
            "node-postgres",
            of(PathBuf::from("node"), vec![text("node-postgres/client.js")]),
        ),
    ]
}

fn start(driver: &'static str, mut command: Command, endpoint: &Endpoint, folder: &Path) -> Result<Client> {
    let mut process = command
        .env("HOST", &endpoint.host)
        .env("ADDRESS", &endpoint.address)
        .env("PORT", endpoint.port.to_string())
        .env("LOGIN", &endpoint.user)
        .env("PASSWORD", &endpoint.password)
        .env("FOLDER", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("the client by {driver}"))?;
    let stdout = process.stdout.take().context("standard output")?;
    let lines: Arc<Mutex<Vec<String>>> = Arc::default();
    let kept = lines.clone();
    let reader = tokio::spawn(async move {
        let mut lines = BufReader::new(stdout).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    });
    Ok(Client {
        driver,
        lines,
        process,
        reader,
    })
}

/// Writes down how to connect after every change of the AppBinding.
async fn carry(namespace: TestNamespace, database: String, folder: PathBuf) {
    let only = watcher::Config::default().fields(&format!("metadata.name={database}"));
    let mut bindings = watcher(namespace.api::<AppBinding>(), only)
        .default_backoff()
        .applied_objects()
        .boxed();
    let mut number = 0;
    while let Some(next) = bindings.next().await {
        let Ok(binding) = next else { continue };
        number += 1;
        if let Err(error) = bring(&folder, &binding, number) {
            eprintln!("{}: the clients were not told: {error:#}", namespace.name);
        }
    }
}

/// First what the AppBinding says: `verify-full` when it has CAs, plain text otherwise. Then a client that takes what it gets.
fn bring(folder: &Path, binding: &AppBinding, number: usize) -> Result<()> {
    let first = match &binding.spec.client_config.ca_bundle {
        None => "told disable -".to_owned(),
        Some(bundle) => {
            // Never written again: a client may be reading it.
            let file = folder.join(format!("ca-{number}.crt"));
            std::fs::write(&file, BASE64_STANDARD.decode(bundle)?)?;
            format!("told verify-full {}", file.display())
        }
    };
    let new = folder.join("profiles.new");
    std::fs::write(&new, format!("{first}\nany prefer -\n"))?;
    std::fs::rename(&new, folder.join("profiles"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_session_is_told_from_new_connections() {
        let lines = [
            "told ok 1.0",
            "kept err 1.1 ended by the server",
            "any err 1.2 refused",
            "told ok 1.3",
            "kept ok 1.4",
        ];
        let found = seen(&lines.map(str::to_owned));
        assert_eq!((found.new.made, found.new.failed()), (3, 1));
        assert_eq!((found.kept.made, found.kept.failed()), (2, 1));
        assert_eq!(seen(&[]), Seen::default());
    }
}
