//! From the wire to a domain type: a `PetSet` with every default filled in, or the reason why it can't be acted on.

use std::collections::BTreeMap;
use std::ops::Range;

use api_types::PetSet;
use api_types::petset::{ClaimRetention, PetSetSpec, PodManagementPolicy, UpdateStrategyType};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::Resource;
use kube::core::{Selector, SelectorExt};

/// The user's settings, without Options where a default exists.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Name of the PetSet; first part of every Pod's name.
    pub name: String,
    /// Namespace of the PetSet and all it owns.
    pub namespace: String,
    /// UID of the PetSet: ownership is decided by it, never by the name.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: Option<i64>,
    /// Whether the PetSet is being deleted.
    pub deleting: bool,
    /// Number of Pods.
    pub replicas: i32,
    /// First ordinal.
    pub start: i32,
    /// Selects the Pods.
    pub selector: Selector,
    /// The selector's `matchLabels`: claims and revisions carry them.
    pub match_labels: BTreeMap<String, String>,
    /// One after another, or all at once.
    pub order: PodManagementPolicy,
    /// How Pods follow the template.
    pub strategy: Strategy,
    /// Seconds that a Pod must be ready to be available.
    pub min_ready_seconds: i32,
    /// Old revisions that are kept.
    pub history_limit: usize,
    /// Whether claims are deleted with the PetSet.
    pub when_deleted: ClaimRetention,
    /// Whether claims are deleted when the PetSet is scaled down.
    pub when_scaled: ClaimRetention,
    /// The Pod of every ordinal.
    pub template: PodTemplateSpec,
    /// The claims of every ordinal; each has a name.
    pub claim_templates: Vec<PersistentVolumeClaim>,
    /// The governing Service.
    pub service_name: String,
    /// Name of the PlacementPolicy, if any.
    pub placement_policy: Option<String>,
    /// The PetSet as JSON, which CEL expressions of a PlacementPolicy see as `obj`.
    pub object: serde_json::Value,
}

/// How Pods of an old revision are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// When another client deletes them.
    OnDelete,
    /// The controller, from the highest ordinal down.
    Rolling {
        /// Ordinals below `start + partition` keep their revision.
        partition: i32,
        /// Pods that may be unavailable at once; at least 1.
        max_unavailable: usize,
    },
}

/// A field that can't be acted on, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Invalid {
    /// Path of the field.
    pub field: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl Invalid {
    fn new(field: &str, message: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            message: message.into(),
        }
    }
}

impl Desired {
    /// The ordinals that must have a Pod.
    pub fn ordinals(&self) -> Range<i32> {
        self.start..self.start.saturating_add(self.replicas)
    }

    /// Name of an ordinal's Pod: `<petset>-<ordinal>`.
    pub fn pod_name(&self, ordinal: i32) -> String {
        format!("{}-{ordinal}", self.name)
    }

    /// The ordinal of a Pod's name; `None` when the name is not one that we would give.
    pub fn ordinal_of(&self, pod_name: &str) -> Option<i32> {
        let ordinal = pod_name
            .strip_prefix(self.name.as_str())?
            .strip_prefix('-')?
            .parse()
            .ok()?;
        (ordinal >= 0 && self.pod_name(ordinal) == pod_name).then_some(ordinal)
    }

    /// Whether the selector selects these labels.
    pub fn selects(&self, labels: Option<&BTreeMap<String, String>>) -> bool {
        labels.is_some_and(|labels| self.selector.matches(labels))
    }

    /// The reference by which the PetSet owns Pods and revisions.
    pub fn controller_reference(&self) -> OwnerReference {
        OwnerReference {
            controller: Some(true),
            block_owner_deletion: Some(true),
            ..self.owner_reference()
        }
    }

    /// The reference by which claims follow the PetSet. Group and kind are constants, not read from the object:
    /// an object from a list carries no type.
    pub fn owner_reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: PetSet::api_version(&()).into_owned(),
            kind: PetSet::kind(&()).into_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: None,
            block_owner_deletion: None,
        }
    }
}

