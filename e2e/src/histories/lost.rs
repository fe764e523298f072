//! Asynchronous mode: a failover may lose writes that were acknowledged, and the database's status says which. Whether what
//! clients miss is what the status says.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use api_types::Postgres;
use api_types::rows::LostWal;
use serde::Deserialize;

use crate::cluster::TestNamespace;

/// A place in the WAL, in bytes (PostgreSQL manual, `pg_lsn`).
pub type Lsn = u64;

/// A row that a client was told is committed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Appended {
    /// Its key.
    pub id: String,
    /// Timeline of the primary.
    pub timeline: u32,
    /// Before its commit.
    pub before: String,
    /// After its commit; absent when the client could not ask any more.
    #[serde(default)]
    pub after: Option<String>,
}

/// WAL that the database's status says is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Timeline of the primary that had it.
    pub timeline: u32,
    /// The new primary has everything before this.
    pub from: Lsn,
    /// The former primary's WAL ended here at least.
    pub to: Lsn,
}

/// Reads what the database says of lost rows.
///
/// # Errors
/// It can't be read.
pub async fn told(namespace: &TestNamespace, database: &str) -> Result<Vec<Range>> {
    let postgres: Postgres = namespace.api().get(database).await?;
    let lost = postgres.status.map(|status| status.lost_wal).unwrap_or_default();
    lost.iter().map(Range::of).collect()
}

/// What was said since.
pub fn since(before: &[Range], now: &[Range]) -> Vec<Range> {
    let is_new = |range: &&Range| !before.contains(range);
    now.iter().filter(is_new).copied().collect()
}

/// Rows that clients miss.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Between both ends of what the status says is lost.
    pub told: usize,
    /// Behind the least end of it: the status says where it begins, and that it may end later.
    pub behind: usize,
    /// Where the status does not say that rows are lost.
    pub untold: Vec<String>,
}

/// Sorts what clients miss by whether it was told.
///
/// # Errors
/// A client's record can't be read.
pub fn missing(rows: &[Appended], present: &BTreeSet<String>, ranges: &[Range]) -> Result<Missing> {
    let mut missing = Missing::default();
    for row in rows.iter().filter(|row| !present.contains(&row.id)) {
        let before = lsn(&row.before)?;
        let after = row.after.as_deref().map(lsn).transpose()?;
        let lost = ranges
            .iter()
            .filter(|range| range.begins_before(row.timeline, after));
        let lost: Vec<&Range> = lost.collect();
        if lost.iter().any(|range| before < range.to) {
            missing.told += 1;
        } else if !lost.is_empty() {
            missing.behind += 1;
        } else {
            missing.untold.push(format!(
                "{} at {} of timeline {}",
                row.id, row.before, row.timeline
            ));
        }
    }
    Ok(missing)
}

impl Range {
    fn of(lost: &LostWal) -> Result<Self> {
        Ok(Self {
            timeline: lost.timeline,
            from: lsn(&lost.from)?,
            to: lsn(&lost.to)?,
        })
    }

    /// Whether a commit that was done by then may be lost.
    fn begins_before(&self, timeline: u32, after: Option<Lsn>) -> bool {
        self.timeline == timeline && after.is_none_or(|after| after > self.from)
    }
}

/// Reads two hexadecimal numbers with a slash between them.
///
/// # Errors
/// It is something else.
pub fn lsn(text: &str) -> Result<Lsn> {
    let what = || format!("{text:?} is no place in the WAL");
    let (high, low) = text.split_once('/').with_context(what)?;
    let read = |part: &str| u64::from_str_radix(part, 16).with_context(what);
    Ok((read(high)? << 32) | read(low)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, timeline: u32, before: &str, after: Option<&str>) -> Appended {
        Appended {
            id: id.to_owned(),
            timeline,
            before: before.to_owned(),
            after: after.map(str::to_owned),
        }
    }

    #[test]
    fn a_place_in_the_wal_is_read() {
        assert_eq!(lsn("0/3000060").unwrap(), 0x0300_0060);
        assert_eq!(lsn("1/0").unwrap(), 1 << 32);
        assert!(lsn("3000060").is_err() && lsn("x/0").is_err());
    }

    #[test]
    fn what_is_missing_is_told_when_its_commit_lies_in_the_range() {
        let range = Range {
            timeline: 2,
            from: 0x100,
            to: 0x200,
        };
        for (row, [told, behind, untold]) in [
            (row("a", 2, "0/120", Some("0/140")), [1, 0, 0]),
            // Its commit record follows what its insert wrote.
            (row("a", 2, "0/F0", Some("0/110")), [1, 0, 0]),
            (row("a", 2, "0/90", Some("0/A0")), [0, 0, 1]),
            (row("a", 2, "0/210", Some("0/230")), [0, 1, 0]),
            (row("a", 3, "0/120", Some("0/140")), [0, 0, 1]),
            (row("a", 2, "0/120", None), [1, 0, 0]),
        ] {
            let found = missing(std::slice::from_ref(&row), &BTreeSet::new(), &[range]).unwrap();
            let counts = [found.told, found.behind, found.untold.len()];
            assert_eq!(counts, [told, behind, untold], "{row:?}");
        }
    }

    #[test]
    fn what_is_there_is_not_missing_and_without_a_word_nothing_is_told() {
        let rows = [row("a", 2, "0/120", None), row("b", 2, "0/130", None)];
        let present = BTreeSet::from(["a".to_owned()]);
        let found = missing(&rows, &present, &[]).unwrap();
        assert_eq!(
            (found.told, found.untold),
            (0, vec!["b at 0/130 of timeline 2".to_owned()])
        );
    }
}
