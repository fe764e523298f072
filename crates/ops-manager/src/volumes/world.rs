//! What was observed of the members' volumes: claims, their StorageClasses, quotas, and what members themselves see.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::step::{Progress, StepResult};
use crate::world::{Observed, World};

/// A volume claim of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Its name.
    pub name: String,
    /// It is being deleted: its volume goes when the member's Pod ends.
    pub is_terminating: bool,
    /// Its StorageClass; none for a volume that nothing makes.
    pub class: Option<String>,
    /// Bytes that it requests.
    pub requested: Option<i64>,
    /// Bytes that its volume has, as the storage driver and kubelet report.
    pub capacity: Option<i64>,
    /// How far a change of its size is.
    pub resize: Resize,
    /// Until when an operation keeps the Pod of this claim away, as noted on it.
    pub no_pod_until: Option<Timestamp>,
}

impl Claim {
    /// Whether no Pod is made of it now.
    pub fn is_withheld(&self, now: Timestamp) -> bool {
        self.no_pod_until.is_some_and(|until| until > now)
    }
}

/// How far the change of a claim's size is (`status` of the claim).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resize {
    /// The volume is larger; the file system is kubelet's to enlarge.
    pub waits_for_node: bool,
    /// Bytes of the last request to the driver.
    pub attempted: Option<i64>,
    /// The driver, or kubelet, will not do that.
    pub is_refused: bool,
    /// The driver's message.
    pub message: Option<String>,
}

/// What operations on volumes observe besides the claims.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VolumesWorld {
    /// Whether volumes of a StorageClass can grow, by its name.
    pub classes: BTreeMap<String, Observed<bool>>,
    /// The namespace's quotas.
    pub quotas: Observed<Vec<Quota>>,
    /// What the members' Pods report, by Pod name; absent when they were not asked for.
    pub members: Observed<BTreeMap<String, MemberVolume>>,
}

impl VolumesWorld {
    /// With what the members' Pods report.
    pub fn with_members(mut self, members: Observed<BTreeMap<String, MemberVolume>>) -> Self {
        self.members = members;
        self
    }
}

/// A ResourceQuota of the namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Its name.
    pub name: String,
    /// Bytes that may be requested and that are, by resource (`requests.storage` and those of classes).
    pub storage: BTreeMap<String, (i64, i64)>,
}

/// A member's volume, as its Pod reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemberVolume {
    /// UID of the Pod.
    pub uid: String,
    /// Bytes of the file system as the member itself sees it; none before it has reported them.
    pub bytes: Option<i64>,
    /// The size for which kubelet was last woken.
    pub looked_for: Option<String>,
}

/// The volumes of this world.
///
/// # Errors
/// [`Progress::Impossible`] when the request type does not read them: a bug, and no reason to take them for absent.
pub fn of(world: &World) -> StepResult<&VolumesWorld> {
    world.volumes.as_ref().ok_or_else(|| {
        Progress::Impossible("volumes were not read for this type of request; this is a bug".into())
    })
}
