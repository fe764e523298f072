//! What was read from the API server, and plain queries on it.

use std::collections::BTreeMap;

use api_types::petset::PetSetStatus;
use api_types::placement::PlacementPolicySpec;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

/// Pod label with the name of the revision that the Pod was made from.
pub const REVISION_LABEL: &str = "controller-revision-hash";
/// Pod label with the Pod's own name, by which a Service can select one member.
pub const POD_NAME_LABEL: &str = "statefulset.kubernetes.io/pod-name";
/// Pod label with the ordinal.
pub const POD_INDEX_LABEL: &str = "apps.kubernetes.io/pod-index";

/// One consistent observation of everything that a decision needs; every part was read after the PetSet.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The current `PetSet.status`.
    pub status: PetSetStatus,
    /// Pods that the selector selects, and any other Pod that has the name of an ordinal.
    pub pods: Vec<Pod>,
    /// Claims by name: those that the selector selects, and any other with the name of an ordinal's claim.
    pub claims: BTreeMap<String, PersistentVolumeClaim>,
    /// Revisions that the selector selects.
    pub revisions: Vec<ControllerRevision>,
    /// The PlacementPolicy that the PetSet names.
    pub placement: Placement,
    /// What the platform has reported about Pods and claims that do not come up, by their UID.
    pub events: BTreeMap<String, Vec<PlatformEvent>>,
}

/// One Event that another component has published about a Pod or a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformEvent {
    /// One word, for example `ProvisioningFailed`.
    pub reason: String,
    /// The sentence.
    pub message: String,
    /// Whether it is a Warning.
    pub is_warning: bool,
    /// When it was last seen.
    pub at: Timestamp,
}

/// The PlacementPolicy of the PetSet.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Placement {
    /// The PetSet names none.
    #[default]
    None,
    /// The policy with this name does not exist.
    Missing(String),
    /// The policy.
    Policy(Box<PlacementPolicySpec>),
}

/// The owner reference that controls an object.
pub fn controller_of(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references
        .iter()
        .flatten()
        .find(|r| r.controller == Some(true))
}

/// Whether the object is controlled by the owner with this UID.
pub fn is_controlled_by(meta: &ObjectMeta, uid: &str) -> bool {
    controller_of(meta).is_some_and(|r| r.uid == uid)
}

/// Whether the object is being deleted.
pub fn is_terminating(meta: &ObjectMeta) -> bool {
    meta.deletion_timestamp.is_some()
}

/// The Pod's phase when it has run to its end, and will not run again by itself.
pub fn finished_phase(pod: &Pod) -> Option<&str> {
    phase(pod).filter(|phase| matches!(*phase, "Failed" | "Succeeded"))
}

/// A Pod that ends is replaced, but not before it is this old (seconds): one that ends at once, because its node can't
/// run it, would else be made and deleted without pause.
const MIN_AGE_OF_REPLACED_SECONDS: i64 = 10;

/// Seconds until a Pod that ended may be replaced.
pub fn seconds_to_replacement(pod: &Pod, now: Timestamp) -> i64 {
    let Some(created) = &pod.metadata.creation_timestamp else {
        return 0;
    };
    let age = now.as_second() - created.0.as_second();
    (MIN_AGE_OF_REPLACED_SECONDS - age).clamp(0, MIN_AGE_OF_REPLACED_SECONDS)
}

/// Whether the Pod has not been started yet.
pub fn is_pending(pod: &Pod) -> bool {
    phase(pod).is_none_or(|phase| phase == "Pending")
}

/// Seconds since the object was made; 0 when that is not known.
pub fn age(meta: &ObjectMeta, now: Timestamp) -> i64 {
    meta.creation_timestamp
        .as_ref()
        .map_or(0, |created| now.as_second() - created.0.as_second())
}

fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}

/// Since when the Pod has been ready; `None` when it is not, or is not running, or is being deleted.
pub fn ready_since(pod: &Pod) -> Option<Timestamp> {
    if phase(pod) != Some("Running") || is_terminating(&pod.metadata) {
        return None;
    }
    let ready = pod
        .status
        .as_ref()?
        .conditions
        .iter()
        .flatten()
        .find(|c| c.type_ == "Ready")?;
    let since = ready
        .last_transition_time
        .as_ref()
        .map_or(Timestamp::UNIX_EPOCH, |t| t.0);
    (ready.status == "True").then_some(since)
}

/// Seconds until a ready Pod has been ready for `min_ready_seconds`; 0 when it is available, `None` when it is not ready.
pub fn seconds_to_available(pod: &Pod, min_ready_seconds: i32, now: Timestamp) -> Option<i64> {
    let ready_for = now.as_second() - ready_since(pod)?.as_second();
    Some((i64::from(min_ready_seconds) - ready_for).max(0))
}

/// Name of the revision that the Pod was made from; empty when it carries none.
pub fn revision_of(pod: &Pod) -> &str {
    label(&pod.metadata, REVISION_LABEL).unwrap_or_default()
}

/// A label's value.
pub fn label<'a>(meta: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    meta.labels.as_ref()?.get(key).map(String::as_str)
}
