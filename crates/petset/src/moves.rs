//! The vocabulary of a decision: what to write, what is waited for, and what a person must check. The same value makes
//! the log line, the Event and the condition.

use std::fmt;

use api_types::reported::pet_set::{conditions, reasons};
use api_types::vocabulary::NO_POD;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::claims::{Vanishing, Withheld};
use crate::trouble::Trouble;

/// The identity and version of one observed object. A write that carries it fails when the object has changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub resource_version: String,
}

/// Kinds whose owner references this controller changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnedKind {
    /// `Pod`.
    Pod,
    /// `ControllerRevision`.
    Revision,
    /// `PersistentVolumeClaim`.
    Claim,
}

/// Why an owner reference changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnershipChange {
    /// A matching orphan becomes ours.
    Adopt,
    /// An object that no longer matches is let go.
    Release,
    /// A claim follows the retention policy.
    Retention,
}

/// One write. Every move may be done twice, or be late: names and preconditions make the second time harmless.
#[derive(Clone, Debug, PartialEq)]
pub enum Move {
    /// Makes a revision.
    CreateRevision(Box<ControllerRevision>),
    /// Makes an old revision the newest again.
    RenumberRevision {
        /// Name.
        name: String,
        /// Its number from now on.
        revision: i64,
    },
    /// Removes an old revision.
    DeleteRevision {
        /// Name.
        name: String,
        /// UID.
        uid: String,
    },
    /// Sets owner references.
    SetOwners {
        /// Kind of the object.
        kind: OwnedKind,
        /// The object.
        seen: Seen,
        /// All owner references from now on.
        owners: Vec<OwnerReference>,
        /// Why.
        change: OwnershipChange,
    },
    /// Gives a Pod the labels of its identity.
    LabelPod {
        /// The Pod.
        seen: Seen,
        /// Labels to add.
        labels: Vec<(String, String)>,
    },
    /// Gives a claim annotations that keep deployment tools from deleting it.
    GuardClaim {
        /// The claim.
        seen: Seen,
        /// Annotations to add.
        annotations: Vec<(String, String)>,
    },
    /// Makes a claim.
    CreateClaim(Box<PersistentVolumeClaim>),
    /// Deletes a claim that never had a volume.
    DeleteClaim(Seen),
    /// Makes a Pod.
    CreatePod(Box<Pod>),
    /// Deletes a Pod.
    DeletePod {
        /// Name.
        name: String,
        /// UID; a Pod of this name with another UID stays.
        uid: String,
        /// Why.
        reason: DeleteReason,
    },
}

/// Why a Pod is deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeleteReason {
    /// Its ordinal is not wanted.
    ScaledDown,
    /// It ran to its end; the phase and why.
    Finished(String),
    /// It is of an old revision and does not work.
    NeverWorked {
        /// The revision that it has.
        from: String,
        /// The revision of the template.
        to: String,
    },
    /// The PlacementPolicy has changed before a node took it.
    Misplaced,
    /// The claim that it waits for has to go before it can be made again.
    ClaimReplaced(String),
    /// It is of an old revision.
    Outdated {
        /// The revision that it has.
        from: String,
        /// The revision of the template.
        to: String,
    },
}

