//! PodDisruptionBudget: how many members a drain may evict at once.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::labels;
use crate::resolved::Resolved;

/// None for a single member: it could never be evicted without downtime, and a budget would only block drains.
pub(crate) fn pod_disruption_budget(resolved: &Resolved) -> Option<PodDisruptionBudget> {
    resolved.has_standbys().then(|| PodDisruptionBudget {
        metadata: labels::child(resolved, &resolved.name),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(max_unavailable(resolved.replicas))),
            selector: Some(LabelSelector {
                match_labels: Some(resolved.selector()),
                ..LabelSelector::default()
            }),
            ..PodDisruptionBudgetSpec::default()
        }),
        status: None,
    })
}

/// A minority of the members, but at least one (KubeDB's rule).
fn max_unavailable(replicas: i32) -> i32 {
    ((replicas - 1) / 2).max(1)
}

#[cfg(test)]
mod tests {
    use super::max_unavailable;

    #[test]
    fn a_majority_stays() {
        let allowed: Vec<i32> = (2..=5).map(max_unavailable).collect();
        assert_eq!(allowed, [1, 1, 1, 2]);
    }
}
