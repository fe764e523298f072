//! A PlacementPolicy turned into the scheduling fields of one Pod. A setting of the template for the same topology
//! wins: it is nearer to the user.

use api_types::placement::{
    AffinityDomain, NodeAffinityRule, PlacementPolicySpec, SpreadConstraint, WhenUnsatisfiable,
};
use cel::{Context, Program, Value};
use k8s_openapi::api::core::v1::{
    Affinity, NodeSelectorRequirement, NodeSelectorTerm, Pod, PodAffinityTerm, PodSpec,
    PreferredSchedulingTerm, TopologySpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use sha2::{Digest, Sha256};

use crate::resolve::Desired;

/// Node label of the zone.
const ZONE: &str = "topology.kubernetes.io/zone";
/// Node label of the node itself.
const NODE: &str = "kubernetes.io/hostname";

/// A policy that can't be applied to a Pod, and what to change.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unplaceable {
    /// No domain is left for an ordinal.
    #[error(
        "PlacementPolicy has no domain of {key} left for Pod {pod}: raise a domain's replicas, or leave them empty \
         in the last domain to take the rest"
    )]
    NoDomain {
        /// Node label of the rule.
        key: String,
        /// The Pod.
        pod: String,
    },
    /// `replicas` of a domain is not a number.
    #[error(
        "PlacementPolicy has a domain of {key} with replicas {text:?}: {why}; write a number, or a CEL expression \
         over obj (the PetSet) that gives a whole number"
    )]
    Replicas {
        /// Node label of the rule.
        key: String,
        /// The text.
        text: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Annotation of a Pod: hash of what a PlacementPolicy has made of its template.
pub const PLACEMENT_HASH: &str = "apps.k8s.appscode.com/placement-hash";
/// Characters of a hash.
const HASH: usize = 16;

/// Applies the policy to the Pod of an ordinal, and leaves in an annotation what came of it.
///
/// # Errors
/// [`Unplaceable`], with what to change in the policy.
pub fn place(
    desired: &Desired,
    ordinal: i32,
    policy: &PlacementPolicySpec,
    pod: &mut Pod,
) -> Result<(), Unplaceable> {
    let spec = pod.spec.get_or_insert_default();
    schedule(desired, ordinal, policy, spec)?;
    let parts = serde_json::to_vec(&(&spec.affinity, &spec.topology_spread_constraints))
        .expect("scheduling fields are plain data");
    let hash = hex::encode(Sha256::digest(parts)).chars().take(HASH).collect();
    let annotations = pod.metadata.annotations.get_or_insert_default();
    annotations.insert(PLACEMENT_HASH.to_owned(), hash);
    Ok(())
}

/// Whether a Pod is placed as this one, which was built just now, would be. A Pod of an older controller has no record of it.
pub fn is_as_placed(pod: &Pod, built: &Pod) -> bool {
    let hash = |pod: &Pod| pod.metadata.annotations.as_ref()?.get(PLACEMENT_HASH).cloned();
    match hash(pod) {
        None => true,
        there => there == hash(built),
    }
}

fn schedule(
    desired: &Desired,
    ordinal: i32,
    policy: &PlacementPolicySpec,
    spec: &mut PodSpec,
) -> Result<(), Unplaceable> {
    for (key, constraint) in [
        (ZONE, &policy.zone_spread_constraint),
        (NODE, &policy.node_spread_constraint),
    ] {
        if let Some(constraint) = constraint {
            spread(desired, key, constraint, spec);
        }
    }
    if policy
        .node_spread_constraint
        .as_ref()
        .is_some_and(|c| c.when_unsatisfiable == WhenUnsatisfiable::DoNotSchedule)
    {
        keep_apart(desired, spec);
    }
    let rules = policy.affinity.iter().flat_map(|a| &a.node_affinity);
    let mut required = Vec::new();
    for rule in rules {
        let requirement = requirement(desired, ordinal, rule)?;
        match rule.when_unsatisfiable {
            WhenUnsatisfiable::DoNotSchedule => required.push(requirement),
            WhenUnsatisfiable::ScheduleAnyway => prefer(rule.weight, requirement, spec),
        }
    }
    require(required, spec);
    Ok(())
}

fn pods_of(desired: &Desired) -> LabelSelector {
    LabelSelector {
        match_labels: desired.template.metadata.as_ref().and_then(|m| m.labels.clone()),
        match_expressions: None,
    }
}

fn spread(desired: &Desired, key: &str, wanted: &SpreadConstraint, spec: &mut PodSpec) {
    let all = spec.topology_spread_constraints.get_or_insert_default();
    if all.iter().any(|c| c.topology_key == key) {
        return;
    }
    all.push(TopologySpreadConstraint {
        topology_key: key.to_owned(),
        max_skew: wanted.max_skew,
        when_unsatisfiable: match wanted.when_unsatisfiable {
            WhenUnsatisfiable::DoNotSchedule => "DoNotSchedule",
            WhenUnsatisfiable::ScheduleAnyway => "ScheduleAnyway",
        }
        .to_owned(),
        label_selector: Some(pods_of(desired)),
        ..TopologySpreadConstraint::default()
    });
}

/// Two Pods never share a node: a spread alone would allow it once every node has one.
fn keep_apart(desired: &Desired, spec: &mut PodSpec) {
    let terms = affinity(spec)
        .pod_anti_affinity
        .get_or_insert_default()
        .required_during_scheduling_ignored_during_execution
        .get_or_insert_default();
    if terms.iter().all(|term| term.topology_key != NODE) {
        terms.push(PodAffinityTerm {
            topology_key: NODE.to_owned(),
            label_selector: Some(pods_of(desired)),
            ..PodAffinityTerm::default()
        });
    }
}

fn affinity(spec: &mut PodSpec) -> &mut Affinity {
    spec.affinity.get_or_insert_default()
}

fn prefer(weight: i32, requirement: NodeSelectorRequirement, spec: &mut PodSpec) {
    let terms = affinity(spec)
        .node_affinity
        .get_or_insert_default()
        .preferred_during_scheduling_ignored_during_execution
        .get_or_insert_default();
    terms.push(PreferredSchedulingTerm {
        weight,
        preference: NodeSelectorTerm {
            match_expressions: Some(vec![requirement]),
            ..NodeSelectorTerm::default()
        },
    });
}

/// Adds requirements to every term of the template: terms are alternatives, requirements within one hold together.
fn require(requirements: Vec<NodeSelectorRequirement>, spec: &mut PodSpec) {
    if requirements.is_empty() {
        return;
    }
    let terms = &mut affinity(spec)
        .node_affinity
        .get_or_insert_default()
        .required_during_scheduling_ignored_during_execution
        .get_or_insert_default()
        .node_selector_terms;
    if terms.is_empty() {
        terms.push(NodeSelectorTerm::default());
    }
    for term in terms {
        term.match_expressions
            .get_or_insert_default()
            .extend(requirements.clone());
    }
}

fn requirement(
    desired: &Desired,
    ordinal: i32,
    rule: &NodeAffinityRule,
) -> Result<NodeSelectorRequirement, Unplaceable> {
    let domain = domain(desired, ordinal, rule)?;
    Ok(NodeSelectorRequirement {
        key: rule.topology_key.clone(),
        operator: "In".to_owned(),
        values: Some(domain.values.clone()),
    })
}

/// The domain of an ordinal: the first domain takes the first Pods, and so on; a domain without replicas takes the
/// rest. Counting ordinals, not living Pods, gives a replaced Pod the domain that it had.
fn domain<'a>(
    desired: &Desired,
    ordinal: i32,
    rule: &'a NodeAffinityRule,
) -> Result<&'a AffinityDomain, Unplaceable> {
    let mut index = i64::from(ordinal - desired.start);
    for domain in &rule.domains {
        let Some(room) = room(desired, rule, domain)? else {
            return Ok(domain);
        };
        if index < room {
            return Ok(domain);
        }
        index -= room.max(0);
    }
    Err(Unplaceable::NoDomain {
        key: rule.topology_key.clone(),
        pod: desired.pod_name(ordinal),
    })
}

