//! `PlacementPolicy`, `apps.k8s.appscode.com/v1`: how the Pods of a PetSet spread over nodes and zones.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How Pods spread.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "apps.k8s.appscode.com",
    version = "v1",
    kind = "PlacementPolicy",
    doc = "How the Pods of a PetSet spread over nodes and zones.",
    plural = "placementpolicies",
    singular = "placementpolicy",
    derive = "PartialEq",
    derive = "Default"
)]
#[serde(rename_all = "camelCase")]
pub struct PlacementPolicySpec {
    /// Spread over `topology.kubernetes.io/zone`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone_spread_constraint: Option<SpreadConstraint>,
    /// Spread over `kubernetes.io/hostname`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_spread_constraint: Option<SpreadConstraint>,
    /// Preferred or required nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<PlacementAffinity>,
    /// Spread over several clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_spread_constraint: Option<ClusterSpreadConstraint>,
}

/// How uneven a spread may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpreadConstraint {
    /// Largest difference between two domains. Default 1.
    #[serde(default = "one")]
    pub max_skew: i32,
    /// `DoNotSchedule` or `ScheduleAnyway`. Default `DoNotSchedule`.
    #[serde(default)]
    pub when_unsatisfiable: WhenUnsatisfiable,
}

/// What happens to a Pod that would break a constraint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WhenUnsatisfiable {
    /// It stays pending.
    #[default]
    DoNotSchedule,
    /// It is placed anyway.
    ScheduleAnyway,
}

/// Preferred or required nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlacementAffinity {
    /// Rules by node label.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub node_affinity: Vec<NodeAffinityRule>,
}

/// One rule by node label.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeAffinityRule {
    /// Node label key.
    pub topology_key: String,
    /// Values and how many Pods each gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<AffinityDomain>,
    /// `DoNotSchedule` (required) or `ScheduleAnyway` (preferred). Default `DoNotSchedule`.
    #[serde(default)]
    pub when_unsatisfiable: WhenUnsatisfiable,
    /// Weight of a preference. Default 50.
    #[serde(default = "fifty")]
    pub weight: i32,
}

/// Node label values and how many Pods they get.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AffinityDomain {
    /// Node label values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
    /// Number of Pods as a string, or empty for the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<String>,
}

/// Spread over several clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpreadConstraint {
    /// Which ordinals run where.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distribution_rules: Vec<DistributionRule>,
    /// Network that joins the clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<SliceRef>,
    /// Failover between data centres; kept, and not supported by Sealwright.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover_policy: Option<FailoverPolicy>,
}

/// Failover between data centres.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FailoverPolicy {
    /// `TwoDC` or `ThreeDC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// What decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<FailoverTrigger>,
}

/// What decides a failover between data centres.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FailoverTrigger {
    /// `Global` or `Group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Name of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// Which ordinals run in a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DistributionRule {
    /// The cluster.
    pub cluster_name: String,
    /// Ordinals.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replica_indices: Vec<i32>,
    /// `Member`, `Witness` or `Arbiter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// Storage class there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<String>,
    /// Monitoring there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema_parts::any_object")]
    pub monitoring: Option<serde_json::Value>,
}

/// Network that joins clusters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SliceRef {
    /// Namespace of the project.
    pub project_namespace: String,
    /// Name of the slice.
    pub slice_name: String,
}

fn one() -> i32 {
    1
}

fn fifty() -> i32 {
    50
}
