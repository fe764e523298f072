//! The kubectl plugin as its users run it: the built program, with its exit code.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::cluster::TestNamespace;
use crate::shell;

/// Cargo's name of the package and of the program.
pub const NAME: &str = "kubectl-sealwright";

/// What cargo tells a test of its own package. Build scripts look at it (that of `ring` does), so a build that inherits it
/// compiles most dependencies anew, and the next one outside of a test once more.
const OF_THE_TEST: &[&str] = &["CARGO_PKG_", "CARGO_MANIFEST_", "OUT_DIR"];

/// How a command of the plugin ended.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ran {
    /// Errors with all that was said unless it ended with this code.
    pub fn ended(self, code: i32) -> Result<Self> {
        ensure!(
            self.code == code,
            "exit code {} instead of {code}:\n{}{}",
            self.code,
            self.stdout,
            self.stderr
        );
        Ok(self)
    }

    /// Standard output as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| self.stdout.clone())
    }
}

/// Builds the plugin as it is in the sources, once in this process.
pub async fn program() -> Result<&'static Path> {
    static BUILT: OnceCell<PathBuf> = OnceCell::const_new();
    BUILT.get_or_try_init(build).await.map(PathBuf::as_path)
}

async fn build() -> Result<PathBuf> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let arguments = [
        "build",
        "--quiet",
        "--locked",
        "--manifest-path",
        manifest,
        "--workspace",
        "--bin",
        NAME,
        "--message-format",
        "json",
    ];
    let mut cargo = Command::new(env!("CARGO"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if OF_THE_TEST.iter().any(|prefix| text.starts_with(prefix)) {
            cargo.env_remove(&name);
        }
    }
    let messages = shell::output(cargo.args(arguments)).await?;
    let mut executables = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| message["executable"].as_str().map(PathBuf::from));
    executables
        .next_back()
        .with_context(|| format!("cargo built no {NAME}: {messages}"))
}

/// Runs the plugin in a namespace; errors only when it can't be run.
pub async fn run(namespace: &TestNamespace, arguments: &[&str]) -> Result<Ran> {
    let mut all = vec!["--namespace", &namespace.name];
    all.extend(arguments);
    let output = Command::new(program().await?)
        .args(&all)
        .kill_on_drop(true)
        .output()
        .await
        .context(NAME)?;
    Ok(Ran {
        code: output.status.code().context("it was ended by a signal")?,
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
