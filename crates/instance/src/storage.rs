//! What fills a member's volume, and what keeps WAL there.

use crate::session::{Session, SqlError};
use crate::slots::Slot;

/// A place in the WAL, in bytes from its beginning.
pub type Lsn = u64;

/// The WAL on a member's volume, and who holds it there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wal {
    /// Its size.
    pub bytes: u64,
    /// Where the oldest begins that is still there.
    pub oldest: Option<Lsn>,
    /// Where it ends: what was written, or on a standby received or replayed.
    pub position: Lsn,
    /// The timeline that it writes, or on a standby the one that it replays.
    pub timeline: u32,
    /// Where the timelines before that one ended, as this member knows it.
    pub history: Vec<(u32, Lsn)>,
    /// `wal_keep_size`.
    pub keep_bytes: u64,
    /// `max_wal_size`.
    pub max_bytes: u64,
    /// What could not be archived yet.
    pub unarchived_bytes: u64,
    /// Replication slots.
    pub slots: Vec<Slot>,
}

impl Session {
    /// Bytes of tables, indexes and temporary files in all databases and tablespaces, and of PostgreSQL's own log files. It
    /// reads the size of every file, so it is not for every second.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn data_bytes(&self) -> Result<u64, SqlError> {
        let bytes: i64 = self.value("the size of the data", DATA).await?;
        Ok(unsigned(bytes))
    }

    /// The member's WAL, and what keeps it.
    ///
    /// # Errors
    /// [`SqlError`]; always before PostgreSQL 13.
    pub async fn wal(&self) -> Result<Wal, SqlError> {
        let doing = "the size of the WAL";
        let row = self.ask(doing, self.client.query_one(WAL, &[])).await?;
        let slots = self.slots().await?;
        let bytes = |column| Ok::<_, SqlError>(unsigned(self.field(doing, &row, column)?));
        let segment = bytes(1)?;
        let oldest: Option<String> = self.field(doing, &row, 2)?;
        Ok(Wal {
            bytes: bytes(0)?,
            oldest: oldest.and_then(|name| begin_of_segment(&name, segment)),
            position: bytes(3)?,
            keep_bytes: bytes(4)?,
            max_bytes: bytes(5)?,
            unarchived_bytes: bytes(6)? * segment,
            timeline: u32::try_from(bytes(7)?).unwrap_or_default(),
            history: history_of_text(&self.field::<Option<String>>(doing, &row, 8)?.unwrap_or_default()),
            slots: slots.into_values().collect(),
        })
    }
}

pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// The lines of a timeline's history file (PostgreSQL manual, "Timelines"): a timeline, where it ended, why.
fn history_of_text(text: &str) -> Vec<(u32, Lsn)> {
    let line = |line: &str| {
        let mut fields = line.split_whitespace();
        Some((fields.next()?.parse().ok()?, lsn_of_text(fields.next()?)?))
    };
    text.lines().filter_map(line).collect()
}

/// A place in the WAL as PostgreSQL writes it.
pub fn lsn_text(lsn: Lsn) -> String {
    format!("{:X}/{:X}", lsn >> 32, lsn & 0xFFFF_FFFF)
}

/// A place in the WAL from what [`lsn_text`] writes.
pub fn lsn_of_text(text: &str) -> Option<Lsn> {
    let (high, low) = text.split_once('/')?;
    let half = |text: &str| u32::from_str_radix(text, 16).ok().map(u64::from);
    Some((half(high)? << 32) + half(low)?)
}

/// Where a segment begins, from the last 16 of the 24 hexadecimal digits of its name.
fn begin_of_segment(name: &str, segment: u64) -> Option<Lsn> {
    let part = |from: usize| u64::from_str_radix(name.get(from..from + 8)?, 16).ok();
    Some((part(8)? << 32) + part(16)? * segment)
}

const DATA: &str = "SELECT sealwright.data_bytes()";

const WAL: &str = "SELECT
    (SELECT coalesce(sum(size), 0) FROM pg_ls_waldir())::int8,
    pg_size_bytes(current_setting('wal_segment_size')),
    (SELECT name FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$' ORDER BY substr(name, 9) LIMIT 1),
    coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery()
        THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
        ELSE pg_current_wal_lsn() END, '0/0'), 0)::int8,
    pg_size_bytes(current_setting('wal_keep_size')),
    pg_size_bytes(current_setting('max_wal_size')),
    CASE WHEN current_setting('archive_mode') = 'off' THEN 0 ELSE
        (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready') END::int8,
    timeline.id::int8,
    sealwright.history(timeline.id)
    FROM (SELECT CASE WHEN pg_is_in_recovery() THEN greatest(
            (SELECT received_tli FROM pg_stat_wal_receiver),
            (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
            (SELECT timeline_id FROM pg_control_checkpoint()))
        ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int4 END AS id) timeline";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_wal_is_written_in_two_hexadecimal_halves() {
        assert_eq!(lsn_text(0x1_05AB_0000), "1/5AB0000");
        assert_eq!(lsn_of_text("1/5AB0000"), Some(0x1_05AB_0000));
        for text in ["", "1", "1/", "x/1", "1/100000000"] {
            assert_eq!(lsn_of_text(text), None, "{text}");
        }
    }

    #[test]
    fn a_history_file_tells_where_timelines_ended() {
        let text = "1\t0/3000148\tno recovery target specified\n\n2\t1/0\tno recovery target specified\n";
        assert_eq!(history_of_text(text), [(1, 0x300_0148), (2, 1 << 32)]);
        assert_eq!(history_of_text(""), []);
    }

    #[test]
    fn a_segments_name_is_a_place_in_the_wal() {
        let segment = 16 << 20;
        assert_eq!(
            begin_of_segment("000000010000000000000001", segment),
            Some(16 << 20)
        );
        assert_eq!(
            begin_of_segment("0000000A00000002000000FF", segment),
            Some((2 << 32) + 255 * segment)
        );
        assert_eq!(begin_of_segment("00000002.history", segment), None);
    }
}
