//! The PostgreSQL of this container, by its processes.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// Whether the postmaster that wrote `postmaster.pid` is alive.
pub fn runs(data: &Path) -> bool {
    find(data).is_some()
}

/// Ends PostgreSQL as a power cut would: it recovers from its WAL at the next start. The postmaster is stopped first, so that it
/// starts no process meanwhile; what it started would go on, and acknowledge commits, without it. Whether there was one.
pub fn kill(data: &Path) -> bool {
    let Some(postmaster) = find(data) else {
        return false;
    };
    send(postmaster, Signal::STOP);
    let children = children(postmaster);
    send(postmaster, Signal::KILL);
    children.into_iter().for_each(|child| send(child, Signal::KILL));
    true
}

fn send(pid: Pid, signal: Signal) {
    if let Err(error) = kill_process(pid, signal) {
        tracing::debug!(pid = pid.as_raw_nonzero().get(), %error, ?signal, "a process of PostgreSQL gets no signal");
    }
}

/// Another process may have the number of a postmaster that is gone.
fn find(data: &Path) -> Option<Pid> {
    let file = fs::read_to_string(data.join("postmaster.pid")).ok()?;
    let pid = pid_of(&file)?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse(&stat).filter(|process| process.is_postgres && !process.has_ended)?;
    Pid::from_raw(pid)
}

/// The first line of `postmaster.pid`.
fn pid_of(file: &str) -> Option<i32> {
    file.lines().next()?.trim().parse().ok().filter(|pid| *pid > 1)
}

fn children(of: Pid) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        stat.as_deref()
            .and_then(parse)
            .is_some_and(|it| it.parent == of.as_raw_nonzero().get())
    };
    pids.filter(is_child).filter_map(Pid::from_raw).collect()
}

#[derive(Debug, PartialEq, Eq)]
struct Process {
    is_postgres: bool,
    has_ended: bool,
    parent: i32,
}

/// From `/proc/<pid>/stat`: number, name in parentheses, state, parent (proc(5)). The name may have spaces and parentheses.
fn parse(stat: &str) -> Option<Process> {
    let (_, rest) = stat.split_once('(')?;
    let (name, rest) = rest.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    Some(Process {
        is_postgres: name == "postgres",
        has_ended: ["Z", "X"].contains(&state),
        parent: fields.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_tells_name_state_and_parent() {
        let process = parse("42 (postgres) T 1 40 40 0 -1").unwrap();
        assert_eq!(
            process,
            Process {
                is_postgres: true,
                has_ended: false,
                parent: 1
            }
        );
        let process = parse("43 (a) b (c) Z 42 40").unwrap();
        assert_eq!(
            process,
            Process {
                is_postgres: false,
                has_ended: true,
                parent: 42
            }
        );
        assert_eq!(parse("nonsense"), None);
    }

    #[test]
    fn numbers_that_are_no_postmaster_are_left_alone() {
        assert_eq!(pid_of("4711\n/var/pv/data\n"), Some(4711));
        for file in ["", "0\n", "1\n", "-7\n", "x\n"] {
            assert_eq!(pid_of(file), None, "{file:?}");
        }
    }

    #[test]
    fn another_process_under_the_number_of_a_former_postmaster_is_not_killed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(
            folder.path().join("postmaster.pid"),
            format!("{}\n", std::process::id()),
        )
        .unwrap();
        assert!(!runs(folder.path()));
        assert!(!kill(folder.path()));
    }
}
