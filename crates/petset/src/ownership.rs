//! Adoption and release: objects that the selector selects become ours, ours that it no longer selects are let go.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::moves::{Move, OwnedKind, OwnershipChange, Seen};
use crate::resolve::Desired;
use crate::world::{World, controller_of, is_controlled_by, is_terminating};

/// All changes of ownership that are due. Nothing else is done in the same pass: what is ours must be certain first.
pub fn changes(desired: &Desired, world: &World) -> Vec<Move> {
    let pods = world.pods.iter().filter_map(|pod| {
        let may_adopt = desired
            .ordinal_of(pod.metadata.name.as_deref().unwrap_or_default())
            .is_some();
        change(desired, OwnedKind::Pod, &pod.metadata, may_adopt)
    });
    let revisions = world
        .revisions
        .iter()
        .filter_map(|r| change(desired, OwnedKind::Revision, &r.metadata, true));
    pods.chain(revisions).collect()
}

fn change(desired: &Desired, kind: OwnedKind, meta: &ObjectMeta, may_adopt: bool) -> Option<Move> {
    let selected = desired.selects(meta.labels.as_ref());
    if is_terminating(meta) {
        return None;
    }
    if is_controlled_by(meta, &desired.uid) && !selected {
        let owners = references(meta)
            .filter(|r| r.uid != desired.uid)
            .cloned()
            .collect();
        return Some(set_owners(kind, meta, owners, OwnershipChange::Release));
    }
    if controller_of(meta).is_none() && selected && may_adopt {
        let mut owners: Vec<OwnerReference> = references(meta)
            .filter(|r| r.uid != desired.uid)
            .cloned()
            .collect();
        owners.push(desired.controller_reference());
        return Some(set_owners(kind, meta, owners, OwnershipChange::Adopt));
    }
    None
}

fn references(meta: &ObjectMeta) -> impl Iterator<Item = &OwnerReference> {
    meta.owner_references.iter().flatten()
}

fn set_owners(
    kind: OwnedKind,
    meta: &ObjectMeta,
    owners: Vec<OwnerReference>,
    change: OwnershipChange,
) -> Move {
    Move::SetOwners {
        kind,
        seen: seen(meta),
        owners,
        change,
    }
}

/// What a write needs to fail when the object has changed since.
pub fn seen(meta: &ObjectMeta) -> Seen {
    Seen {
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        resource_version: meta.resource_version.clone().unwrap_or_default(),
    }
}
