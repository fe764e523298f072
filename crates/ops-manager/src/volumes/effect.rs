//! What an operation can do to volumes.

use std::fmt;

use api_types::no_pod::NoPod;

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
    /// Let the PetSet make no Pod of the claim.
    KeepPodAway {
        /// The claim.
        claim: String,
        /// For whom, and until when.
        note: NoPod,
    },
    /// Let the PetSet make the Pod of the claim again.
    LetPodBack {
        /// The claim.
        claim: String,
    },
    /// Let kubelet look at once whether the volume of this Pod has grown.
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
            (Self::Resize { .. }, Self::Resize { .. })
                | (Self::WakeKubelet { .. }, Self::WakeKubelet { .. })
                | (Self::LetPodBack { .. }, Self::LetPodBack { .. })
        )
    }
}

impl fmt::Display for VolumeEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Resize { claim, size } => write!(f, "ask for {size} in PersistentVolumeClaim {claim}"),
            Self::KeepPodAway { claim, .. } => {
                write!(f, "keep the Pod of PersistentVolumeClaim {claim} away")
            }
            Self::LetPodBack { claim } => {
                write!(f, "let the Pod of PersistentVolumeClaim {claim} come back")
            }
            Self::WakeKubelet { pod, .. } => write!(f, "let kubelet look at the volume of {pod}"),
        }
    }
}
