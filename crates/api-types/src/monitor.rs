//! `spec.monitor`: the metrics exporter and who scrapes it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{EnvVar, ResourceRequirements, SecurityContext};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Metrics exporter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Monitor {
    /// The scraper: `prometheus.io/operator` (a ServiceMonitor is made), `prometheus.io/builtin` (the Service is
    /// annotated), or `prometheus.io`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["prometheus.io/operator", "prometheus.io", "prometheus.io/builtin"]))]
    pub agent: Option<String>,
    /// The exporter's container and the ServiceMonitor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<Prometheus>,
}

/// The exporter's container and the ServiceMonitor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Prometheus {
    /// The exporter's container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exporter: Option<PrometheusExporter>,
    /// The ServiceMonitor, for the agent `prometheus.io/operator`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_monitor: Option<ServiceMonitor>,
}

/// The exporter's container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PrometheusExporter {
    /// TCP port of the metrics. Default 56790.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = 56790))]
    pub port: Option<i32>,
    /// Additional arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Additional environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Resources of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Security context of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<SecurityContext>,
}

/// The ServiceMonitor that Prometheus' operator reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceMonitor {
    /// Labels by which a Prometheus selects it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Time between two scrapes, for example `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Labels of the Service that are copied to the metrics.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_labels: Vec<String>,
    /// Labels of the Pods that are copied to the metrics.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pod_target_labels: Vec<String>,
    /// Endpoints in the form of `monitoring.coreos.com/v1 ServiceMonitor`, kept unchanged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema_parts::any_objects")]
    pub endpoints: Vec<serde_json::Value>,
}
