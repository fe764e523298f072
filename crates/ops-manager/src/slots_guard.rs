//! Which replication slots that users made an operation loses: those that no member has that may become the primary. Pure.

use api_types::ops_request::{PlannedMember, PlannedRestart};
use api_types::slots::{PlannedSlotLoss, ReplicationSlotType, SlotFailover};
use instance::Slot;

use crate::world::World;

/// The slots of the primary that are lost when these members restart or leave.
pub fn planned_loss(world: &World, members: &[PlannedMember]) -> Vec<PlannedSlotLoss> {
    let Some(leader) = world.leader().filter(|leader| moves_from(world, leader, members)) else {
        return Vec::new();
    };
    let Some(postgres) = world.postgres.present() else {
        return Vec::new();
    };
    let database = postgres.metadata.name.as_deref().unwrap_or_default();
    let stays = |pod: &str| {
        let leaves = |member: &PlannedMember| member.restart == PlannedRestart::Leaves;
        pod != leader && !members.iter().any(|member| member.name == pod && leaves(member))
    };
    slots(world, leader)
        .filter(|slot| slot.is_made_by_a_user(database))
        .filter_map(|slot| {
            let cause = cause(world, slot, stays)?;
            Some(PlannedSlotLoss {
                name: slot.name.clone(),
                type_: slot.kind,
                database: slot.database.clone(),
                cause,
            })
        })
        .collect()
}

/// Whether another member becomes the primary.
fn moves_from(world: &World, leader: &str, members: &[PlannedMember]) -> bool {
    let ends = |member: &PlannedMember| {
        member.name == leader
            && matches!(
                member.restart,
                PlannedRestart::Always | PlannedRestart::IfNeeded | PlannedRestart::Leaves
            )
    };
    world.replicas() > 1 && members.iter().any(ends)
}

fn slots<'a>(world: &'a World, pod: &str) -> impl Iterator<Item = &'a Slot> {
    let server = world
        .members()
        .get(pod)
        .and_then(|member| member.server.present());
    server.into_iter().flat_map(|server| server.slots.values())
}

/// Why a slot is lost; `None` for one of which a member that stays has a copy.
fn cause(world: &World, slot: &Slot, stays: impl Fn(&str) -> bool) -> Option<SlotFailover> {
    let is_copy = |copy: &Slot| {
        let is_whole = copy.kind == ReplicationSlotType::Physical || copy.is_synced && !copy.is_temporary;
        copy.name == slot.name && copy.kind == slot.kind && is_whole
    };
    let has_copy = || {
        let mut others = world.members().keys().filter(|pod| stays(pod));
        others.any(|pod| slots(world, pod).any(is_copy))
    };
    Some(SlotFailover::of(slot.kind, slot.is_failover, has_copy)).filter(|it| *it != SlotFailover::Kept)
}

/// A planned loss of slots as a part of the plan's summary.
pub fn loss_in_words(lost: &[PlannedSlotLoss]) -> Option<String> {
    let named = lost.iter().map(|slot| match slot.cause {
        SlotFailover::NotKept => format!("{} (logical, made without failover)", slot.name),
        _ => format!("{} (no standby has a copy yet)", slot.name),
    });
    let named: Vec<String> = named.collect();
    (!named.is_empty()).then(|| {
        format!(
            "replication slots lost when the primary role moves: {}",
            named.join(", ")
        )
    })
}
