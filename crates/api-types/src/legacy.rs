//! Fields of `kubedb.com/v1alpha2` that have another place in `v1`.
//!
//! Both versions are served with one schema and no conversion webhook (a webhook that is down would make every Postgres
//! unreadable), so an object that was written as `v1alpha2` keeps its fields, and code that acts on a spec first moves
//! them with [`PostgresSpec::upgraded`].

use k8s_openapi::api::core::v1::{Container, ResourceRequirements, SecurityContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pod_template::PodSpec;
use crate::postgres::{DeletionPolicy, PostgresSpec};
use crate::vocabulary::POSTGRES_CONTAINER;

/// KubeDB's coordinator container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Coordinator {
    /// Resources of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Security context of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<SecurityContext>,
}

impl PostgresSpec {
    /// What is deleted together with the Postgres, in either spelling; `None` when neither is set.
    pub fn policy_of_deletion(&self) -> Option<DeletionPolicy> {
        self.deletion_policy.or(self.termination_policy)
    }

    /// The same spec in the fields of `v1`: `terminationPolicy` becomes `deletionPolicy`, and what `v1alpha2` has about
    /// the container `postgres` at the level of the Pod goes to `containers[]`, where existing values win. A spec that
    /// has no `v1alpha2` field is returned unchanged.
    pub fn upgraded(&self) -> Self {
        let mut spec = self.clone();
        spec.deletion_policy = spec.policy_of_deletion();
        spec.termination_policy = None;
        spec.coordinator = None;
        if let Some(pod) = spec.pod_template.as_mut().and_then(|t| t.spec.as_mut()) {
            upgrade_pod(pod);
        }
        spec
    }
}

fn upgrade_pod(pod: &mut PodSpec) {
    let from_pod = Container {
        args: some(std::mem::take(&mut pod.args)),
        env: some(std::mem::take(&mut pod.env)),
        resources: pod.resources.take(),
        security_context: pod.container_security_context.take(),
        lifecycle: pod.lifecycle.take(),
        liveness_probe: pod.liveness_probe.take(),
        readiness_probe: pod.readiness_probe.take(),
        volume_mounts: some(std::mem::take(&mut pod.volume_mounts)),
        ..Container::default()
    };
    if from_pod == Container::default() {
        return;
    }
    let at = match pod.containers.iter().position(|c| c.name == POSTGRES_CONTAINER) {
        Some(at) => at,
        None => {
            pod.containers.push(Container {
                name: POSTGRES_CONTAINER.to_owned(),
                ..Container::default()
            });
            pod.containers.len() - 1
        }
    };
    let container = &mut pod.containers[at];
    container.args = container.args.take().or(from_pod.args);
    container.env = container.env.take().or(from_pod.env);
    container.resources = container.resources.take().or(from_pod.resources);
    container.security_context = container.security_context.take().or(from_pod.security_context);
    container.lifecycle = container.lifecycle.take().or(from_pod.lifecycle);
    container.liveness_probe = container.liveness_probe.take().or(from_pod.liveness_probe);
    container.readiness_probe = container.readiness_probe.take().or(from_pod.readiness_probe);
    container.volume_mounts = container.volume_mounts.take().or(from_pod.volume_mounts);
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(yaml: &str) -> PostgresSpec {
        serde_yaml::from_str(yaml).expect("a spec")
    }

    #[test]
    fn termination_policy_is_the_deletion_policy() {
        let spec = parsed("{version: '17.4', terminationPolicy: WipeOut}").upgraded();
        assert_eq!(spec.deletion_policy, Some(DeletionPolicy::WipeOut));
        assert_eq!(spec.termination_policy, None);
    }

    #[test]
    fn what_v1_says_wins() {
        let spec = parsed("{version: '17.4', deletionPolicy: Halt, terminationPolicy: WipeOut}").upgraded();
        assert_eq!(spec.deletion_policy, Some(DeletionPolicy::Halt));
    }

    #[test]
    fn fields_of_the_pod_go_to_the_container() {
        let old = parsed(
            "{version: '17.4', podTemplate: {spec: {env: [{name: A, value: b}], resources: {limits: {cpu: 1}}, \
             containers: [{name: postgres, resources: {limits: {cpu: 2}}}]}}}",
        );
        let new = parsed(
            "{version: '17.4', podTemplate: {spec: {containers: [{name: postgres, env: [{name: A, value: b}], \
             resources: {limits: {cpu: 2}}}]}}}",
        );
        assert_eq!(old.upgraded(), new);
    }

    #[test]
    fn a_v1_spec_stays_as_it_is() {
        let spec = parsed("{version: '17.4', podTemplate: {spec: {nodeSelector: {disk: ssd}}}}");
        assert_eq!(spec.upgraded(), spec);
    }
}
