//! Volumes that fill up: what fills them, reported while there is still room to act.

use api_types::names::replication_slot;
use api_types::postgres::conditions as types;
use api_types::reported::postgres::reasons;
use instance::{Slot, Wal};

use crate::health::Member;
use crate::plan::Plan;
use crate::world::World;

/// A volume is called full when less than one part in this many is free, and not when there is more than [`ENOUGH`].
const LEAST_FREE: u64 = 5;
/// Once it was called so, one part in this many must be free again.
const FREE_AGAIN: u64 = 4;
/// Free bytes that are enough for every volume, however large.
const ENOUGH: u64 = 100 << 30;

/// Sets or takes away the condition about the members' volumes.
pub fn at_risk(world: &World, plan: &mut Plan) {
    let type_ = types::STORAGE_AT_RISK;
    let found = filling_up(world)
        .map(|message| (reasons::VOLUME_FILLS_UP, message))
        .or_else(|| {
            let does_not_fit = plan.wal_does_not_fit.clone()?;
            Some((reasons::WAL_DOES_NOT_FIT, does_not_fit))
        });
    match found {
        Some((reason, message)) => {
            plan.set(type_, true, reason, message.clone());
            plan.tell(true, reason, message);
        }
        // Only a pass that has read the spec knows that its amounts fit.
        None if plan.acts_on_spec || was_filling_up(world) => plan.remove(type_),
        None => {}
    }
}

fn was_filling_up(world: &World) -> bool {
    let condition = api_types::condition::find(world.conditions(), types::STORAGE_AT_RISK);
    condition.is_some_and(|it| it.reason.as_deref() == Some(reasons::VOLUME_FILLS_UP))
}

/// The message about the fullest volume.
fn filling_up(world: &World) -> Option<String> {
    let was = was_filling_up(world);
    let members = world.checked_members();
    let full = members.filter(|(_, member)| is_filling_up(member, was));
    let (pod, member) = full.max_by_key(|(_, member)| member.used_bytes())?;
    let (used, volume) = (member.used_bytes()?, member.volume_bytes?);
    let wal = member.wal.as_ref()?;
    let members: Vec<&str> = world.checked_members().map(|(pod, _)| pod).collect();
    Some(format!(
        "{pod} uses {} MB of its volume of {} MB: {} MB of data, {} MB of WAL. {}",
        megabytes(used),
        megabytes(volume),
        megabytes(member.data_bytes?),
        megabytes(wal.bytes),
        holder(wal, member.data_bytes?, &members)
    ))
}

fn is_filling_up(member: &Member, was: bool) -> bool {
    let (Some(used), Some(volume)) = (member.used_bytes(), member.volume_bytes) else {
        return false;
    };
    let part = if was { FREE_AGAIN } else { LEAST_FREE };
    volume.saturating_sub(used) < (volume / part).min(ENOUGH)
}

/// The member or slot that holds most of the WAL and what to do, or that it is the data.
pub fn holder(wal: &Wal, data_bytes: u64, members: &[&str]) -> String {
    let by_settings = wal.keep_bytes + wal.max_bytes;
    let slot = wal.slots.iter().max_by_key(|slot| slot.held_bytes);
    let by_slot = slot.map_or(0, |slot| slot.held_bytes);
    if wal.bytes * 2 < data_bytes {
        return "Most of it is data: delete what is not needed, or ask for more storage".to_owned();
    }
    if wal.unarchived_bytes >= by_slot && wal.unarchived_bytes > by_settings.min(wal.bytes / 2) {
        return format!(
            "{} MB of WAL wait to be archived: repair archive_command, whose errors are in the log of the primary",
            megabytes(wal.unarchived_bytes)
        );
    }
    match slot {
        Some(slot) if by_slot > by_settings.min(wal.bytes / 2) => held_by(slot, members),
        _ => format!(
            "WAL is kept by settings: wal_keep_size is {} MB, max_wal_size {} MB; lower them, or ask for more storage",
            megabytes(wal.keep_bytes),
            megabytes(wal.max_bytes)
        ),
    }
}

fn held_by(slot: &Slot, members: &[&str]) -> String {
    let (name, held) = (&slot.name, megabytes(slot.held_bytes));
    if let Some(standby) = members.iter().find(|pod| replication_slot(pod) == *name) {
        return format!(
            "The standby {standby} holds {held} MB of WAL by its slot {name}: look why it does not stream"
        );
    }
    let reader = if slot.is_active {
        "is read too slowly"
    } else {
        "has no reader"
    };
    format!(
        "The replication slot {name}, which {reader}, holds {held} MB of WAL: start its reader, or drop the slot (SELECT pg_drop_replication_slot('{name}')) if there is none any more"
    )
}

fn megabytes(bytes: u64) -> u64 {
    bytes >> 20
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    fn wal(bytes: u64, unarchived: u64, slots: &[(&str, bool, u64)]) -> Wal {
        Wal {
            bytes: bytes * MB,
            keep_bytes: 128 * MB,
            max_bytes: 128 * MB,
            unarchived_bytes: unarchived * MB,
            slots: slots
                .iter()
                .map(|(name, is_active, held)| Slot {
                    name: (*name).to_owned(),
                    is_active: *is_active,
                    held_bytes: held * MB,
                    ..Slot::default()
                })
                .collect(),
            ..Wal::default()
        }
    }

    #[test]
    fn who_holds_wal_is_named() {
        for (wal, data, said) in [
            (wal(100, 0, &[]), 700, "Most of it is data"),
            (
                wal(256, 0, &[]),
                30,
                "WAL is kept by settings: wal_keep_size is 128 MB",
            ),
            (
                wal(700, 0, &[("debezium", false, 650)]),
                100,
                "slot debezium, which has no reader, holds 650 MB",
            ),
            (
                wal(700, 0, &[("debezium", true, 650)]),
                100,
                "which is read too slowly",
            ),
            (
                wal(700, 0, &[("pg_1", false, 650), ("other", true, 3)]),
                100,
                "The standby pg-1 holds 650 MB",
            ),
            (
                wal(700, 640, &[("pg_1", true, 1)]),
                100,
                "640 MB of WAL wait to be archived",
            ),
            (wal(700, 0, &[("pg_1", true, 1)]), 100, "WAL is kept by settings"),
        ] {
            let found = holder(&wal, data * MB, &["pg-0", "pg-1"]);
            assert!(found.contains(said), "{found}");
        }
    }

    #[test]
    fn a_volume_is_full_before_it_is_and_free_only_well_below() {
        let member = |used: u64, volume: u64| Member {
            wal: Some(Wal::default()),
            data_bytes: Some(used),
            volume_bytes: Some(volume),
            ..Member::default()
        };
        for (used, volume, was, full) in [
            (79, 100, false, false),
            (81, 100, false, true),
            (79, 100, true, true),
            (74, 100, true, false),
            (900 << 30, 1 << 40, false, false),
            (930 << 30, 1 << 40, false, true),
        ] {
            assert_eq!(
                is_filling_up(&member(used, volume), was),
                full,
                "{used} of {volume}"
            );
        }
        let unknown = Member {
            volume_bytes: Some(100),
            ..Member::default()
        };
        assert!(!is_filling_up(&unknown, false), "what is not known is not full");
    }
}
