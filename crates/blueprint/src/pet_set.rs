//! The PetSet: the members.

use std::collections::BTreeMap;

use api_types::PetSet;
use api_types::names;
use api_types::ops_request::TlsSettings;
use api_types::petset::{PetSetSpec, PetSetUpdateStrategy, PodManagementPolicy, UpdateStrategyType};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use crate::deployment_tools::inheritable_annotations;
use crate::resolved::Resolved;
use crate::{labels, pod, volumes};

/// Annotation of the PetSet: the [`TlsSettings`] that the members follow, in JSON. An edited spec has others, until a
/// request carries the edit out.
const TLS_SETTINGS: &str = "kubedb.com/tls-settings";

/// The TLS settings that the members of a live PetSet follow; none when it was made before they were written down.
pub fn effective_settings(pet_set: &ObjectMeta) -> Option<TlsSettings> {
    serde_json::from_str(pet_set.annotations.as_ref()?.get(TLS_SETTINGS)?).ok()
}

fn annotations(resolved: &Resolved) -> BTreeMap<String, String> {
    let mut all = inheritable_annotations(&resolved.pod.controller.annotations);
    let settings = serde_json::to_string(&resolved.tls_settings).unwrap_or_default();
    all.insert(TLS_SETTINGS.to_owned(), settings);
    all
}

pub(crate) fn pet_set(resolved: &Resolved) -> PetSet {
    let user = &resolved.pod.controller;
    let mut metadata = labels::child(resolved, &resolved.name);
    let mut all = labels::inheritable(&user.labels);
    all.extend(resolved.labels());
    metadata.labels = Some(all);
    metadata.annotations = Some(annotations(resolved));
    PetSet {
        metadata,
        spec: PetSetSpec {
            replicas: Some(resolved.replicas),
            selector: LabelSelector {
                match_labels: Some(resolved.selector()),
                ..LabelSelector::default()
            },
            template: pod::template(resolved),
            volume_claim_templates: volumes::claim_templates(resolved),
            service_name: names::governing_service(&resolved.name),
            // All members at once: Patroni elects the first primary, so no order is needed.
            pod_management_policy: Some(PodManagementPolicy::Parallel),
            // Only an operation knows when which member may go.
            update_strategy: Some(PetSetUpdateStrategy {
                type_: Some(UpdateStrategyType::OnDelete),
                rolling_update: None,
            }),
            pod_placement_policy: resolved.pod.spec.pod_placement_policy.clone(),
            ..PetSetSpec::default()
        },
        status: None,
    }
}
