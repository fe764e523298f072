//! The process: lock, then Patroni, until one of them ends.

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use api_types::error_chain;
use rustix::process::Signal;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tracing_subscriber::EnvFilter;

use crate::args::Args;
use crate::child::{Child, StartError, reap};
use crate::exits::{Ended, Next, Sight, next};
use crate::guard::{self, HandOver};
use crate::postmaster;
use crate::signals::{Caught, Signals};
use crate::tend::{self, PeerChanged};
use crate::volume;
use crate::watch::{self, News};

/// News that wait for the process; each is acted on at once.
const NEWS: usize = 8;

/// Why the process can't go on.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot read the log filter; correct --log-level")]
    Log(#[from] tracing_subscriber::filter::ParseError),
    #[error("cannot catch signals")]
    Signals(#[from] io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Runs until Patroni has ended; its exit code.
pub async fn run(args: Args) -> ExitCode {
    match serve(args).await {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("entrypoint: {}", error_chain(&failure));
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: Args) -> Result<u8, Failure> {
    log(&args.log_level)?;
    // Fails only when a provider is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut signals = Signals::new()?;
    let _volume = tokio::select! {
        lock = volume::lock(&args.data) => lock,
        // Nothing was started that would have to end first. Returning would wait for the lock.
        () = signals.end() => std::process::exit(0),
    };
    let (sender, mut news) = mpsc::channel(NEWS);
    let (peers, changes) = mpsc::channel(NEWS);
    tokio::spawn(watch::follow(args.pod.clone(), sender));
    tokio::spawn(tend::wake_for_peers(args.calls.clone(), changes));
    tokio::spawn(tend::free_standby(args.pod.name.clone(), args.calls.clone()));
    let (handed_over, mut hand_overs) = mpsc::channel(NEWS);
    tokio::spawn(guard::watch(args.clone(), handed_over));
    let mut member = Member::start(args, peers)?;
    loop {
        if let Some(code) = member.turn(&mut signals, &mut news, &mut hand_overs).await? {
            return Ok(code);
        }
    }
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

/// A member while Patroni runs.
struct Member {
    args: Args,
    begun: Instant,
    patroni: Child,
    restarts: Vec<Duration>,
    /// Whether this process ended Patroni.
    was_told: bool,
    peers: Sender<PeerChanged>,
}

impl Member {
    fn start(args: Args, peers: Sender<PeerChanged>) -> Result<Self, StartError> {
        Ok(Self {
            patroni: Child::start(&args.command, args.service_file.as_deref())?,
            args,
            begun: Instant::now(),
            restarts: Vec::new(),
            was_told: false,
            peers,
        })
    }

    /// Waits for something and acts on it; the exit code when that was the end.
    async fn turn(
        &mut self,
        signals: &mut Signals,
        news: &mut Receiver<News>,
        hand_overs: &mut Receiver<HandOver>,
    ) -> Result<Option<u8>, StartError> {
        tokio::select! {
            caught = signals.next() => match caught {
                Caught::Child => match reap(self.patroni) {
                    Some(ended) => self.ended(ended),
                    None => Ok(None),
                },
                Caught::ForPatroni(signal) => {
                    self.pass_on(signal);
                    Ok(None)
                }
            },
            Some(heard) = news.recv() => {
                self.hear(heard);
                Ok(None)
            }
            // The guard ends PostgreSQL; Patroni releases the leader's key once PostgreSQL has ended.
            Some(HandOver) = hand_overs.recv() => {
                self.pass_on(Signal::TERM);
                Ok(None)
            }
        }
    }

    fn pass_on(&mut self, signal: Signal) {
        self.was_told |= signal == Signal::TERM;
        self.patroni.signal(signal);
    }

    fn hear(&mut self, heard: News) {
        match heard {
            // The token of a Pod that is gone is worth nothing within seconds, and without it no process can release
            // the leader's key.
            News::Gone => {
                tracing::warn!("this Pod is gone: shutting PostgreSQL down before kubelet says so");
                self.pass_on(Signal::TERM);
            }
            // Where no more are taken, one is waiting that stands for this one too.
            News::PeerOfPrimary => drop(self.peers.try_send(PeerChanged)),
        }
    }

    fn ended(&mut self, ended: Ended) -> Result<Option<u8>, StartError> {
        let now = self.begun.elapsed();
        let sight = Sight {
            ended,
            was_told: self.was_told,
            postgres_runs: postmaster::runs(&self.args.data),
            restarts: &self.restarts,
            now,
        };
        match next(sight) {
            Next::End(code) => {
                tracing::info!(?ended, code, "Patroni has ended");
                Ok(Some(code))
            }
            Next::Restart => {
                tracing::error!(
                    ?ended,
                    "Patroni has ended while PostgreSQL runs: starting Patroni again"
                );
                self.restarts.push(now);
                self.patroni = Child::start(&self.args.command, self.args.service_file.as_deref())?;
                Ok(None)
            }
        }
    }
}
