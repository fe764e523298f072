//! What the kernel gives the container of a member, as the member itself reads it (Linux, "Control Group v2", "Memory Resource
//! Controller" and "CFS Bandwidth Control"). Both versions of control groups are read; a container sees its own at the root.

use crate::session::{Session, SqlError};

/// Files of version 2, then those of version 1.
const FILES: [&str; 7] = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/cpu.max",
    "/sys/fs/cgroup/memory.stat",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
    "/sys/fs/cgroup/cpu/cpu.cfs_period_us",
    "/sys/fs/cgroup/memory/memory.stat",
];

/// Version 1 has no word for "no limit": it is the greatest number of pages.
const NO_LIMIT: i64 = i64::MAX / 2;

/// The limits of a container, and the memory that it can't do without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cgroup {
    /// Bytes of memory; none without a limit.
    pub memory_limit: Option<i64>,
    /// Thousandths of a processor; none without a limit.
    pub cpu_limit: Option<i64>,
    /// Bytes that can't be given back without swapping: of processes, and shared memory.
    pub used: Option<i64>,
}

impl Session {
    /// The control group that the server runs in; none where the container does not show it.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn cgroup(&self) -> Result<Option<Cgroup>, SqlError> {
        let read = self.files(&FILES).await?;
        let texts: Vec<Option<String>> = read
            .into_iter()
            .map(|bytes| bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
            .collect();
        Ok(parse(&texts))
    }
}

fn parse(texts: &[Option<String>]) -> Option<Cgroup> {
    let text = |at: usize| texts.get(at)?.as_deref();
    if let Some(memory) = text(0) {
        return Some(Cgroup {
            memory_limit: number(memory),
            cpu_limit: text(1).and_then(|both| thousandths(both.split_once(' ')?)),
            used: text(2).and_then(|stat| used(stat, ["anon", "shmem"])),
        });
    }
    Some(Cgroup {
        memory_limit: text(3).and_then(number).filter(|bytes| *bytes < NO_LIMIT),
        cpu_limit: text(4).zip(text(5)).and_then(thousandths),
        used: text(6).and_then(|stat| used(stat, ["rss", "shmem"])),
    })
    .filter(|_| text(3).is_some())
}

fn number(text: &str) -> Option<i64> {
    text.trim().parse().ok()
}

/// From microseconds of processor time in each period; none without a limit (`max`, or -1).
fn thousandths((quota, period): (&str, &str)) -> Option<i64> {
    let (quota, period) = (number(quota)?, number(period)?);
    (quota > 0 && period > 0).then(|| quota.saturating_mul(1000) / period)
}

/// The sum of these lines.
fn used(stat: &str, names: [&str; 2]) -> Option<i64> {
    let of = |name: &str| {
        let mut lines = stat.lines().filter_map(|line| line.split_once(' '));
        number(lines.find(|(it, _)| *it == name)?.1)
    };
    Some(of(names[0])?.saturating_add(of(names[1])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: [Option<&str>; 7]) -> Option<Cgroup> {
        parse(&texts.map(|text| text.map(str::to_owned)))
    }

    #[test]
    fn members_show_these_files() {
        let functions = include_str!("../../blueprint/src/pg/functions.sql");
        for file in FILES {
            assert!(functions.contains(&format!("'{file}'")), "{file}");
        }
    }

    #[test]
    fn both_versions_of_control_groups_are_read() {
        let limited = Cgroup {
            memory_limit: Some(1 << 30),
            cpu_limit: Some(1500),
            used: Some(300),
        };
        let stat = Some("anon 100\nfile 900\nshmem 200\nslab 7\n");
        assert_eq!(
            of([
                Some("1073741824\n"),
                Some("150000 100000\n"),
                stat,
                None,
                None,
                None,
                None
            ]),
            Some(limited.clone())
        );
        let stat = Some("cache 900\nrss 100\nshmem 200\n");
        assert_eq!(
            of([
                None,
                None,
                None,
                Some("1073741824\n"),
                Some("150000\n"),
                Some("100000\n"),
                stat
            ]),
            Some(limited)
        );
    }

    #[test]
    fn no_limit_is_none_and_no_file_is_nothing() {
        assert_eq!(
            of([Some("max\n"), Some("max 100000\n"), None, None, None, None, None]),
            Some(Cgroup::default())
        );
        assert_eq!(
            of([
                None,
                None,
                None,
                Some("9223372036854771712"),
                Some("-1"),
                Some("100000"),
                None
            ]),
            Some(Cgroup::default())
        );
        assert_eq!(of([None; 7]), None);
    }
}
