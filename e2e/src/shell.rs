//! Commands inside Pods (as `kubectl exec`) and on the host (`helm`, the cluster's scripts).

use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::AttachParams;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

/// Longest time of one command in a Pod.
const EXEC_DEADLINE: Duration = Duration::from_secs(30);

/// What a command left behind.
#[derive(Clone, Debug)]
pub struct Output {
    /// Whether it ended with 0.
    pub success: bool,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs a command in a container, with `input` as its standard input; errors only when it can't be run.
pub async fn run_in(
    pods: &Api<Pod>,
    pod: &str,
    container: &str,
    command: &[&str],
    input: Option<&str>,
) -> Result<Output> {
    let run = run_unbounded(pods, pod, container, command, input);
    tokio::time::timeout(EXEC_DEADLINE, run)
        .await
        .with_context(|| {
            format!(
                "{command:?} in {pod} did not end within {}s",
                EXEC_DEADLINE.as_secs()
            )
        })?
        .with_context(|| format!("{command:?} in {pod}"))
}

/// As [`run_in`], and an error with the command's own words when it fails; returns its standard output.
pub async fn output_of(pods: &Api<Pod>, pod: &str, container: &str, command: &[&str]) -> Result<String> {
    let output = run_in(pods, pod, container, command, None).await?;
    if !output.success {
        bail!("{command:?} in {pod} failed: {}{}", output.stdout, output.stderr);
    }
    Ok(output.stdout)
}

async fn run_unbounded(
    pods: &Api<Pod>,
    pod: &str,
    container: &str,
    command: &[&str],
    input: Option<&str>,
) -> Result<Output> {
    let params = AttachParams::default()
        .container(container)
        .stdin(input.is_some())
        .stdout(true)
        .stderr(true)
        .max_stdout_buf_size(64 * 1024);
    let mut process = pods.exec(pod, command.iter().copied(), &params).await?;
    let status = process.take_status().context("no status channel")?;
    let mut stdout = process.stdout().context("no stdout")?;
    let mut stderr = process.stderr().context("no stderr")?;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let feed = async {
        if let (Some(mut stdin), Some(input)) = (process.stdin(), input) {
            stdin.write_all(input.as_bytes()).await?;
            stdin.shutdown().await?;
        }
        Ok::<_, std::io::Error>(())
    };
    let (fed, read_out, read_err) =
        tokio::join!(feed, stdout.read_to_end(&mut out), stderr.read_to_end(&mut err));
    fed?;
    read_out?;
    read_err?;
    let status = status.await.context("the connection ended before the command")?;
    Ok(Output {
        success: status.status.as_deref() == Some("Success"),
        stdout: String::from_utf8_lossy(&out).into_owned(),
        stderr: String::from_utf8_lossy(&err).into_owned(),
    })
}

/// Runs a program on the host; errors with its output when it does not end with 0.
pub async fn host(program: &str, arguments: &[&str]) -> Result<String> {
    output(Command::new(program).args(arguments)).await
}

/// As [`host`], for a command with an environment of its own.
pub async fn output(command: &mut Command) -> Result<String> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    let output = command
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("{program} can't be run: is it installed and on the PATH?"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{:?} failed ({}):\n{stdout}{stderr}",
            command.as_std(),
            output.status
        );
    }
    Ok(stdout)
}
