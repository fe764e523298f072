//! The PetSet: the members.

use api_types::PetSet;
use api_types::names;
use api_types::petset::{PetSetSpec, PetSetUpdateStrategy, PodManagementPolicy, UpdateStrategyType};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::resolved::Resolved;
use crate::{labels, pod, volumes};

pub(crate) fn pet_set(resolved: &Resolved) -> PetSet {
    let user = &resolved.pod.controller;
    let mut metadata = labels::child(resolved, &resolved.name);
    let mut all = labels::inheritable(&user.labels);
    all.extend(resolved.labels());
    metadata.labels = Some(all);
    metadata.annotations = Some(user.annotations.clone());
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
