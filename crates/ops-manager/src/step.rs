//! A step of an operation, and what it can say about the world.

use api_types::ops_request::OperationPlan;
use api_types::reported::ops_request::conditions;

use crate::effect::Effect;
use crate::operation::Operation;
use crate::world::World;

/// What a step sees.
#[derive(Debug, PartialEq)]
pub enum Progress {
    /// Nothing is left to do: it can be seen.
    Done,
    /// Do this, then look again.
    Act(Vec<Effect>),
    /// It is somebody else's turn; the sentence says whose.
    Wait(String),
    /// A choice that must be written down before it is acted on.
    Choose(Box<OperationPlan>),
    /// Do this a single time: the plan says that it was done, and is written down before. An operator that ends in between
    /// has not done it.
    ActOnce(Box<OperationPlan>, Vec<Effect>),
    /// It will never be done; the sentence says why and what to change.
    Impossible(String),
}

/// Shorthand for steps whose needs are checked with `?`.
impl From<String> for Progress {
    fn from(waiting_for: String) -> Self {
        Self::Wait(waiting_for)
    }
}

/// Within a step, `?` on something that is not there yet ends in a [`Progress`].
pub type Needs<T> = Result<T, Progress>;

impl Progress {
    /// Within a step, `?` on something that has to be done first.
    pub fn first(self) -> Needs<()> {
        match self {
            Self::Done => Ok(()),
            other => Err(other),
        }
    }

    /// These effects, or done when there are none.
    pub fn of(effects: Vec<Effect>) -> Self {
        if effects.is_empty() {
            Self::Done
        } else {
            Self::Act(effects)
        }
    }
}

/// Turns the two ends of a step's function into one.
pub fn settle(outcome: Result<Progress, Progress>) -> Progress {
    outcome.unwrap_or_else(|progress| progress)
}

/// A named part of an operation.
#[derive(Clone, Copy)]
pub struct Step {
    /// Its name; also its condition's type and reason.
    pub name: StepName,
    /// The message of its condition when it is done.
    pub done: &'static str,
    /// Looks at the world and says what is next.
    pub advance: fn(&Operation, &World) -> Progress,
    /// What can be told about its parts.
    pub trail: fn(&Operation, &World) -> Vec<Mark>,
}

impl Step {
    /// A step without parts to tell about.
    pub const fn new(
        name: StepName,
        done: &'static str,
        advance: fn(&Operation, &World) -> Progress,
    ) -> Self {
        Self {
            name,
            done,
            advance,
            trail: |_, _| Vec::new(),
        }
    }

    /// With parts to tell about.
    pub const fn with_trail(mut self, trail: fn(&Operation, &World) -> Vec<Mark>) -> Self {
        self.trail = trail;
        self
    }
}

/// A part of a step that is reported as a condition of its own (KubeDB's sub-conditions): no reason, a fixed form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Type of the condition, with the Pod: `EvictPod--ha-postgres-1`.
    pub type_: String,
    /// `<words>; ConditionStatus:True; PodName:<pod>`.
    pub message: String,
    /// Whether it is done.
    pub done: bool,
}

impl Mark {
    /// A part that concerns one Pod.
    pub fn of_pod(type_: &str, words: &str, pod: &str, done: bool) -> Self {
        Self {
            type_: format!("{type_}--{pod}"),
            message: format!("{}; PodName:{pod}", said(words, done)),
            done,
        }
    }

    /// A part that concerns the whole database.
    pub fn of_database(type_: &str, words: &str, done: bool) -> Self {
        Self {
            type_: type_.to_owned(),
            message: said(words, done),
            done,
        }
    }
}

fn said(words: &str, done: bool) -> String {
    format!("{words}; ConditionStatus:{}", if done { "True" } else { "False" })
}

/// The names of all steps: condition types of KubeDB where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum StepName {
    Pause,
    IssueCertificates,
    SyncCertificates,
    TrustCa,
    ReloadTls,
    DrainSessions,
    UpdatePetSets,
    RestartNodes,
    ReloadPods,
    UpdateDatabase,
    RestoreDatabase,
    Resume,
}

impl StepName {
    /// Whether it looks at how members answer.
    pub fn judges_members(self) -> bool {
        !matches!(
            self,
            Self::Pause | Self::IssueCertificates | Self::SyncCertificates | Self::Resume
        )
    }

    /// Whether it may write before it knows how members answer: what it writes does not depend on that.
    pub fn acts_unseen(self) -> bool {
        matches!(self, Self::TrustCa | Self::ReloadTls)
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pause => conditions::DATABASE_PAUSE_SUCCEEDED,
            Self::IssueCertificates => conditions::ISSUE_CERTIFICATES_SUCCEEDED,
            Self::SyncCertificates => conditions::CERTIFICATE_SYNCED,
            Self::TrustCa => conditions::TRUST_CA,
            Self::ReloadTls => conditions::RELOAD_TLS,
            Self::DrainSessions => conditions::DRAIN_SESSIONS,
            Self::UpdatePetSets => conditions::UPDATE_PET_SETS,
            Self::RestartNodes => conditions::RESTART_NODES,
            Self::ReloadPods => conditions::RELOAD_PODS,
            Self::UpdateDatabase => conditions::UPDATE_DATABASE,
            Self::RestoreDatabase => conditions::RESTORE_DATABASE,
            Self::Resume => conditions::DATABASE_RESUME_SUCCEEDED,
        }
    }
}
