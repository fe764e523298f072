//! Everything an operation can do to the world. A new variant is an event: it widens what this operator may do. What
//! concerns one domain alone is an enum in that domain's folder.

use std::collections::BTreeMap;
use std::fmt;

use api_types::cert_manager::Certificate;
use api_types::{AppBinding, PauseHolder, PetSet};
use k8s_openapi::api::core::v1::{ResourceRequirements, Secret};

use crate::auth::effect::AuthEffect;
use crate::section::SpecPatch;
use crate::tls::effect::TlsEffect;
use crate::volumes::effect::VolumeEffect;
use crate::world::{Files, Member};

/// One write. Doing it twice is as good as doing it once.
#[derive(Clone, PartialEq)]
pub enum Effect {
    /// Write the pause annotation of this operation, if the Postgres is still as observed.
    TakePause,
    /// Remove the pause annotation, if it still has this value.
    DropPause(PauseHolder),
    /// Write fields of `Postgres.spec`, if the Postgres is still as observed.
    PatchSpec(Box<SpecPatch>),
    /// Make a child match the blueprint.
    Apply(Box<Child>),
    /// Something about certificates.
    Tls(TlsEffect),
    /// Something about volumes.
    Volume(VolumeEffect),
    /// Something about the superuser's credentials.
    Auth(AuthEffect),
    /// Something that a member does.
    Member(MemberEffect),
}

/// Something that one member, or its Pod, does.
#[derive(Clone, PartialEq)]
pub enum MemberEffect {
    /// Let kubelet bring changed Secrets into the Pod at once.
    TouchFiles {
        /// The Pod.
        pod: String,
        /// Value of the annotation; another one for every content of the Secrets.
        token: String,
    },
    /// Let the member read its certificates again, as soon as it has these files.
    Reload {
        /// The Pod.
        pod: String,
        /// And its configuration.
        configuration: bool,
        /// The files that it is to read; none when its files can't be observed.
        files: Option<Box<Files>>,
        /// Why the member's files can't be observed. The member reloads all the same, and the user gets the reason why
        /// it can't be verified.
        unseen: Option<String>,
    },
    /// End the sessions of applications that came with TLS, or without, on every member.
    EndSessions {
        /// Those with TLS.
        encrypted: bool,
    },
    /// Evict the Pod if it still has this UID; its PetSet recreates it.
    Evict {
        /// The Pod.
        pod: String,
        /// Its UID.
        uid: String,
    },
    /// Give the containers of the Pod, if it still has this UID, other resources while they run.
    Resize {
        /// The Pod.
        pod: String,
        /// Its UID.
        uid: String,
        /// Containers by name, with all their requests and limits.
        containers: BTreeMap<String, ResourceRequirements>,
    },
    /// Replace the standby's data by a copy of the primary's, unless Patroni is at it.
    Rebuild {
        /// The Pod.
        pod: String,
    },
    /// Move the primary role, if `from` still has it.
    Switchover {
        /// The primary.
        from: String,
        /// The standby that is to take over.
        to: String,
    },
    /// Make the member the primary although it may lack rows, unless another one leads.
    Promote {
        /// The Pod.
        pod: String,
    },
    /// Let the Service for reads have the Pod, if it still has this UID, or not. Sessions that are open go on.
    ServeReads {
        /// The Pod.
        pod: String,
        /// Its UID.
        uid: String,
        /// Whether the Service is to have it.
        serve: bool,
    },
    /// Restart PostgreSQL in its Pod, if a parameter waits for that.
    RestartPostgres {
        /// The Pod.
        pod: String,
    },
    /// Change what Patroni keeps for all members.
    ConfigurePatroni {
        /// The member whose Patroni gets the request.
        pod: String,
        /// The merge patch.
        patch: Box<serde_json::Value>,
    },
    /// Let Patroni drop the replication slots of members that are gone at once, or keep them for its usual time.
    ForgetSlots {
        /// The primary.
        leader: String,
        /// At once.
        forget: bool,
    },
}

impl MemberEffect {
    /// Evicts the Pod of this member, and no other Pod of that name.
    pub fn evict(pod: &str, member: &Member) -> Self {
        Self::Evict {
            pod: pod.to_owned(),
            uid: member.uid.clone(),
        }
    }
}

