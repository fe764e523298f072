//! `spec.storage` against the volumes that there are: a volume keeps what it was made with until a request changes it, and a
//! member that is added gets what the others have.

use api_types::ops_request::OpsRequestType;
use api_types::quantity::amount;
use api_types::reported::postgres::reasons;
use api_types::running::advice;
use blueprint::{Resolved, Storage, storage_of};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::decide::Refusal;
use crate::world::{World, has_volume};

/// Key of the size in a claim's requests.
const SIZE: &str = "storage";

/// Gives `resolved` the storage that the members were made with, and reports what in the spec is not carried out.
///
/// # Errors
/// The refusal to go on at all: the data is on volumes, and the spec wants it in Pods.
pub fn hold(world: &World, resolved: &mut Resolved) -> Result<Option<Refusal>, Refusal> {
    let Some(claim) = world.leftovers.claims.iter().find(|claim| has_volume(claim)) else {
        return Ok(None);
    };
    let Storage::Durable(wanted) = &resolved.storage else {
        return Err(kept_data(claim));
    };
    let born = world
        .pet_set()
        .and_then(storage_of)
        .cloned()
        .unwrap_or_else(|| as_template(claim, wanted));
    let Some(refusal) = difference(&born, wanted) else {
        return Ok(None);
    };
    resolved.storage = Storage::Durable(Box::new(born));
    Ok(Some(refusal))
}

fn kept_data(claim: &PersistentVolumeClaim) -> Refusal {
    let name = claim.metadata.name.as_deref().unwrap_or_default();
    Refusal::new(
        reasons::INVALID_SPEC,
        format!(
            "spec.storageType: Ephemeral keeps data in Pods, and PersistentVolumeClaim {name} has data of this database; write \
             Durable, or delete the claims to give the data up"
        ),
    )
}

/// A claim in the form of the template that would make it. The API server has filled in what the template left out, so only
/// the fields of the spec are taken from it.
fn as_template(
    claim: &PersistentVolumeClaim,
    wanted: &PersistentVolumeClaimSpec,
) -> PersistentVolumeClaimSpec {
    let there = claim.spec.clone().unwrap_or_default();
    let size = size(&there).or_else(|| size(wanted)).cloned();
    PersistentVolumeClaimSpec {
        access_modes: there.access_modes.or_else(|| wanted.access_modes.clone()),
        storage_class_name: wanted.storage_class_name.as_ref().and(there.storage_class_name),
        volume_mode: wanted.volume_mode.as_ref().and(there.volume_mode),
        resources: Some(VolumeResourceRequirements {
            requests: size.map(|size| [(SIZE.to_owned(), size)].into()),
            ..VolumeResourceRequirements::default()
        }),
        // Where it came from was done at its birth.
        data_source: wanted.data_source.clone(),
        data_source_ref: wanted.data_source_ref.clone(),
        selector: wanted.selector.clone(),
        volume_name: wanted.volume_name.clone(),
        volume_attributes_class_name: wanted.volume_attributes_class_name.clone(),
    }
}

fn size(claim: &PersistentVolumeClaimSpec) -> Option<&Quantity> {
    claim.resources.as_ref()?.requests.as_ref()?.get(SIZE)
}

fn difference(born: &PersistentVolumeClaimSpec, wanted: &PersistentVolumeClaimSpec) -> Option<Refusal> {
    let of_class = (born.storage_class_name != wanted.storage_class_name).then(|| class(born, wanted));
    let of_size = of_size(born, wanted);
    let of_rest = rest(born, wanted);
    let mut all = [of_class, of_size, of_rest].into_iter().flatten();
    let first = all.next()?;
    Some(all.fold(first, |sum, next| sum.and(Some(next))))
}

fn class(born: &PersistentVolumeClaimSpec, wanted: &PersistentVolumeClaimSpec) -> Refusal {
    let name = |spec: &PersistentVolumeClaimSpec| match &spec.storage_class_name {
        Some(name) => format!("{name:?}"),
        None => "the default class".to_owned(),
    };
    Refusal::new(
        reasons::STORAGE_MIGRATION_NEEDED,
        format!(
            "spec.storage.storageClassName asks for {}, the members' volumes were made with {}. {}; {GO_ON}",
            name(wanted),
            name(born),
            advice(OpsRequestType::StorageMigration),
        ),
    )
}

/// What happens to members meanwhile.
const GO_ON: &str = "the members go on as they are, and one that is added gets a volume like theirs";

fn of_size(born: &PersistentVolumeClaimSpec, wanted: &PersistentVolumeClaimSpec) -> Option<Refusal> {
    let (was, is) = (size(born)?, size(wanted)?);
    let (was_bytes, is_bytes) = (amount(was)?, amount(is)?);
    let what = format!(
        "spec.storage.resources.requests.storage asks for {}, the members' volumes were made with {}",
        is.0, was.0
    );
    if is_bytes > was_bytes {
        let message = format!("{what}. {}; {GO_ON}", advice(OpsRequestType::VolumeExpansion));
        return Some(Refusal::new(reasons::VOLUME_EXPANSION_NEEDED, message));
    }
    (is_bytes < was_bytes).then(|| {
        let message = format!(
            "{what}. A volume can't be made smaller: write {} back, or create another Postgres and restore the data into it; {GO_ON}",
            was.0
        );
        Refusal::new(reasons::STORAGE_FIXED, message)
    })
}

/// Everything but class and size.
fn rest(born: &PersistentVolumeClaimSpec, wanted: &PersistentVolumeClaimSpec) -> Option<Refusal> {
    let limits = |spec: &PersistentVolumeClaimSpec| spec.resources.as_ref().and_then(|it| it.limits.clone());
    let fields = [
        ("accessModes", born.access_modes != wanted.access_modes),
        ("dataSource", born.data_source != wanted.data_source),
        ("dataSourceRef", born.data_source_ref != wanted.data_source_ref),
        ("resources.limits", limits(born) != limits(wanted)),
        ("selector", born.selector != wanted.selector),
        (
            "volumeAttributesClassName",
            born.volume_attributes_class_name != wanted.volume_attributes_class_name,
        ),
        ("volumeMode", born.volume_mode != wanted.volume_mode),
        ("volumeName", born.volume_name != wanted.volume_name),
    ];
    let changed: Vec<String> = fields
        .into_iter()
        .filter(|(_, differs)| *differs)
        .map(|(field, _)| format!("spec.storage.{field}"))
        .collect();
    (!changed.is_empty()).then(|| {
        let message = format!(
            "{} was changed, which a volume keeps for its life: write the old value back; {GO_ON}",
            changed.join(", ")
        );
        Refusal::new(reasons::STORAGE_FIXED, message)
    })
}
