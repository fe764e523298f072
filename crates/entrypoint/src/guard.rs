//! Checks whether PostgreSQL hangs, and acts when it does.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use api_types::error_chain;
use api_types::hang::{Action, Cause, Hang};
use jiff::Timestamp;
use tokio::sync::mpsc::Sender;
use tokio::time::{Instant, sleep_until, timeout};

use crate::args::Args;
use crate::hang::{Course, LOGIN_TIMEOUT, Sight, Situation};
use crate::local::{CallError, Calls};
use crate::{login, note, postmaster, tend};

/// Between two checks.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);
/// Between two writes to the volume: each costs it one flush.
const WRITE_INTERVAL: Duration = Duration::from_secs(6);
/// How long the note on the Pod may keep what has to be done waiting.
const NOTE_TIMEOUT: Duration = Duration::from_secs(2);
/// After so long without a hang the note is taken away.
const NOTE_RETENTION: Duration = Duration::from_secs(60);
/// Written to the volume, beside the data directory.
const WRITTEN: &str = "written";

/// PostgreSQL is ended, and another member is to take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandOver;

/// Checks for as long as the process lives.
pub async fn watch(args: Args, hand_over: Sender<HandOver>) {
    let socket = args.socket.join(".s.PGSQL.5432");
    let begun = Instant::now();
    let disk = Disk::new(&args.data);
    let mut guard = Guard {
        args,
        hand_over,
        course: Course::default(),
        noted: Noted::Unknown,
        well_since: Duration::ZERO,
    };
    let mut due = begun;
    loop {
        sleep_until(due).await;
        let late = due.elapsed();
        disk.write();
        let login = login::attempt(&socket, &guard.args.user, LOGIN_TIMEOUT).await;
        let now = begun.elapsed();
        let write = disk.under_way();
        due = Instant::now() + CHECK_INTERVAL;
        guard
            .look(Sight {
                login,
                write,
                late,
                now,
            })
            .await;
    }
}

/// Whether there is a note on the Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Noted {
    /// Of a former container of this Pod, perhaps.
    Unknown,
    None,
    Hang,
}

struct Guard {
    args: Args,
    hand_over: Sender<HandOver>,
    course: Course,
    noted: Noted,
    well_since: Duration,
}

impl Guard {
    async fn look(&mut self, sight: Sight) {
        match self.course.hangs(sight) {
            Some(cause) => {
                self.well_since = sight.now;
                self.act(cause, sight.now).await;
            }
            None if sight.login == login::Answer::Answered => self.answered(sight.now).await,
            None => {}
        }
    }

    /// Takes the note away once PostgreSQL has been well for a while.
    async fn answered(&mut self, now: Duration) {
        if self.noted != Noted::None && now.saturating_sub(self.well_since) >= NOTE_RETENTION {
            match timeout(NOTE_TIMEOUT, note::clear(&self.args.pod)).await {
                Ok(Ok(())) => self.noted = Noted::None,
                Ok(Err(error)) => tracing::debug!(error = error_chain(&error), "the note of a hang stays"),
                Err(_) => tracing::debug!("the note of a hang stays: the API server does not answer"),
            }
        }
    }

    /// The note comes first: who only sees a restart does not learn why.
    async fn act(&mut self, cause: Cause, now: Duration) {
        let (situation, was_primary) = situation(&self.args.calls).await;
        let action = self.course.act(cause, situation, now);
        if action == Action::None && self.noted == Noted::Hang {
            return;
        }
        tracing::error!(?cause, ?action, was_primary, "PostgreSQL hangs");
        let since = Timestamp::now().to_string();
        let hang = Hang {
            cause,
            since,
            action,
            was_primary,
        };
        match timeout(NOTE_TIMEOUT, note::set(&self.args.pod, &hang)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(
                error = error_chain(&error),
                "the hang could not be noted on the Pod"
            ),
            Err(_) => {
                tracing::warn!("the hang could not be noted on the Pod: the API server does not answer")
            }
        }
        self.noted = Noted::Hang;
        match action {
            Action::None => {}
            Action::Restart => {
                postmaster::kill(&self.args.data);
                // Otherwise it comes to it in its next turn.
                if let Err(error) = tend::wake(&self.args.calls).await {
                    tracing::debug!(
                        error = error_chain(&error),
                        "Patroni's loop was not woken; it turns by itself"
                    );
                }
            }
            Action::HandOver => {
                // First, so that Patroni does not start PostgreSQL again in between. Without a receiver the process is ending.
                let _ = self.hand_over.send(HandOver).await;
                postmaster::kill(&self.args.data);
            }
        }
    }
}

/// Patroni's report, which uses a session that is open already; and whether this member leads.
async fn situation(calls: &Calls) -> (Situation, bool) {
    match ask(calls).await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(error = error_chain(&error), "Patroni does not answer either");
            let unknown = Situation {
                is_paused: None,
                has_peers: false,
            };
            (unknown, false)
        }
    }
}

async fn ask(calls: &Calls) -> Result<(Situation, bool), CallError> {
    let cluster = calls.client()?.cluster().await?;
    let name = calls.member();
    let was_primary = cluster.leader().is_some_and(|leader| leader.name == name);
    let is_paused = Some(cluster.pause);
    let has_peers = cluster.members.len() > 1;
    Ok((Situation { is_paused, has_peers }, was_primary))
}

/// Writes to the volume, one after the other, in a thread: a write to a disk that blocks can't be given up.
#[derive(Clone)]
struct Disk {
    path: PathBuf,
    state: Arc<Mutex<Writing>>,
}

#[derive(Default)]
struct Writing {
    since: Option<Instant>,
    last: Option<Instant>,
}

impl Disk {
    fn new(data: &Path) -> Self {
        Self {
            path: data.parent().unwrap_or(data).join(WRITTEN),
            state: Arc::default(),
        }
    }

    /// Begins a write when it is time for one and none is under way.
    fn write(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = state.last.is_none_or(|last| last.elapsed() >= WRITE_INTERVAL);
        if state.since.is_some() || !is_due {
            return;
        }
        state.since = Some(Instant::now());
        drop(state);
        let disk = self.clone();
        std::thread::spawn(move || {
            // An error is a response of the disk: it is full, or lost, which PostgreSQL handles by itself.
            let _ = flush(&disk.path);
            let mut state = disk.state.lock().unwrap_or_else(PoisonError::into_inner);
            *state = Writing {
                since: None,
                last: Some(Instant::now()),
            };
        });
    }

    /// How long a write has been under way.
    fn under_way(&self) -> Duration {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.since.map_or(Duration::ZERO, |since| since.elapsed())
    }
}

fn flush(path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    file.write_all(b"\n")?;
    file.sync_all()
}
