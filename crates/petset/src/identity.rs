//! The Pod of an ordinal: name, labels, host name, volumes and owner, all derived from the ordinal.

use api_types::vocabulary::PLACEMENT_POLICY;
use k8s_openapi::api::core::v1::{PersistentVolumeClaimVolumeSource, Pod, PodTemplateSpec, Volume};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::claims::claim_name;
use crate::resolve::Desired;
use crate::world::{POD_INDEX_LABEL, POD_NAME_LABEL, REVISION_LABEL, label};

/// Labels that give a Pod its identity.
pub fn identity_labels(desired: &Desired, ordinal: i32) -> [(String, String); 2] {
    [
        (POD_NAME_LABEL.to_owned(), desired.pod_name(ordinal)),
        (POD_INDEX_LABEL.to_owned(), ordinal.to_string()),
    ]
}

/// Whether a Pod carries the labels of its identity.
pub fn has_identity(desired: &Desired, ordinal: i32, meta: &ObjectMeta) -> bool {
    identity_labels(desired, ordinal)
        .iter()
        .all(|(key, value)| label(meta, key) == Some(value.as_str()))
}

/// The Pod of this ordinal, made from this revision's template. Placement is added by `placement`.
pub fn pod(desired: &Desired, ordinal: i32, revision: &str, template: &PodTemplateSpec) -> Pod {
    let from = template.metadata.clone().unwrap_or_default();
    let mut labels = from.labels.unwrap_or_default();
    labels.extend(identity_labels(desired, ordinal));
    labels.insert(REVISION_LABEL.to_owned(), revision.to_owned());
    let mut annotations = from.annotations.unwrap_or_default();
    let policy = desired.placement_policy.clone().unwrap_or_default();
    annotations.insert(PLACEMENT_POLICY.to_owned(), policy);
    let name = desired.pod_name(ordinal);
    let mut spec = template.spec.clone().unwrap_or_default();
    spec.hostname = Some(name.clone());
    spec.subdomain = (!desired.service_name.is_empty()).then(|| desired.service_name.clone());
    spec.volumes = with_claims(desired, ordinal, spec.volumes);
    Pod {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(desired.namespace.clone()),
            labels: Some(labels),
            annotations: Some(annotations),
            finalizers: from.finalizers,
            owner_references: Some(vec![desired.controller_reference()]),
            ..ObjectMeta::default()
        },
        spec: Some(spec),
        status: None,
    }
}

/// The ordinal's claims as volumes; a volume of the template with a claim's name gives way to the claim.
fn with_claims(desired: &Desired, ordinal: i32, volumes: Option<Vec<Volume>>) -> Option<Vec<Volume>> {
    let mut all: Vec<Volume> = desired
        .claim_templates
        .iter()
        .filter_map(|claim| claim.metadata.name.as_deref())
        .map(|template| Volume {
            name: template.to_owned(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: claim_name(desired, template, ordinal),
                read_only: None,
            }),
            ..Volume::default()
        })
        .collect();
    let others: Vec<Volume> = volumes
        .into_iter()
        .flatten()
        .filter(|v| all.iter().all(|claim| claim.name != v.name))
        .collect();
    all.extend(others);
    (!all.is_empty()).then_some(all)
}
