//! What a `VerticalScaling` changes into what.

use k8s_openapi::api::core::v1::{Container, ResourceRequirements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::monitor::PrometheusExporter;
use crate::postgres::PostgresSpec;
use crate::vocabulary::POSTGRES_CONTAINER;

/// The word of `verticalScaling.mode` for a change without a restart.
pub const MODE_IN_PLACE: &str = "InPlace";
/// The word of `verticalScaling.mode` for a change by restarts.
pub const MODE_RESTART: &str = "Restart";

/// What a `VerticalScaling` changes, fixed when it begins. Not part of KubeDB's API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourcesPlan {
    /// The resources in the spec when the operation began.
    #[serde(default)]
    pub found: ResourceSettings,
    /// The resources that it is to have.
    #[serde(default)]
    pub after: ResourceSettings,
    /// Whether the containers get them while they run. Default `false`.
    #[serde(default, skip_serializing_if = "crate::ops_status::is_false")]
    pub in_place: bool,
    /// Why they do not, although the request requires it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_in_place: Option<String>,
}

/// The fields of `Postgres.spec` that a `VerticalScaling` may change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceSettings {
    /// `spec.podTemplate.spec.containers[postgres].resources`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postgres: Option<ResourceRequirements>,
    /// `spec.monitor.prometheus.exporter.resources`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exporter: Option<ResourceRequirements>,
}

impl ResourceSettings {
    /// The resources of a spec; those of `v1alpha2`, which stand at the level of the Pod, too.
    pub fn of(spec: &PostgresSpec) -> Self {
        let spec = spec.upgraded();
        let pod = spec
            .pod_template
            .as_ref()
            .and_then(|template| template.spec.as_ref());
        let mut containers = pod.into_iter().flat_map(|pod| &pod.containers);
        let postgres = containers.find(|container| container.name == POSTGRES_CONTAINER);
        let exporter = spec
            .monitor
            .as_ref()
            .and_then(|monitor| monitor.prometheus.as_ref()?.exporter.as_ref());
        Self {
            postgres: postgres.and_then(|container| container.resources.clone()),
            exporter: exporter.and_then(|exporter| exporter.resources.clone()),
        }
    }

    /// Writes them into a spec. Where nothing is to be written, nothing is made for it.
    pub fn write(&self, spec: &mut PostgresSpec) {
        let now = Self::of(spec);
        if now.postgres != self.postgres {
            write_postgres(spec, self.postgres.clone());
        }
        if now.exporter != self.exporter
            && let Some(monitor) = spec.monitor.as_mut()
        {
            let exporter: &mut PrometheusExporter = monitor
                .prometheus
                .get_or_insert_default()
                .exporter
                .get_or_insert_default();
            exporter.resources.clone_from(&self.exporter);
        }
    }
}

fn write_postgres(spec: &mut PostgresSpec, resources: Option<ResourceRequirements>) {
    let pod = spec
        .pod_template
        .get_or_insert_default()
        .spec
        .get_or_insert_default();
    // What `v1alpha2` sets would count where the container sets nothing.
    pod.resources = None;
    match pod.containers.iter_mut().find(|it| it.name == POSTGRES_CONTAINER) {
        Some(container) => container.resources = resources,
        None => pod.containers.push(Container {
            name: POSTGRES_CONTAINER.to_owned(),
            resources,
            ..Container::default()
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(yaml: &str) -> PostgresSpec {
        serde_yaml::from_str(yaml).expect("a spec")
    }

    fn settings(yaml: &str) -> ResourceSettings {
        serde_yaml::from_str(yaml).expect("settings")
    }

    #[test]
    fn resources_are_written_where_they_are_read_and_nothing_else_changes() {
        let wanted = settings("{postgres: {limits: {memory: 2Gi}}, exporter: {limits: {cpu: 1}}}");
        for (before, after) in [
            (
                "{version: '17', monitor: {agent: prometheus.io}}",
                "{version: '17', monitor: {agent: prometheus.io, prometheus: {exporter: {resources: {limits: {cpu: 1}}}}}, \
                 podTemplate: {spec: {containers: [{name: postgres, resources: {limits: {memory: 2Gi}}}]}}}",
            ),
            (
                "{version: '17', monitor: {prometheus: {exporter: {port: 1}}}, podTemplate: {spec: {nodeSelector: {a: b}, \
                 containers: [{name: mine, image: i}, {name: postgres, env: [{name: A, value: b}]}]}}}",
                "{version: '17', monitor: {prometheus: {exporter: {port: 1, resources: {limits: {cpu: 1}}}}}, \
                 podTemplate: {spec: {nodeSelector: {a: b}, containers: [{name: mine, image: i}, {name: postgres, \
                 env: [{name: A, value: b}], resources: {limits: {memory: 2Gi}}}]}}}",
            ),
            (
                "{version: '17', monitor: {}, podTemplate: {spec: {resources: {limits: {memory: 1Gi}}}}}",
                "{version: '17', monitor: {prometheus: {exporter: {resources: {limits: {cpu: 1}}}}}, \
                 podTemplate: {spec: {containers: [{name: postgres, resources: {limits: {memory: 2Gi}}}]}}}",
            ),
        ] {
            let mut written = spec(before);
            wanted.write(&mut written);
            assert_eq!(written, spec(after), "{before}");
            assert_eq!(ResourceSettings::of(&written), wanted, "{before}");
        }
    }

    #[test]
    fn what_is_as_wanted_is_left_as_it_is_written() {
        for text in [
            "{version: '17'}",
            "{version: '17', podTemplate: {spec: {resources: {limits: {memory: 1Gi}}}}}",
            "{version: '17', podTemplate: {spec: {containers: [{name: postgres}]}}}",
        ] {
            let mut written = spec(text);
            ResourceSettings::of(&spec(text)).write(&mut written);
            assert_eq!(written, spec(text));
        }
    }

    #[test]
    fn a_database_without_a_monitor_gets_none() {
        let mut written = spec("{version: '17'}");
        settings("{exporter: {limits: {cpu: 1}}}").write(&mut written);
        assert_eq!(written, spec("{version: '17'}"));
    }
}
