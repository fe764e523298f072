//! Replication slots that users made: which there are, and what is done on standbys so that they are there after a change of
//! the primary. Plain functions.

use std::collections::BTreeMap;

use api_types::slots::ReplicationSlotType;
use instance::{Lsn, Slot};

use crate::health::Targets;
use crate::health::judge::{self, Answer, Answers};

/// What of a slot changes seldom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSlot {
    /// Its name.
    pub name: String,
    /// What reads from it.
    pub kind: ReplicationSlotType,
    /// The database of a logical slot.
    pub database: Option<String>,
    /// Whether standbys are to synchronise it.
    pub is_failover: bool,
    /// Whether it is a copy of the primary's, and would serve if this member became the primary.
    pub is_synced: bool,
}

/// What is done with a slot of a standby.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upkeep {
    /// Make a copy of a physical slot of the primary.
    Make(String),
    /// Move a copy to where the primary's slot is.
    Advance(String, Lsn),
    /// Drop a slot of which the primary has none, or that is left over from when this member was the primary.
    Drop(String),
}

/// The slots among these that neither Patroni nor a session made for itself.
pub fn of_users(database: &str, slots: &[Slot]) -> Vec<UserSlot> {
    made_by_users(database, slots)
        .map(|slot| UserSlot {
            name: slot.name.clone(),
            kind: slot.kind,
            database: slot.database.clone(),
            is_failover: slot.is_failover,
            is_synced: slot.is_synced,
        })
        .collect()
}

fn made_by_users<'a>(database: &'a str, slots: &'a [Slot]) -> impl Iterator<Item = &'a Slot> {
    slots.iter().filter(|slot| slot.is_made_by_a_user(database))
}

/// What is due on each standby; nothing while no member is known to be the primary.
pub fn due(targets: &Targets, answers: &Answers) -> BTreeMap<String, Vec<Upkeep>> {
    let Ok(primary) = judge::primary(targets, answers) else {
        return BTreeMap::new();
    };
    let Some(Ok(Answer {
        wal: Some(leader),
        streaming,
        ..
    })) = answers.get(primary)
    else {
        return BTreeMap::new();
    };
    let slots_of = |pod: &String| Some(&answers.get(pod)?.as_ref().ok()?.wal.as_ref()?.slots);
    let standbys = streaming.iter().filter(|pod| pod.as_str() != primary);
    standbys
        .filter_map(|pod| {
            let due = of_standby(targets, &leader.slots, pod, slots_of(pod)?);
            (!due.is_empty()).then(|| (pod.clone(), due))
        })
        .collect()
}

fn of_standby(targets: &Targets, primary: &[Slot], pod: &str, standby: &[Slot]) -> Vec<Upkeep> {
    let kept = copies(targets, primary, standby);
    let own = standby
        .iter()
        .filter(|slot| !slot.is_active && !slot.is_temporary);
    let dropped = own.filter(|slot| is_left_over(targets, primary, pod, slot));
    let dropped = dropped.map(|slot| Upkeep::Drop(slot.name.clone()));
    kept.into_iter().chain(dropped).collect()
}

/// Only of slots in `targets.kept_slots`, which Patroni leaves alone: it would drop others again.
fn copies(targets: &Targets, primary: &[Slot], standby: &[Slot]) -> Vec<Upkeep> {
    let there: BTreeMap<&str, &Slot> = standby.iter().map(|slot| (slot.name.as_str(), slot)).collect();
    let kept = made_by_users(targets.name(), primary)
        .filter(|slot| slot.kind == ReplicationSlotType::Physical && targets.kept_slots.contains(&slot.name));
    kept.filter_map(|slot| {
        let (name, wanted) = (slot.name.clone(), slot.position?);
        match there.get(slot.name.as_str()) {
            None => Some(Upkeep::Make(name)),
            Some(copy) if copy.is_active || copy.kind != ReplicationSlotType::Physical => None,
            Some(copy) => copy
                .position
                .is_some_and(|has| has < wanted)
                .then_some(Upkeep::Advance(name, wanted)),
        }
    })
    .collect()
}

/// A slot with `failover` that is no copy can only have been made on a primary (PostgreSQL refuses it on a standby), and keeps
/// the standby from synchronising the primary's of that name. Without `failover`, a user may have made it on this standby.
fn is_left_over(targets: &Targets, primary: &[Slot], pod: &str, slot: &Slot) -> bool {
    match slot.kind {
        ReplicationSlotType::Physical => {
            targets.kept_slots.contains(&slot.name) && primary.iter().all(|it| it.name != slot.name)
        }
        ReplicationSlotType::Logical if slot.is_failover => !slot.is_synced,
        ReplicationSlotType::Logical => targets.left_slots.contains(&(pod.to_owned(), slot.name.clone())),
    }
}

#[cfg(test)]
mod tests;
