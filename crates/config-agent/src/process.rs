//! The process around the agent: logs, signals, and that nothing but a signal ends it.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinError;
use tokio::time::sleep;
use tracing_subscriber::EnvFilter;

use crate::agent;
use crate::args::{Args, Command, Watch};
use crate::layout::Twice;
use crate::size;
use api_types::error_chain;

/// Until the agent restarts after a panic.
const PANIC_RETRY_DELAY: Duration = Duration::from_secs(1);

/// Runs what the arguments select. A failure is printed with all its causes.
pub async fn run(args: Args) -> ExitCode {
    if let Err(error) = log(&args.log_level) {
        eprintln!("config-agent: cannot read the log filter; correct --log-level: {error}");
        return ExitCode::FAILURE;
    }
    match args.command {
        Command::Copy(copy) => match agent::copy(&copy) {
            Ok(()) => ExitCode::SUCCESS,
            // kubelet shows it in the Event of a failed hook.
            Err(error) => failed(&error_chain(&error)),
        },
        Command::Watch(watch) => serve(watch).await,
    }
}

fn failed(why: &str) -> ExitCode {
    eprintln!("config-agent: {why}");
    ExitCode::FAILURE
}

fn log(filter: &str) -> Result<(), tracing_subscriber::filter::ParseError> {
    let filter = EnvFilter::builder().parse(filter)?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false);
    // Only fails when a subscriber is installed already.
    let _ = logs.try_init();
    Ok(())
}

/// Runs the agent until a signal. As process 1 of its container it would not end by a signal that it does not handle.
async fn serve(watch: Watch) -> ExitCode {
    // Fails only when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut signals = match Signals::new() {
        Ok(signals) => signals,
        Err(error) => return failed(&format!("cannot catch signals: {error}")),
    };
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(
        version,
        secret = watch.secret,
        namespace = watch.namespace,
        "starting"
    );
    let _reporter = size::Volume::of(&watch).map(|volume| tokio::spawn(size::report(volume)));
    loop {
        let watch = watch.clone();
        // A task of its own, so that a panic ends the task and not the process.
        let mut task = tokio::spawn(async move { agent::watch(&watch).await });
        tokio::select! {
            () = signals.wait() => return ExitCode::SUCCESS,
            ended = &mut task => if let Some(why) = for_good(ended) {
                return failed(&why);
            },
        }
        tokio::select! {
            () = signals.wait() => return ExitCode::SUCCESS,
            () = sleep(PANIC_RETRY_DELAY) => {}
        }
    }
}

/// Why a restart makes no sense; none after a panic.
fn for_good(ended: Result<Result<(), Twice>, JoinError>) -> Option<String> {
    match ended {
        Ok(Err(error)) => Some(error_chain(&error)),
        Ok(Ok(())) => None,
        Err(error) => {
            tracing::error!(%error, "the agent stopped; beginning anew, files stay as they are");
            None
        }
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
