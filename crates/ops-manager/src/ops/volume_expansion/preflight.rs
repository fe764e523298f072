//! What would fail later is refused before anything is touched: a class whose volumes do not grow, a quota, a smaller size.

use std::collections::BTreeMap;

use api_types::names;
use api_types::ops_request::{OpsRequestType, STORAGE, VolumePlan, VolumeSize};
use api_types::quantity::amount;
use api_types::running::advice;
use blueprint::storage_of;

use super::words;
use crate::admit::{self, Admission};
use crate::operation::Operation;
use crate::step::Progress;
use crate::volumes;
use crate::volumes::world::{Claim, Quota, VolumesWorld};
use crate::waiting::WaitingOn;
use crate::world::{Observed, World};

/// The resource of a quota that counts all claims.
const ALL_CLAIMS: &str = "requests.storage";

/// The size that the PetSet gives new members.
///
/// # Errors
/// The refusal for a database without volumes, or what is waited for.
pub fn made_with(world: &World) -> Result<VolumeSize, Admission> {
    let pet_set = world.pet_set.require("the PetSet").map_err(admit::wait_for)?;
    let template = storage_of(pet_set).ok_or_else(|| {
        Admission::Refuse(
            "the members have no volumes (storageType: Ephemeral): their data is in their Pods, and there is nothing to expand".into(),
        )
    })?;
    let requests = template.resources.as_ref().and_then(|it| it.requests.as_ref());
    Ok(VolumeSize {
        storage: requests.and_then(|requests| requests.get(STORAGE)).cloned(),
    })
}

/// Whether so many bytes are what the plan wants, or more.
pub fn is_enough(bytes: i64, plan: &VolumePlan) -> bool {
    wanted(plan).is_some_and(|wanted| bytes >= wanted)
}

/// Whether this is the size that the plan wants, however it is written.
fn is_size(size: &VolumeSize, plan: &VolumePlan) -> bool {
    size.storage.as_ref().and_then(amount) == wanted(plan)
}

/// Bytes that the plan wants.
pub fn wanted(plan: &VolumePlan) -> Option<i64> {
    plan.after.storage.as_ref().and_then(amount)
}

/// The members' claims, by ordinal.
///
/// # Errors
/// What is waited for.
pub fn claims<'a>(op: &Operation, world: &'a World) -> Result<Vec<&'a Claim>, WaitingOn> {
    let all = world.claims.require("the members' volume claims")?;
    let claim = |ordinal| {
        let name = names::data_claim(&op.database, ordinal);
        all.iter()
            .find(|claim| claim.name == name)
            .ok_or(WaitingOn::Missing {
                what: format!("PersistentVolumeClaim {name}"),
            })
    };
    (0..world.replicas()).map(claim).collect()
}

/// Checks the plan against the volumes that there are.
///
/// # Errors
/// What happens to the request instead.
pub fn check(op: &Operation, world: &World, plan: &VolumePlan) -> Result<(), Admission> {
    let claims = claims(op, world).map_err(admit::wait_for)?;
    let volumes = volumes::world::of(world).map_err(unread)?;
    is_not_smaller(&claims, plan).map_err(Admission::Refuse)?;
    let growing: Vec<&Claim> = claims
        .iter()
        .copied()
        .filter(|claim| grows(claim, plan))
        .collect();
    for claim in &growing {
        can_grow(claim, volumes)?;
    }
    if let Observed::Present(quotas) = &volumes.quotas {
        fits_quotas(&growing, quotas, plan).map_err(Admission::Refuse)?;
    }
    if growing.is_empty() && is_size(&plan.before, plan) && is_size(&plan.found, plan) {
        return Err(Admission::NothingToDo(format!(
            "Nothing to change: the members' volumes have {} already",
            words::size(&plan.after)
        )));
    }
    Ok(())
}

fn unread(progress: Progress) -> Admission {
    match progress {
        Progress::Wait(on) => admit::wait_for(on),
        other => Admission::Refuse(format!("{other:?}")),
    }
}

/// Whether the claim has less than the plan wants.
pub fn grows(claim: &Claim, plan: &VolumePlan) -> bool {
    !claim.capacity.is_some_and(|capacity| is_enough(capacity, plan))
}

fn is_not_smaller(claims: &[&Claim], plan: &VolumePlan) -> Result<(), String> {
    let made_with = plan.before.storage.as_ref().and_then(amount);
    let smallest = claims.iter().filter_map(|claim| claim.capacity).min();
    let least = made_with.max(smallest).unwrap_or_default();
    if is_enough(least, plan) && wanted(plan) != Some(least) {
        return Err(format!(
            "a volume can't be made smaller: the members' volumes have {0}; write {0} or more in spec.volumeExpansion.postgres",
            words::bytes(least)
        ));
    }
    Ok(())
}

fn can_grow(claim: &Claim, volumes: &VolumesWorld) -> Result<(), Admission> {
    let name = &claim.name;
    if claim.is_terminating {
        return Err(Admission::Refuse(format!(
            "PersistentVolumeClaim {name} is being deleted, so its volume can't be expanded"
        )));
    }
    if claim.capacity.is_none() {
        let what = format!("a volume for PersistentVolumeClaim {name}");
        return Err(admit::wait_for(WaitingOn::Missing { what }));
    }
    let move_it = advice(OpsRequestType::StorageMigration);
    let Some(class) = &claim.class else {
        return Err(Admission::Refuse(format!(
            "the volume of PersistentVolumeClaim {name} has no StorageClass, so no driver can expand it. {move_it}"
        )));
    };
    let allows = volumes.classes.get(class).unwrap_or(&Observed::Absent);
    match allows {
        Observed::Present(true) => Ok(()),
        Observed::Present(false) => Err(Admission::Refuse(format!(
            "volumes of StorageClass {class} do not grow: if its driver can expand volumes, set allowVolumeExpansion: true in the \
             StorageClass, then create the request again. Otherwise: {move_it}"
        ))),
        Observed::Absent => Err(Admission::Refuse(format!(
            "StorageClass {class} of PersistentVolumeClaim {name} does not exist, and Kubernetes expands no volume without it: create \
             it with allowVolumeExpansion: true, then create the request again"
        ))),
        Observed::Unknown(why) => Err(admit::wait_for(WaitingOn::Unread {
            what: format!("StorageClass {class}"),
            why: why.clone(),
        })),
    }
}

/// A quota counts the requests of claims.
fn fits_quotas(growing: &[&Claim], quotas: &[Quota], plan: &VolumePlan) -> Result<(), String> {
    let mut more: BTreeMap<String, i64> = BTreeMap::new();
    for claim in growing {
        let asked = wanted(plan).unwrap_or_default() - claim.requested.unwrap_or_default();
        *more.entry(ALL_CLAIMS.to_owned()).or_default() += asked;
        if let Some(class) = &claim.class {
            let resource = format!("{class}.storageclass.storage.k8s.io/{ALL_CLAIMS}");
            *more.entry(resource).or_default() += asked;
        }
    }
    for quota in quotas {
        for (resource, (most, used)) in &quota.storage {
            let asked = more.get(resource).copied().unwrap_or_default();
            if asked > 0 && used + asked > *most {
                return Err(format!(
                    "ResourceQuota {} allows {} of {resource}: {} are used and {} more are needed; raise the quota, then create the \
                     request again",
                    quota.name,
                    words::bytes(*most),
                    words::bytes(*used),
                    words::bytes(asked)
                ));
            }
        }
    }
    Ok(())
}