impl fmt::Display for DeleteReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScaledDown => write!(f, "scaled down"),
            Self::Finished(phase) => write!(f, "phase {phase}"),
            Self::NeverWorked { from, to } => write!(f, "it does not run, revision {from}, template is {to}"),
            Self::Misplaced => write!(f, "never started, the PlacementPolicy has changed"),
            Self::ClaimReplaced(claim) => write!(f, "never started, claim {claim} is made again"),
            Self::Outdated { from, to } if from.is_empty() => write!(f, "no revision, template is {to}"),
            Self::Outdated { from, to } => write!(f, "revision {from}, template is {to}"),
        }
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateRevision(r) => {
                write!(
                    f,
                    "create ControllerRevision {} as number {}",
                    name(&r.metadata.name),
                    r.revision
                )
            }
            Self::RenumberRevision { name, revision } => {
                write!(f, "make ControllerRevision {name} number {revision}")
            }
            Self::DeleteRevision { name, .. } => write!(f, "delete ControllerRevision {name}: history limit"),
            Self::SetOwners {
                kind,
                seen,
                owners,
                change,
            } => match change {
                OwnershipChange::Adopt => write!(f, "adopt {kind} {}", seen.name),
                OwnershipChange::Release => write!(f, "release {kind} {}", seen.name),
                OwnershipChange::Retention => {
                    write!(f, "set owners of {kind} {}: {}", seen.name, names_of(owners))
                }
            },
            Self::LabelPod { seen, .. } => write!(f, "label Pod {}", seen.name),
            Self::GuardClaim { seen, .. } => {
                write!(
                    f,
                    "guard PersistentVolumeClaim {} against deployment tools",
                    seen.name
                )
            }
            Self::CreateClaim(claim) => {
                write!(f, "create PersistentVolumeClaim {}", name(&claim.metadata.name))
            }
            Self::DeleteClaim(seen) => write!(
                f,
                "delete PersistentVolumeClaim {}: it never had a volume, and the template has changed",
                seen.name
            ),
            Self::CreatePod(pod) => {
                write!(
                    f,
                    "create Pod {} of {}",
                    name(&pod.metadata.name),
                    crate::world::revision_of(pod)
                )
            }
            Self::DeletePod { name, reason, .. } => write!(f, "delete Pod {name}: {reason}"),
        }
    }
}

fn names_of(owners: &[OwnerReference]) -> String {
    let all: Vec<String> = owners.iter().map(|o| format!("{} {}", o.kind, o.name)).collect();
    if all.is_empty() {
        "none".to_owned()
    } else {
        all.join(", ")
    }
}

impl fmt::Display for OwnedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pod => "Pod",
            Self::Revision => "ControllerRevision",
            Self::Claim => "PersistentVolumeClaim",
        })
    }
}

fn name(name: &Option<String>) -> &str {
    name.as_deref().unwrap_or_default()
}

/// What the controller waits for. Not an error: a watch, or the time that is given, wakes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A Pod is being deleted; its name is not free.
    PodGone(String),
    /// A Pod is not ready.
    PodReady(String),
    /// A ready Pod has to stay ready for some more seconds.
    PodAvailable {
        /// The Pod.
        pod: String,
        /// Seconds that are left.
        seconds: i64,
    },
    /// A claim is being deleted, or is about to be; no Pod may be made on it.
    ClaimGone(String),
    /// A Pod ended right after it was made: it is replaced only when it is some seconds old.
    Cooldown {
        /// The Pod.
        pod: String,
        /// Seconds that are left.
        seconds: i64,
    },
    /// An operation keeps a Pod away.
    Withheld {
        /// Which, and for whom.
        withheld: Withheld,
        /// Seconds that are left.
        seconds: i64,
    },
    /// The PetSet is being deleted: the garbage collector does the rest.
    Deleted,
}

impl Wait {
    /// For the end of the time in which no Pod is made of a claim.
    pub fn withheld(withheld: Withheld, now: Timestamp) -> Self {
        let seconds = withheld.until.as_second() - now.as_second() + 1;
        Self::Withheld { withheld, seconds }
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PodGone(pod) => write!(f, "Pod {pod} is being deleted"),
            Self::PodReady(pod) => write!(f, "Pod {pod} is not ready"),
            Self::PodAvailable { pod, seconds } => write!(f, "Pod {pod} must stay ready for {seconds} s"),
            Self::ClaimGone(claim) => write!(f, "PersistentVolumeClaim {claim} is being deleted"),
            Self::Cooldown { pod, seconds } => {
                write!(f, "Pod {pod} ended as soon as it began; next try in {seconds} s")
            }
            Self::Withheld { withheld, .. } => write!(
                f,
                "Pod {} is not made while {} keeps it away",
                withheld.pod, withheld.by
            ),
            Self::Deleted => write!(f, "PetSet is being deleted"),
        }
    }
}

