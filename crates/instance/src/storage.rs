//! What fills a member's volume, and what keeps WAL there.

use crate::session::{Session, SqlError};

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
    /// `wal_keep_size`.
    pub keep_bytes: u64,
    /// `max_wal_size`.
    pub max_bytes: u64,
    /// What could not be archived yet.
    pub unarchived_bytes: u64,
    /// Replication slots.
    pub slots: Vec<Slot>,
}

/// A replication slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// Whether somebody reads from it.
    pub is_active: bool,
    /// Whether WAL that it needs was removed (`wal_status` is `lost`).
    pub is_lost: bool,
    /// WAL that it holds.
    pub held_bytes: u64,
}

impl Session {
    /// Bytes of tables, indexes and temporary files in all databases and tablespaces, and of PostgreSQL's own log files. It
    /// looks at every file, so it is not for every second.
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
        let slots = self.ask(doing, self.client.query(SLOTS, &[])).await?;
        let bytes = |column| Ok::<_, SqlError>(unsigned(self.field(doing, &row, column)?));
        let segment = bytes(1)?;
        let oldest: Option<String> = self.field(doing, &row, 2)?;
        let slots = slots.iter().map(|row| {
            Ok(Slot {
                name: self.field(doing, row, 0)?,
                is_active: self.field(doing, row, 1)?,
                is_lost: self.field(doing, row, 2)?,
                held_bytes: unsigned(self.field(doing, row, 3)?),
            })
        });
        Ok(Wal {
            bytes: bytes(0)?,
            oldest: oldest.and_then(|name| begin_of_segment(&name, segment)),
            position: bytes(3)?,
            keep_bytes: bytes(4)?,
            max_bytes: bytes(5)?,
            unarchived_bytes: bytes(6)? * segment,
            slots: slots.collect::<Result<_, SqlError>>()?,
        })
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// Where a segment begins, from the last 16 of the 24 hexadecimal digits of its name.
fn begin_of_segment(name: &str, segment: u64) -> Option<Lsn> {
    let part = |from: usize| u64::from_str_radix(name.get(from..from + 8)?, 16).ok();
    Some((part(8)? << 32) + part(16)? * segment)
}

const DATA: &str = "SELECT ((SELECT coalesce(sum(pg_tablespace_size(oid)), 0) FROM pg_tablespace)
    + coalesce(CASE WHEN (pg_stat_file(current_setting('log_directory'), true)).isdir
        THEN (SELECT sum(size) FROM pg_ls_logdir()) END, 0))::int8";

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
        (SELECT count(*) FROM pg_ls_archive_statusdir() WHERE name LIKE '%.ready') END::int8";

const SLOTS: &str = "SELECT slot_name::text, active, coalesce(wal_status, '') = 'lost',
    coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
        ELSE pg_current_wal_lsn() END, restart_lsn), 0)::int8
    FROM pg_replication_slots ORDER BY slot_name";

#[cfg(test)]
mod tests {
    use super::*;

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
