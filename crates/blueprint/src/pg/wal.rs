//! How much WAL a member keeps, and whether that fits its volume.

use crate::pg::catalog;
use crate::pg::value::{self, Value};
use crate::resolved::{Resolved, WalRetention};

/// KubeDB's default of `wal_keep_size`, in megabytes.
const KEEP: i32 = 1536;
/// PostgreSQL's default of `max_wal_size`, in megabytes (PostgreSQL manual, 20.5.2 "Checkpoints").
const MAX_WAL_SIZE: i32 = 1024;
/// PostgreSQL's default of `min_wal_size`, in megabytes.
const MIN_WAL_SIZE: i32 = 80;
/// Size of a segment of WAL, in megabytes.
const SEGMENT: i32 = 16;
/// Share of the volume for WAL that is kept for standbys, and for WAL between two checkpoints: one part in this many, each.
const PART: i64 = 8;
/// Share of the volume that slots may hold: one part in this many.
const SLOT_PART: i64 = 4;
/// Share of the volume above which WAL leaves too little for the data: one part in this many.
const MOST_PART: i64 = 2;
/// `max_slot_wal_keep_size` without a limit.
pub(crate) const NO_LIMIT: i32 = -1;

/// Amounts of WAL that fit a volume, in megabytes. A volume of unknown size gets the defaults of KubeDB and PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalBudget {
    /// Size of the volume.
    pub volume: Option<i64>,
    /// `wal_keep_size`.
    pub keep: i32,
    /// `max_slot_wal_keep_size`; -1 is no limit.
    pub slots: i32,
    /// `max_wal_size` and `min_wal_size`, where PostgreSQL's defaults do not fit.
    pub sizes: Option<(i32, i32)>,
}

impl WalBudget {
    /// What fits a volume of so many bytes.
    pub(crate) fn of(volume: Option<i64>) -> Self {
        let Some(megabytes) = volume.map(|bytes| bytes >> 20) else {
            return Self {
                volume: None,
                keep: KEEP,
                slots: NO_LIMIT,
                sizes: None,
            };
        };
        let part = |parts: i64| i32::try_from(megabytes / parts).unwrap_or(i32::MAX);
        let max = part(PART).max(2 * SEGMENT);
        let min = part(2 * PART).clamp(2 * SEGMENT, MIN_WAL_SIZE);
        Self {
            volume: Some(megabytes),
            keep: part(PART).clamp(SEGMENT, KEEP),
            slots: part(SLOT_PART).max(2 * SEGMENT),
            sizes: (max < MAX_WAL_SIZE).then_some((max, min)),
        }
    }
}

impl WalBudget {
    /// The greatest `max_wal_size` that fits, in megabytes; none for a volume of unknown size.
    pub(crate) fn between_checkpoints(self) -> Option<i32> {
        let part = i32::try_from(self.volume? / PART).unwrap_or(i32::MAX);
        Some(part.max(2 * SEGMENT))
    }
}

/// What the user's own amounts of WAL do to the volume, when that is not good.
pub fn does_not_fit(resolved: &Resolved) -> Option<String> {
    let volume = resolved.wal_budget.volume?;
    let users = |name: &str| {
        let parameter = catalog::table(resolved.major)?.get(name)?;
        match value::read(parameter, resolved.user_parameters.get(name)?) {
            Ok(Value::Number(megabytes)) => Some(whole(megabytes)),
            _ => None,
        }
    };
    let (kept, by) = match (users("wal_keep_size"), resolved.wal_retention) {
        (Some(kept), _) => (kept, "wal_keep_size"),
        (None, WalRetention::KeepSize(kept)) => (kept.into(), "spec.replication.walKeepSize"),
        (None, WalRetention::Slots) => (0, ""),
    };
    let default = resolved.wal_budget.sizes.map_or(MAX_WAL_SIZE, |(max, _)| max);
    let between = users("max_wal_size").unwrap_or(default.into());
    let held = users("max_slot_wal_keep_size").unwrap_or(resolved.slot_limit.into());
    let (amount, by) = if held > kept + between {
        (
            held,
            "max_slot_wal_keep_size (spec.replication.maxSlotWALKeepSize)",
        )
    } else if kept > between {
        (kept + between, by)
    } else {
        (kept + between, "max_wal_size")
    };
    (amount > volume / MOST_PART).then(|| {
        format!(
            "Members may keep {amount} MB of WAL, which leaves too little of a volume of {volume} MB for the data. Lower {by}, or ask for more storage"
        )
    })
}

#[allow(clippy::cast_possible_truncation, reason = "in the range of a parameter")]
fn whole(number: f64) -> i64 {
    number as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wal_fits_every_volume() {
        for (bytes, keep, slots, sizes) in [
            (100 << 20, 16, 32, Some((32, 32))),
            (256 << 20, 32, 64, Some((32, 32))),
            (1 << 30, 128, 256, Some((128, 64))),
            (5 << 30, 640, 1280, Some((640, 80))),
            (8 << 30, 1024, 2048, None),
            (12 << 30, 1536, 3072, None),
            (1 << 40, 1536, 262_144, None),
        ] {
            let budget = WalBudget::of(Some(bytes));
            assert_eq!(
                (budget.keep, budget.slots, budget.sizes),
                (keep, slots, sizes),
                "{bytes}"
            );
        }
        let unknown = WalBudget::of(None);
        assert_eq!((unknown.keep, unknown.slots, unknown.sizes), (1536, -1, None));
    }
}
