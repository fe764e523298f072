//! Patroni as a child, and every other process of the container, whose parent becomes this one when their own has ended.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

use crate::exits::Ended;

/// Section of the service file.
const SERVICE: &str = "members";

/// Patroni can't be run.
#[derive(Debug, thiserror::Error)]
#[error("cannot run {program}; the image of the container must have it in its PATH")]
pub struct StartError {
    program: String,
    source: io::Error,
}

/// A running Patroni.
#[derive(Clone, Copy, Debug)]
pub struct Child(Pid);

impl Child {
    /// Runs the command. `service_file` goes to libpq by its environment.
    ///
    /// # Errors
    /// When the program can't be run.
    #[allow(
        clippy::zombie_processes,
        reason = "`reap` waits for every process of the container"
    )]
    pub fn start(command: &[String], service_file: Option<&Path>) -> Result<Self, StartError> {
        let failed = |source| StartError {
            program: command.first().cloned().unwrap_or_default(),
            source,
        };
        let program = command
            .first()
            .ok_or_else(|| failed(io::ErrorKind::InvalidInput.into()))?;
        let mut started = Command::new(program);
        started.args(&command[1..]);
        started.envs(libpq(service_file));
        let child = started.spawn().map_err(failed)?;
        // Only `reap` waits for Patroni: a second waiter would not learn how Patroni ended.
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        pid.map(Self)
            .ok_or_else(|| failed(io::ErrorKind::InvalidData.into()))
    }

    /// Sends a signal. A child that has ended gets none.
    pub fn signal(self, signal: Signal) {
        if let Err(error) = kill_process(self.0, signal) {
            tracing::warn!(%error, ?signal, "cannot pass a signal on to Patroni");
        }
    }
}

/// Where libpq finds its settings: in this section of this file (PostgreSQL manual, "The Connection Service File").
fn libpq(service_file: Option<&Path>) -> Vec<(&'static str, &OsStr)> {
    service_file.map_or_else(Vec::new, |path| {
        vec![
            ("PGSERVICEFILE", path.as_os_str()),
            ("PGSERVICE", OsStr::new(SERVICE)),
        ]
    })
}

/// Takes note of every process that has ended. How `child` ended, if it is among them.
pub fn reap(child: Child) -> Option<Ended> {
    let mut ended = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == child.0 => ended = Some(of(status.as_raw())),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            // None has ended, or there is none at all.
            Ok(None) | Err(_) => return ended,
        }
    }
}

fn of(status: i32) -> Ended {
    let status = ExitStatus::from_raw(status);
    let number = |value: Option<i32>| value.and_then(|value| u8::try_from(value).ok());
    match number(status.signal()) {
        Some(signal) => Ended::Signal(signal),
        None => Ended::Code(number(status.code()).unwrap_or(u8::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libpq_gets_the_service_file_only_where_there_is_one() {
        assert!(libpq(None).is_empty());
        let expected = vec![
            ("PGSERVICEFILE", OsStr::new("/opt/pg_service.conf")),
            ("PGSERVICE", OsStr::new("members")),
        ];
        assert_eq!(libpq(Some(Path::new("/opt/pg_service.conf"))), expected);
    }

    #[test]
    fn raw_statuses_tell_codes_from_signals() {
        assert_eq!(of(0), Ended::Code(0));
        assert_eq!(of(3 << 8), Ended::Code(3));
        assert_eq!(of(9), Ended::Signal(9));
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let error = Child::start(&["no-such-patroni".to_owned()], None).unwrap_err();
        assert!(error.to_string().contains("no-such-patroni"), "{error}");
    }
}