/// Fills in defaults and checks what the CRD's schema can't.
pub fn resolve(pet_set: &PetSet) -> Result<Desired, Invalid> {
    let spec = &pet_set.spec;
    let meta = &pet_set.metadata;
    let replicas = non_negative("spec.replicas", spec.replicas.unwrap_or(1))?;
    let retention = spec
        .persistent_volume_claim_retention_policy
        .clone()
        .unwrap_or_default();
    if spec.distributed == Some(true) {
        return Err(Invalid::new(
            "spec.distributed",
            "Pods in several clusters are not supported; take the field away to run all Pods in this cluster",
        ));
    }
    Ok(Desired {
        name: meta.name.clone().unwrap_or_default(),
        namespace: meta.namespace.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        generation: meta.generation,
        deleting: meta.deletion_timestamp.is_some(),
        replicas,
        start: non_negative(
            "spec.ordinals.start",
            spec.ordinals.as_ref().map_or(0, |o| o.start),
        )?,
        selector: selector(spec)?,
        match_labels: spec.selector.match_labels.clone().unwrap_or_default(),
        order: spec.pod_management_policy.unwrap_or_default(),
        strategy: strategy(spec, replicas)?,
        min_ready_seconds: non_negative("spec.minReadySeconds", spec.min_ready_seconds.unwrap_or(0))?,
        history_limit: non_negative(
            "spec.revisionHistoryLimit",
            spec.revision_history_limit.unwrap_or(10),
        )? as usize,
        when_deleted: retention.when_deleted.unwrap_or_default(),
        when_scaled: retention.when_scaled.unwrap_or_default(),
        template: spec.template.clone(),
        claim_templates: claim_templates(spec)?,
        service_name: spec.service_name.clone(),
        placement_policy: spec
            .pod_placement_policy
            .as_ref()
            .map(|p| p.name.clone())
            .filter(|name| !name.is_empty()),
        object: as_json(pet_set, replicas)?,
    })
}

fn as_json(pet_set: &PetSet, replicas: i32) -> Result<serde_json::Value, Invalid> {
    let mut object = serde_json::to_value(pet_set).map_err(|e| Invalid::new("spec", e.to_string()))?;
    object["spec"]["replicas"] = replicas.into();
    Ok(object)
}

fn non_negative(field: &str, value: i32) -> Result<i32, Invalid> {
    if value < 0 {
        return Err(Invalid::new(
            field,
            format!("{value} is negative; write 0 or more"),
        ));
    }
    Ok(value)
}

fn selector(spec: &PetSetSpec) -> Result<Selector, Invalid> {
    let selector: Selector = spec
        .selector
        .clone()
        .try_into()
        .map_err(|e| Invalid::new("spec.selector", format!("not a label selector: {e}")))?;
    if selector.selects_all() {
        return Err(Invalid::new(
            "spec.selector",
            "empty, so it selects every Pod; name the template's labels",
        ));
    }
    let labels = spec
        .template
        .metadata
        .as_ref()
        .and_then(|m| m.labels.clone())
        .unwrap_or_default();
    if !selector.matches(&labels) {
        return Err(Invalid::new(
            "spec.template.metadata.labels",
            "not selected by spec.selector; give the template the labels that the selector asks for",
        ));
    }
    Ok(selector)
}

fn strategy(spec: &PetSetSpec, replicas: i32) -> Result<Strategy, Invalid> {
    let wanted = spec.update_strategy.clone().unwrap_or_default();
    if wanted.type_.unwrap_or_default() == UpdateStrategyType::OnDelete {
        return Ok(Strategy::OnDelete);
    }
    let rolling = wanted.rolling_update.unwrap_or_default();
    Ok(Strategy::Rolling {
        partition: non_negative(
            "spec.updateStrategy.rollingUpdate.partition",
            rolling.partition.unwrap_or(0),
        )?,
        max_unavailable: max_unavailable(rolling.max_unavailable.as_ref(), replicas)?,
    })
}

/// A number, or a percentage of `replicas` rounded down; never less than one, or an update could not move.
fn max_unavailable(wanted: Option<&IntOrString>, replicas: i32) -> Result<usize, Invalid> {
    let field = "spec.updateStrategy.rollingUpdate.maxUnavailable";
    let count = match wanted {
        None => 1,
        Some(IntOrString::Int(count)) => non_negative(field, *count)?,
        Some(IntOrString::String(text)) => {
            let percent: i64 = text
                .strip_suffix('%')
                .and_then(|digits| digits.parse().ok())
                .filter(|percent| (0..=100).contains(percent))
                .ok_or_else(|| Invalid::new(field, format!("{text:?} is neither a number nor 0% to 100%")))?;
            (i64::from(replicas) * percent / 100) as i32
        }
    };
    Ok(count.max(1) as usize)
}

fn claim_templates(spec: &PetSetSpec) -> Result<Vec<PersistentVolumeClaim>, Invalid> {
    for (index, claim) in spec.volume_claim_templates.iter().enumerate() {
        if claim.metadata.name.as_deref().unwrap_or_default().is_empty() {
            let field = format!("spec.volumeClaimTemplates[{index}].metadata.name");
            return Err(Invalid::new(&field, "missing; it names the volume and the claim"));
        }
    }
    Ok(spec.volume_claim_templates.clone())
}