/// How many Pods a domain takes; `None` for all that are left.
fn room(
    desired: &Desired,
    rule: &NodeAffinityRule,
    domain: &AffinityDomain,
) -> Result<Option<i64>, Unplaceable> {
    let text = domain.replicas.as_deref().map(str::trim).unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    if let Ok(number) = text.parse() {
        return Ok(Some(number));
    }
    evaluate(text, &desired.object)
        .map(Some)
        .map_err(|why| Unplaceable::Replicas {
            key: rule.topology_key.clone(),
            text: text.to_owned(),
            why,
        })
}

fn evaluate(expression: &str, object: &serde_json::Value) -> Result<i64, String> {
    let program = Program::compile(expression).map_err(|e| e.to_string())?;
    let mut context = Context::default();
    context
        .add_variable("obj", whole_numbers(object))
        .map_err(|e| e.to_string())?;
    match program.execute(&context).map_err(|e| e.to_string())? {
        Value::Int(number) => Ok(number),
        Value::UInt(number) => i64::try_from(number).map_err(|e| e.to_string()),
        other => Err(format!("gives a {:?}", other.type_of())),
    }
}

/// JSON in the types of CEL: every whole number is CEL's `int`, so that `obj.spec.replicas - 1` works as written.
fn whole_numbers(value: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => n
            .as_i64()
            .map_or_else(|| Value::Float(n.as_f64().unwrap_or_default()), Value::Int),
        Json::String(s) => Value::String(s.clone().into()),
        Json::Array(items) => Value::List(items.iter().map(whole_numbers).collect::<Vec<_>>().into()),
        Json::Object(fields) => {
            let map: std::collections::HashMap<String, Value> = fields
                .iter()
                .map(|(key, value)| (key.clone(), whole_numbers(value)))
                .collect();
            Value::Map(map.into())
        }
    }
}
