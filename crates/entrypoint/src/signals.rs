//! Signals of this process.

use std::io;

use rustix::process::Signal;
use tokio::signal::unix::{self, SignalKind, signal};

/// What a signal means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caught {
    /// Some process has ended.
    Child,
    /// For Patroni.
    ForPatroni(Signal),
}

/// All signals that are caught. The kernel gives the first process of a container no signal that it does not catch.
#[derive(Debug)]
pub struct Signals {
    child: unix::Signal,
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
}

impl Signals {
    /// Begins to catch.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            child: signal(SignalKind::child())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal.
    pub async fn next(&mut self) -> Caught {
        tokio::select! {
            _ = self.child.recv() => Caught::Child,
            _ = self.terminate.recv() => Caught::ForPatroni(Signal::TERM),
            // Patroni handles SIGTERM only; by SIGINT it would end without having stopped PostgreSQL.
            _ = self.interrupt.recv() => Caught::ForPatroni(Signal::TERM),
            _ = self.hangup.recv() => Caught::ForPatroni(Signal::HUP),
        }
    }

    /// Waits for a signal to end.
    pub async fn end(&mut self) {
        while self.next().await != Caught::ForPatroni(Signal::TERM) {}
    }
}
