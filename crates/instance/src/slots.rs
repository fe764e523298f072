//! Replication slots of a member: what they are, and what is done to those that have to be on several members.

use std::collections::BTreeMap;

use api_types::names;
use api_types::slots::ReplicationSlotType;

use crate::session::{Session, SqlError};
use crate::storage::{Lsn, lsn_text, unsigned};

/// A replication slot (PostgreSQL manual, `pg_replication_slots`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// Its name.
    pub name: String,
    /// What reads from it.
    pub kind: ReplicationSlotType,
    /// The database of a logical slot.
    pub database: Option<String>,
    /// Whether a reader is connected to it.
    pub is_active: bool,
    /// Whether WAL that it needs was removed (`wal_status` is `lost`).
    pub is_lost: bool,
    /// Whether it goes with its session.
    pub is_temporary: bool,
    /// Whether standbys are to synchronise it (`failover`, since PostgreSQL 17).
    pub is_failover: bool,
    /// Whether it is a standby's copy, which PostgreSQL keeps up to date (`synced`, since PostgreSQL 17).
    pub is_synced: bool,
    /// The oldest WAL that it needs; none before it has reserved any, and when it is lost.
    pub position: Option<Lsn>,
    /// WAL that it holds, in bytes.
    pub held_bytes: u64,
}

impl Slot {
    /// Whether a user of this database made it: neither Patroni for a member, nor a session for itself. A copy that is temporary
    /// still was not synchronised once as a whole.
    pub fn is_made_by_a_user(&self, database: &str) -> bool {
        let is_a_members = self.kind == ReplicationSlotType::Physical
            && names::is_replication_slot_of_a_member(database, &self.name);
        !self.is_temporary && !is_a_members
    }
}

impl Session {
    /// The member's replication slots by name.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn slots(&self) -> Result<BTreeMap<String, Slot>, SqlError> {
        let doing = "the list of replication slots";
        let rows = self.ask(doing, self.client.query(SLOTS, &[])).await?;
        let slots = rows.iter().map(|row| {
            let is_logical: bool = self.field(doing, row, 1)?;
            let slot = Slot {
                name: self.field(doing, row, 0)?,
                kind: if is_logical {
                    ReplicationSlotType::Logical
                } else {
                    ReplicationSlotType::Physical
                },
                database: self.field(doing, row, 2)?,
                is_active: self.field(doing, row, 3)?,
                is_lost: self.field(doing, row, 4)?,
                is_temporary: self.field(doing, row, 5)?,
                is_failover: self.field(doing, row, 6)?,
                is_synced: self.field(doing, row, 7)?,
                position: self.field::<Option<i64>>(doing, row, 8)?.map(unsigned),
                held_bytes: unsigned(self.field(doing, row, 9)?),
            };
            Ok((slot.name.clone(), slot))
        });
        slots.collect()
    }

    /// Makes a physical replication slot that holds WAL from now on, unless there is a slot of this name.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn make_physical_slot(&self, name: &str) -> Result<(), SqlError> {
        let doing = "making a replication slot";
        self.ask(doing, self.client.query(MAKE, &[&name])).await.map(drop)
    }

    /// Moves a replication slot forward to this place in the WAL, or as far as this member has replayed WAL.
    ///
    /// # Errors
    /// [`SqlError`]; also when a reader is connected to it.
    pub async fn advance_slot(&self, name: &str, to: Lsn) -> Result<(), SqlError> {
        let doing = "advancing a replication slot";
        let to = lsn_text(to);
        self.ask(doing, self.client.query(ADVANCE, &[&name, &to]))
            .await
            .map(drop)
    }

    /// Drops replication slots, but for those with a connected reader.
    ///
    /// # Errors
    /// [`SqlError`].
    pub async fn drop_slots(&self, names: &[String]) -> Result<(), SqlError> {
        let doing = "dropping replication slots";
        self.ask(doing, self.client.query(DROP, &[&names]))
            .await
            .map(drop)
    }
}

/// `failover` and `synced` are columns since PostgreSQL 17 only.
const SLOTS: &str = "SELECT slot_name::text, slot_type = 'logical', database::text, active,
    coalesce(wal_status, '') = 'lost', temporary,
    coalesce((to_jsonb(slot) ->> 'failover')::bool, false),
    coalesce((to_jsonb(slot) ->> 'synced')::bool, false),
    pg_wal_lsn_diff(restart_lsn, '0/0')::int8,
    coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
        ELSE pg_current_wal_lsn() END, restart_lsn), 0)::int8
    FROM pg_replication_slots slot";
const MAKE: &str = "SELECT sealwright.make_slot($1)";
const ADVANCE: &str = "SELECT sealwright.advance_slot($1, $2::text::pg_lsn)";
const DROP: &str = "SELECT sealwright.drop_slots($1)";
