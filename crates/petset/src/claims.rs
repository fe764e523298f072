//! The claims of an ordinal, and who owns them: retention is nothing but owner references, the garbage collector
//! does the rest. This controller never deletes a claim.

use api_types::petset::ClaimRetention;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::resolve::Desired;

/// Name of an ordinal's claim: `<template>-<petset>-<ordinal>`.
pub fn claim_name(desired: &Desired, template: &str, ordinal: i32) -> String {
    format!("{template}-{}-{ordinal}", desired.name)
}

/// Names of all claims of an ordinal.
pub fn claim_names(desired: &Desired, ordinal: i32) -> Vec<String> {
    desired
        .claim_templates
        .iter()
        .filter_map(|claim| claim.metadata.name.as_deref())
        .map(|template| claim_name(desired, template, ordinal))
        .collect()
}

/// The claims of an ordinal, as they are to be made. They carry the selector's labels, so that one selector finds
/// a PetSet's claims, and from birth the owner that the retention policy asks for.
pub fn claims(desired: &Desired, ordinal: i32) -> Vec<PersistentVolumeClaim> {
    desired
        .claim_templates
        .iter()
        .map(|template| claim(desired, template, ordinal))
        .collect()
}

fn claim(desired: &Desired, template: &PersistentVolumeClaim, ordinal: i32) -> PersistentVolumeClaim {
    let from = &template.metadata;
    let mut labels = from.labels.clone().unwrap_or_default();
    labels.extend(desired.match_labels.clone());
    let owners = owners(desired, ordinal, None, &[]);
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(claim_name(
                desired,
                from.name.as_deref().unwrap_or_default(),
                ordinal,
            )),
            namespace: Some(desired.namespace.clone()),
            labels: Some(labels),
            annotations: from.annotations.clone(),
            finalizers: from.finalizers.clone(),
            owner_references: (!owners.is_empty()).then_some(owners),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: None,
    }
}

/// The owner references that a claim should have, beginning with those it has: foreign ones stay, ours follow the
/// retention policy. Two references are ours: the PetSet (the claim goes when the PetSet goes) and the ordinal's Pod
/// (the claim goes when the Pod of a scaled-down ordinal goes).
pub fn owners(
    desired: &Desired,
    ordinal: i32,
    pod: Option<&Pod>,
    present: &[OwnerReference],
) -> Vec<OwnerReference> {
    let scaled_down = !desired.ordinals().contains(&ordinal);
    let goes_with_pod = scaled_down && desired.when_scaled == ClaimRetention::Delete;
    let goes_with_set = !goes_with_pod && desired.when_deleted == ClaimRetention::Delete;
    let wanted = goes_with_pod
        .then(|| pod.and_then(|pod| pod_reference(desired, ordinal, pod)))
        .flatten()
        .or_else(|| goes_with_set.then(|| desired.owner_reference()));
    let mut all: Vec<OwnerReference> = present
        .iter()
        .filter(|r| !is_ours(desired, ordinal, r) || wanted.as_ref().is_some_and(|w| w.uid == r.uid))
        .cloned()
        .collect();
    if let Some(wanted) = wanted
        && all.iter().all(|r| r.uid != wanted.uid)
    {
        all.push(wanted);
    }
    all
}

/// A reference to a Pod or PetSet of ours that is no more: the garbage collector is about to delete the claim, so
/// no Pod may be made on it. Only while the policy says `Delete`; else the reference is taken away and the claim stays.
pub fn doomed_by<'a>(
    desired: &Desired,
    ordinal: i32,
    pod: Option<&Pod>,
    claim: &'a PersistentVolumeClaim,
) -> Option<&'a OwnerReference> {
    let live_pod = pod.and_then(|pod| pod.metadata.uid.as_deref());
    claim.metadata.owner_references.iter().flatten().find(|r| {
        let of_dead_pod = is_pod(desired, ordinal, r) && live_pod != Some(r.uid.as_str());
        let of_dead_set = is_set(desired, r) && r.uid != desired.uid;
        of_dead_pod && desired.when_scaled == ClaimRetention::Delete
            || of_dead_set && desired.when_deleted == ClaimRetention::Delete
    })
}

fn pod_reference(desired: &Desired, ordinal: i32, pod: &Pod) -> Option<OwnerReference> {
    Some(OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        name: desired.pod_name(ordinal),
        uid: pod.metadata.uid.clone()?,
        controller: None,
        block_owner_deletion: None,
    })
}

fn is_ours(desired: &Desired, ordinal: i32, reference: &OwnerReference) -> bool {
    is_pod(desired, ordinal, reference) || is_set(desired, reference)
}

fn is_pod(desired: &Desired, ordinal: i32, reference: &OwnerReference) -> bool {
    reference.api_version == "v1" && reference.kind == "Pod" && reference.name == desired.pod_name(ordinal)
}

/// Whether the reference is to a PetSet of this name. An early controller of KubeDB wrote `apps/v1` as its version.
fn is_set(desired: &Desired, reference: &OwnerReference) -> bool {
    let ours = desired.owner_reference();
    reference.kind == ours.kind
        && reference.name == ours.name
        && (reference.api_version == ours.api_version || reference.api_version == "apps/v1")
}
