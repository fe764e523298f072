//! What an operation can do to volumes.

use std::fmt;

/// One write. Doing it twice is as good as doing it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeEffect {
    /// Set this size as the claim's request.
    Resize {
        /// The claim.
        claim: String,
        /// The size, as Kubernetes writes it.
        size: String,
    },
    /// Make kubelet check at once whether the volume of this Pod has grown.
    WakeKubelet {
        /// The Pod.
        pod: String,
        /// Its UID.
        uid: String,
        /// The size that kubelet checks for.
        size: String,
    },
}

impl VolumeEffect {
    /// Whether it may be done at the same time as the next one: members' volumes do not depend on each other.
    pub fn goes_beside(&self, next: &Self) -> bool {
        matches!(
            (self, next),
            (Self::Resize { .. }, Self::Resize { .. }) | (Self::WakeKubelet { .. }, Self::WakeKubelet { .. })
        )
    }
}

impl fmt::Display for VolumeEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resize { claim, size } => write!(f, "ask for {size} in PersistentVolumeClaim {claim}"),
            Self::WakeKubelet { pod, .. } => write!(f, "let kubelet look at the volume of {pod}"),
        }
    }
}
