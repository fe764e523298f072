//! Replication slots that users made: Patroni leaves them alone, standbys have copies, and those that do not outlive a change
//! of the primary are named.

use std::collections::BTreeSet;

use api_types::reported::postgres::events;
use api_types::slots::{ReplicationSlot, ReplicationSlotType, SlotFailover};
use blueprint::UserSlots;
use k8s_openapi::api::core::v1::ConfigMap;

use crate::health::UserSlot;
use crate::plan::Plan;
use crate::world::World;

/// Patroni's settings for them.
pub fn wanted(world: &World, map: &ConfigMap) -> UserSlots {
    let recorded = UserSlots::recorded(map);
    let Some((_, of_primary)) = of_primary(world) else {
        return recorded;
    };
    let stays = |on_a_member: &dyn Fn(&UserSlot) -> bool| {
        !are_all_known(world) || slots(world).any(|(_, slots)| slots.iter().any(on_a_member))
    };
    let is = |name: &str, slot: &UserSlot| slot.kind == ReplicationSlotType::Physical && slot.name == name;
    let still = recorded
        .physical
        .iter()
        .filter(|name| stays(&|slot| is(name, slot)));
    let physical = of_primary
        .iter()
        .filter(|slot| slot.kind == ReplicationSlotType::Physical);
    UserSlots {
        physical: physical.map(|slot| &slot.name).chain(still).cloned().collect(),
        has_failover: of_primary.iter().any(|slot| slot.is_failover)
            || recorded.has_failover && stays(&|slot| slot.is_failover),
    }
}

/// Names of physical slots that Patroni leaves alone by now.
pub fn kept(world: &World) -> BTreeSet<String> {
    let map = world.patroni.as_ref();
    map.map(|map| UserSlots::recorded(map).physical)
        .unwrap_or_default()
}

/// Logical slots, by Pod and name, that a former primary still has.
pub fn left(world: &World) -> BTreeSet<(String, String)> {
    known(world)
        .iter()
        .filter(|slot| slot.failover == SlotFailover::LeftBehind)
        .map(|slot| (slot.pod.clone(), slot.name.clone()))
        .collect()
}

/// The record in the status; as it was while it is not known which member is the primary.
pub fn recorded(world: &World) -> Vec<ReplicationSlot> {
    let Some((primary, of_primary)) = of_primary(world) else {
        return known(world).to_vec();
    };
    let now = of_primary.iter().map(|slot| recorded_on(world, primary, slot));
    let left = known(world).iter().filter(|old| is_left(world, primary, old));
    let left = left.map(|old| ReplicationSlot {
        failover: SlotFailover::LeftBehind,
        ..old.clone()
    });
    now.chain(left).collect()
}

fn recorded_on(world: &World, primary: &str, slot: &UserSlot) -> ReplicationSlot {
    ReplicationSlot {
        name: slot.name.clone(),
        type_: slot.kind,
        database: slot.database.clone(),
        pod: primary.to_owned(),
        failover: failover(world, primary, slot),
    }
}

fn failover(world: &World, primary: &str, slot: &UserSlot) -> SlotFailover {
    let members = world.pet_set().and_then(|pet_set| pet_set.spec.replicas);
    if members.is_some_and(|members| members <= 1) {
        return SlotFailover::Kept;
    }
    let is_copy = |copy: &UserSlot| {
        copy.name == slot.name
            && copy.kind == slot.kind
            && (copy.kind == ReplicationSlotType::Physical || copy.is_synced)
    };
    SlotFailover::of(slot.kind, slot.is_failover, || {
        let mut standbys = slots(world).filter(|(pod, _)| *pod != primary);
        standbys.any(|(_, slots)| slots.iter().any(is_copy))
    })
}

/// Whether a former primary has this logical slot still, or may have it.
fn is_left(world: &World, primary: &str, old: &ReplicationSlot) -> bool {
    let exists = world
        .pods
        .iter()
        .any(|pod| pod.metadata.name.as_ref() == Some(&old.pod));
    if old.pod == primary || old.type_ == ReplicationSlotType::Physical || !exists {
        return false;
    }
    let has = |slots: &[UserSlot]| slots.iter().any(|slot| slot.name == old.name && !slot.is_synced);
    slots(world)
        .find(|(pod, _)| *pod == old.pod)
        .is_none_or(|(_, slots)| has(slots))
}

/// Publishes what a change of the primary has lost, and what the next one would.
pub fn observed(world: &World, plan: &mut Plan) {
    let Some((primary, of_primary)) = of_primary(world) else {
        return;
    };
    let moved = |old: &&ReplicationSlot| old.pod != primary && old.failover != SlotFailover::LeftBehind;
    for old in known(world).iter().filter(moved) {
        if !of_primary.iter().any(|slot| slot.name == old.name) {
            plan.tell(true, events::REPLICATION_SLOT_LOST, lost(old, primary));
        }
    }
    let is_new = |slot: &ReplicationSlot| {
        !known(world)
            .iter()
            .any(|old| old.name == slot.name && old.failover == SlotFailover::NotKept)
    };
    for slot in recorded(world) {
        if slot.failover == SlotFailover::NotKept && is_new(&slot) {
            plan.tell(true, events::REPLICATION_SLOT_NOT_KEPT, not_kept(&slot));
        }
    }
}

fn lost(old: &ReplicationSlot, primary: &str) -> String {
    format!(
        "{} is not on {primary}, which has become the primary. Its reader has to begin again from a new slot, and has missed what was \
         written meanwhile. What is left of the slot on {} is dropped",
        described(old),
        old.pod
    )
}

fn not_kept(slot: &ReplicationSlot) -> String {
    format!(
        "{} on {} is lost when another member becomes the primary: standbys synchronise logical slots since PostgreSQL 17 only, and \
         only those that were made with failover => true. A plan of a request names the slots that it loses",
        described(slot),
        slot.pod
    )
}

fn described(slot: &ReplicationSlot) -> String {
    match &slot.database {
        Some(database) => format!("The replication slot {} of the database {database}", slot.name),
        None => format!("The replication slot {}", slot.name),
    }
}

fn known(world: &World) -> &[ReplicationSlot] {
    let status = world.postgres.status.as_ref();
    status.map_or(&[], |status| status.replication_slots.as_slice())
}

/// The primary and its slots, if both are known.
fn of_primary(world: &World) -> Option<(&str, &[UserSlot])> {
    let primary = world.health.as_ref()?.primary.as_deref()?;
    slots(world).find(|(pod, _)| *pod == primary)
}

/// Slots of the members of which they are known.
fn slots(world: &World) -> impl Iterator<Item = (&str, &[UserSlot])> {
    world
        .checked_members()
        .filter_map(|(pod, member)| Some((pod, member.slots.as_deref()?)))
}

fn are_all_known(world: &World) -> bool {
    let members = world.pet_set().and_then(|pet_set| pet_set.spec.replicas);
    let members = usize::try_from(members.unwrap_or(1)).unwrap_or(usize::MAX);
    slots(world).count() >= world.pods.len().max(members)
}