impl Effect {
    /// Whether it may be done at the same time as the next one: the same to another member, or to another certificate.
    pub fn goes_beside(&self, next: &Self) -> bool {
        match (self, next) {
            (Self::Tls(one), Self::Tls(other)) => one.goes_beside(other),
            (Self::Volume(one), Self::Volume(other)) => one.goes_beside(other),
            (Self::Member(one), Self::Member(other)) => one.goes_beside(other),
            _ => false,
        }
    }
}

impl MemberEffect {
    fn goes_beside(&self, next: &Self) -> bool {
        matches!(
            (self, next),
            (
                Self::TouchFiles { .. } | Self::Reload { .. },
                Self::TouchFiles { .. } | Self::Reload { .. }
            ) | (Self::ServeReads { .. }, Self::ServeReads { .. })
        )
    }
}

impl From<MemberEffect> for Effect {
    fn from(effect: MemberEffect) -> Self {
        Self::Member(effect)
    }
}

impl From<VolumeEffect> for Effect {
    fn from(effect: VolumeEffect) -> Self {
        Self::Volume(effect)
    }
}

impl From<TlsEffect> for Effect {
    fn from(effect: TlsEffect) -> Self {
        Self::Tls(effect)
    }
}

/// A child that operations change; the others do not depend on what operations do.
#[derive(Clone, PartialEq)]
pub enum Child {
    /// Configuration of the members, and the certificates that they are given.
    Config(Secret),
    /// What they were given before.
    LastGood(Secret),
    /// How applications connect.
    AppBinding(AppBinding),
    /// The members.
    PetSet(Box<PetSet>),
    /// A certificate.
    Certificate(Certificate),
}

impl Child {
    fn kind_and_name(&self) -> (&'static str, &str) {
        let (kind, meta) = match self {
            Self::Config(secret) | Self::LastGood(secret) => ("Secret", &secret.metadata),
            Self::AppBinding(app_binding) => ("AppBinding", &app_binding.metadata),
            Self::PetSet(pet_set) => ("PetSet", &pet_set.metadata),
            Self::Certificate(certificate) => ("Certificate", &certificate.metadata),
        };
        (kind, meta.name.as_deref().unwrap_or_default())
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TakePause => f.write_str("take the pause"),
            Self::DropPause(holder) => write!(f, "drop the pause of {}", holder.name()),
            Self::PatchSpec(_) => f.write_str("write Postgres.spec"),
            Self::Apply(child) => {
                let (kind, name) = child.kind_and_name();
                write!(f, "apply {kind} {name}")
            }
            Self::Tls(effect) => effect.fmt(f),
            Self::Volume(effect) => effect.fmt(f),
            Self::Auth(effect) => effect.fmt(f),
            Self::Member(effect) => effect.fmt(f),
        }
    }
}

impl fmt::Display for MemberEffect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TouchFiles { pod, .. } => write!(f, "let kubelet refresh the files of {pod}"),
            Self::Reload {
                pod,
                unseen: Some(why),
                ..
            } => write!(f, "reload {pod}, which can't be asked what it has: {why}"),
            Self::Reload {
                pod,
                configuration: true,
                ..
            } => write!(f, "reload {pod}"),
            Self::Reload { pod, .. } => write!(f, "reload the certificates of {pod}"),
            Self::EndSessions { encrypted } => {
                write!(f, "end the sessions {}", crate::waiting::with_tls(*encrypted))
            }
            Self::Evict { pod, .. } => write!(f, "evict {pod}"),
            Self::Resize { pod, .. } => write!(f, "resize {pod} in place"),
            Self::Rebuild { pod } => write!(f, "rebuild {pod} from the primary"),
            Self::Switchover { from, to } => write!(f, "switch over from {from} to {to}"),
            Self::Promote { pod } => write!(f, "promote {pod}"),
            Self::ServeReads { pod, serve: true, .. } => write!(f, "put {pod} into the Service for reads"),
            Self::ServeReads { pod, .. } => write!(f, "take {pod} out of the Service for reads"),
            Self::RestartPostgres { pod } => write!(f, "restart PostgreSQL of {pod} in its Pod"),
            Self::ConfigurePatroni { .. } => {
                f.write_str("give Patroni the parameters that all members share")
            }
            Self::ForgetSlots { forget: true, .. } => {
                f.write_str("let Patroni drop the replication slots of members that are gone")
            }
            Self::ForgetSlots { .. } => f.write_str("let Patroni keep replication slots for its usual time"),
        }
    }
}

/// As in logs: an object's content (a user's configuration) does not belong there.
impl fmt::Debug for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Effect({self})")
    }
}
