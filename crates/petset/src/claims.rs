//! The claims of an ordinal, and who owns them: retention is nothing but owner references, the garbage collector
//! does the rest. This controller deletes no claim that ever had a volume.

use api_types::no_pod::NoPod;
use api_types::petset::ClaimRetention;
use api_types::vocabulary::{DEPLOYED_VERSION, PRUNE_GUARDS};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use sha2::{Digest, Sha256};

use crate::resolve::Desired;
use crate::world::{World, is_pending, is_terminating};

/// Annotation of a claim: hash of the template's spec that it was made from.
pub const TEMPLATE_HASH: &str = "apps.k8s.appscode.com/claim-template-hash";
/// Annotation that the volume controller leaves on a claim that has got its volume.
const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
/// Characters of a hash.
const HASH: usize = 16;

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

/// The claims to make for an ordinal. They carry the selector's labels, so that one selector finds a PetSet's claims,
/// and from birth the owner that the retention policy requires.
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
    let mut annotations = from.annotations.clone().unwrap_or_default();
    annotations.insert(TEMPLATE_HASH.to_owned(), template_hash(template));
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(claim_name(
                desired,
                from.name.as_deref().unwrap_or_default(),
                ordinal,
            )),
            namespace: Some(desired.namespace.clone()),
            labels: Some(labels),
            annotations: Some(annotations),
            finalizers: from.finalizers.clone(),
            owner_references: (!owners.is_empty()).then_some(owners),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: None,
    }
}

/// Struct fields and map keys serialise in one order, so it is the same in every process.
fn template_hash(template: &PersistentVolumeClaim) -> String {
    let spec = serde_json::to_vec(&template.spec).expect("a claim's spec is plain data");
    hex::encode(Sha256::digest(spec)).chars().take(HASH).collect()
}

/// Whether the claim has, or once had, a volume. One that waits for its volume, and only that, has none.
pub fn has_volume(claim: &PersistentVolumeClaim) -> bool {
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    let annotations = claim.metadata.annotations.as_ref();
    let is_bound = annotations.is_some_and(|all| all.contains_key(BIND_COMPLETED));
    is_bound || !matches!(phase, None | Some("Pending"))
}

/// The claims of an ordinal that never had a volume and were made from another template than the current one: with them
/// the Pod waits for a volume that the template no longer requests. A claim of another owner is not touched.
pub fn outdated<'a>(desired: &Desired, world: &'a World, ordinal: i32) -> Vec<&'a PersistentVolumeClaim> {
    let is_outdated = |template: &PersistentVolumeClaim, claim: &PersistentVolumeClaim| {
        let annotations = claim.metadata.annotations.as_ref();
        let made_from = annotations.and_then(|all| all.get(TEMPLATE_HASH));
        made_from.is_some_and(|hash| *hash != template_hash(template))
            && !has_volume(claim)
            && !is_terminating(&claim.metadata)
    };
    let found = desired.claim_templates.iter().filter_map(|template| {
        let name = claim_name(desired, template.metadata.name.as_deref()?, ordinal);
        world
            .claims
            .get(&name)
            .filter(|claim| is_outdated(template, claim))
    });
    found.collect()
}

/// A claim whose volume goes when a Pod ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vanishing {
    /// The claim.
    pub claim: String,
    /// Its PersistentVolume; none when the claim is gone already.
    pub volume: Option<String>,
    /// The Pod that still uses it.
    pub pod: String,
}

/// The claims of an ordinal's Pod that are being deleted with a volume, or are gone although the Pod is on a node. The API
/// server keeps such a claim for as long as the Pod exists.
pub fn vanishing(desired: &Desired, world: &World, ordinal: i32, pod: &Pod) -> Vec<Vanishing> {
    let is_on_a_node = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    if !is_on_a_node {
        return vec![];
    }
    let volume =
        |claim: &PersistentVolumeClaim| claim.spec.as_ref().and_then(|spec| spec.volume_name.clone());
    let named = claim_names(desired, ordinal).into_iter();
    let found = named.filter_map(|name| {
        let volume = match world.claims.get(&name) {
            Some(claim) if is_terminating(&claim.metadata) && has_volume(claim) => volume(claim),
            // A Pod that has not started gets its claim made again.
            None if !is_pending(pod) => None,
            _ => return None,
        };
        Some(Vanishing {
            claim: name,
            volume,
            pod: desired.pod_name(ordinal),
        })
    });
    found.collect()
}

/// A claim that keeps its ordinal's Pod from being made: an operation has noted that on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// The Pod.
    pub pod: String,
    /// The claim.
    pub claim: String,
    /// The request.
    pub by: String,
    /// Until when.
    pub until: Timestamp,
}

/// The claim of an ordinal that keeps its Pod from being made now. A note whose time is over keeps nothing.
pub fn withheld(desired: &Desired, world: &World, ordinal: i32, now: Timestamp) -> Option<Withheld> {
    claim_names(desired, ordinal).into_iter().find_map(|claim| {
        let note = NoPod::of_annotations(world.claims.get(&claim)?.metadata.annotations.as_ref())?;
        (note.until.0 > now).then(|| Withheld {
            pod: desired.pod_name(ordinal),
            claim,
            by: note.by,
            until: note.until.0,
        })
    })
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

/// Whether a claim's labels show that it belongs to another owner: it has a label of the selector with another value. One without
/// such labels was brought in for this PetSet.
pub fn is_of_another(desired: &Desired, claim: &PersistentVolumeClaim) -> bool {
    let labels = claim.metadata.labels.as_ref();
    let differs = |(key, value): (&String, &String)| {
        labels
            .and_then(|labels| labels.get(key))
            .is_some_and(|found| found != value)
    };
    desired.match_labels.iter().any(differs)
}

/// Annotations that the claim must have by its template and lacks: guards against deployment tools, whose values from others
/// stay, and the record of whose files are on the volume, which follows the template.
pub fn missing_annotations(desired: &Desired, claim: &PersistentVolumeClaim) -> Vec<(String, String)> {
    let name = claim.metadata.name.as_deref().unwrap_or_default();
    let is_its = |template: &&PersistentVolumeClaim| {
        let template = template.metadata.name.as_deref().unwrap_or_default();
        let pod = name
            .strip_prefix(template)
            .and_then(|rest| rest.strip_prefix('-'));
        pod.is_some_and(|pod| desired.ordinal_of(pod).is_some())
    };
    let template = desired.claim_templates.iter().find(is_its);
    let wanted = template.and_then(|template| template.metadata.annotations.as_ref());
    let present = claim.metadata.annotations.as_ref();
    let found = |key: &str| present.and_then(|present| present.get(key));
    let is_missing = |key: &str, value: &String| match key {
        DEPLOYED_VERSION => found(key) != Some(value),
        _ => PRUNE_GUARDS.iter().any(|(guard, _)| *guard == key) && found(key).is_none(),
    };
    wanted
        .into_iter()
        .flatten()
        .filter(|(key, value)| is_missing(key, value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// A reference to a Pod or PetSet of ours that is no more: the garbage collector is about to delete the claim, so no
/// Pod may be made on it. Only while the policy is `Delete`; else the reference is taken away and the claim stays.
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