/// Something that does not get better by waiting: a person has to change something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// One word for programs.
    pub reason: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl Problem {
    /// The PetSet's spec can't be acted on.
    pub fn invalid(invalid: &crate::resolve::Invalid) -> Self {
        Self {
            reason: reasons::INVALID_SPEC,
            message: invalid.to_string(),
        }
    }

    /// The named PlacementPolicy does not exist.
    pub fn policy_missing(pod: &str, policy: &str) -> Self {
        Self {
            reason: reasons::PLACEMENT_POLICY_NOT_FOUND,
            message: format!(
                "Pod {pod} is not created: PlacementPolicy {policy} does not exist; create it, or name another in \
                 spec.podPlacementPolicy"
            ),
        }
    }

    /// The policy can't be applied.
    pub fn unplaceable(pod: &str, why: &crate::placement::Unplaceable) -> Self {
        Self {
            reason: reasons::PLACEMENT_POLICY_INVALID,
            message: format!("Pod {pod} is not created: {why}"),
        }
    }

    /// A claim that is not ours has the name of an ordinal's claim.
    pub fn claim_taken(pod: &str, claim: &str) -> Self {
        Self {
            reason: reasons::NAME_TAKEN,
            message: format!(
                "Pod {pod} is not created: PersistentVolumeClaim {claim} exists and is of another application by its labels; delete or \
                 rename it, or give it the labels of spec.selector to use its volume"
            ),
        }
    }

    /// What the platform reports about these objects of one kind.
    pub fn of_platform(kind: &str, names: &[String], trouble: &Trouble) -> Self {
        Self {
            reason: trouble.reason,
            message: format!("{kind} {} {}", names.join(", "), trouble.sentence),
        }
    }

    /// A Pod is not deleted, because its volume would go with it.
    pub fn pod_kept(vanishing: &Vanishing, reason: &DeleteReason) -> Self {
        let Vanishing { claim, pod, .. } = vanishing;
        Self {
            reason: reasons::POD_KEPT,
            message: format!(
                "Pod {pod} is not deleted ({reason}): PersistentVolumeClaim {claim} is being deleted, and its volume would go \
                 with the Pod. When the data may go, delete the Pod yourself"
            ),
        }
    }

    /// A volume goes when its Pod ends.
    pub fn claim_terminating(vanishing: &Vanishing) -> Self {
        let Vanishing { claim, volume, pod } = vanishing;
        let message = match volume {
            Some(volume) => format!(
                "PersistentVolumeClaim {claim} is being deleted: its data on PersistentVolume {volume} goes when Pod {pod} ends. \
                 A claim that is being deleted can't be kept; persistentVolumeReclaimPolicy: Retain keeps the PersistentVolume"
            ),
            None => format!(
                "PersistentVolumeClaim {claim} does not exist any more, and Pod {pod} runs on its volume: when the Pod ends, it is \
                 made again with an empty one"
            ),
        };
        Self {
            reason: conditions::CLAIM_TERMINATING,
            message,
        }
    }

    /// An operation keeps a Pod away. Nothing is wrong; a person may nevertheless want the Pod sooner.
    pub fn withheld(withheld: &Withheld) -> Self {
        let Withheld {
            pod,
            claim,
            by,
            until,
        } = withheld;
        Self {
            reason: conditions::POD_WITHHELD,
            message: format!(
                "Pod {pod} is not created before {until}: PostgresOpsRequest {by} expands the volume of PersistentVolumeClaim {claim}, \
                 which grows only while no Pod uses it. Delete the request to end that sooner; when ops-manager does not run, remove \
                 the annotation {NO_POD} of the claim"
            ),
        }
    }

    /// Whether the Event has the problem's own reason; what keeps a Pod from being made is `FailedCreate`.
    pub fn event_reason(&self) -> &'static str {
        match self.reason {
            reasons::INVALID_SPEC
            | reasons::PLACEMENT_POLICY_NOT_FOUND
            | reasons::PLACEMENT_POLICY_INVALID
            | reasons::NAME_TAKEN => reasons::FAILED_CREATE,
            own => own,
        }
    }

    /// A Pod that is not ours has the name of an ordinal.
    pub fn name_taken(pod: &str, owner: Option<&str>) -> Self {
        let whose = owner.map_or("has no controller and other labels".to_owned(), |o| {
            format!("belongs to {o}")
        });
        Self {
            reason: reasons::NAME_TAKEN,
            message: format!(
                "Pod {pod} is not created: a Pod of that name exists and {whose}; delete or rename it, or give it the \
                 labels of spec.selector"
            ),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}
