//! A step of an operation as data, and what it can report about the world.

use api_types::ops_request::OperationProgress;
use jiff::SignedDuration;

use crate::effect::Effect;
use crate::operation::Operation;
use crate::waiting::WaitingOn;
use crate::world::World;

/// What a step finds out.
#[derive(Debug, PartialEq)]
pub enum Progress {
    /// Nothing is left to do: it was observed.
    Done,
    /// Do this, then observe again.
    Act(Vec<Effect>),
    /// Something else has to happen first.
    Wait(WaitingOn),
    /// A choice that must be persisted before it is acted on.
    Choose(Box<OperationProgress>),
    /// Do this a single time: the progress records it, and is persisted first. An operator that ends in between has not
    /// done it.
    ActOnce(Box<OperationProgress>, Vec<Effect>),
    /// It will never be done; the message states why and what to change.
    Impossible(String),
}

/// Within a step, `?` on something that is not there yet ends in a [`Progress`].
pub type StepResult<T = Progress> = Result<T, Progress>;

impl From<WaitingOn> for Progress {
    fn from(waiting: WaitingOn) -> Self {
        Self::Wait(waiting)
    }
}

impl Progress {
    /// Within a step, `?` on something that has to be done first.
    ///
    /// # Errors
    /// The progress itself, unless it is [`Progress::Done`].
    pub fn require_done(self) -> StepResult<()> {
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

/// The plan that was fixed when the operation began.
///
/// # Errors
/// [`Progress::Impossible`] when the status has lost it.
pub fn planned<T>(plan: Option<&T>) -> StepResult<&T> {
    plan.ok_or_else(|| {
        Progress::Impossible(
            "status.progress was emptied during the operation; create the request again".into(),
        )
    })
}

/// What ends the wait of a step before the next full observation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeOn {
    /// Nothing in particular.
    Time,
    /// The provisioner acknowledges the pause.
    PauseAcknowledged,
    /// The pause is given back, and the provisioner has observed that.
    PauseReleased,
    /// cert-manager has issued the database's Certificates.
    CertificatesIssued,
}

/// Whether Pods of members end in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndsPods {
    /// They go on.
    Never,
    /// One may have to end.
    IfNeeded,
    /// They end.
    Always,
}

/// A named part of an operation. A step is `pub const` data in the folder of its request type; the engine reads the fields
/// and never compares names.
#[derive(Clone, Copy)]
pub struct Step {
    /// Type and reason of its condition.
    pub condition: &'static str,
    /// The message of its condition when it is done.
    pub done: &'static str,
    /// The same with the request's own names, where KubeDB's message has them.
    pub done_for: Option<fn(&Operation) -> String>,
    /// What is done in it, for a plan.
    pub describe: fn(&Operation, &World) -> String,
    /// Decides from the world what is next.
    pub advance: fn(&Operation, &World) -> StepResult,
    /// Parts of it that are reported as conditions of their own.
    pub sub_conditions: fn(&Operation, &World) -> Vec<SubCondition>,
    /// Whether it needs the members' reports.
    pub asks_members: bool,
    /// Whether it may act before the members have reported: what it writes does not depend on that.
    pub acts_unseen: bool,
    /// Whether the spec has the new settings once the step is done: there is no way back.
    pub is_commit: bool,
    /// Whether Pods of members end in it. A Pod must not end undeclared: `data_guard` checks what is declared here.
    pub ends_pods: fn(&Operation) -> EndsPods,
    /// Time on top of the step's own timeout, which the request grants to others.
    pub extra_time: fn(&Operation) -> SignedDuration,
    /// What to watch while it waits.
    pub wakes_on: WakeOn,
}

impl Step {
    /// A step that evaluates the members' reports, and nothing more.
    pub const fn new(
        condition: &'static str,
        done: &'static str,
        describe: fn(&Operation, &World) -> String,
        advance: fn(&Operation, &World) -> StepResult,
    ) -> Self {
        Self {
            condition,
            done,
            done_for: None,
            describe,
            advance,
            sub_conditions: |_, _| Vec::new(),
            asks_members: true,
            acts_unseen: false,
            is_commit: false,
            ends_pods: |_| EndsPods::Never,
            extra_time: |_| SignedDuration::ZERO,
            wakes_on: WakeOn::Time,
        }
    }

    /// Its message has names of the request in it.
    pub const fn saying(mut self, done_for: fn(&Operation) -> String) -> Self {
        self.done_for = Some(done_for);
        self
    }

    /// It does not need the members' reports.
    pub const fn without_members(mut self) -> Self {
        self.asks_members = false;
        self
    }

    /// It may act before the members have reported.
    pub const fn acting_unseen(mut self) -> Self {
        self.acts_unseen = true;
        self
    }

    /// It writes `Postgres.spec`.
    pub const fn committing(mut self) -> Self {
        self.is_commit = true;
        self
    }

    /// Pods of members end in it.
    pub const fn ending_pods(mut self, ends_pods: fn(&Operation) -> EndsPods) -> Self {
        self.ends_pods = ends_pods;
        self
    }

    /// It grants this time to others on top of its own timeout.
    pub const fn granting(mut self, extra_time: fn(&Operation) -> SignedDuration) -> Self {
        self.extra_time = extra_time;
        self
    }

    /// It is woken by this.
    pub const fn waking_on(mut self, wakes_on: WakeOn) -> Self {
        self.wakes_on = wakes_on;
        self
    }

    /// It has parts to report.
    pub const fn with_sub_conditions(
        mut self,
        sub_conditions: fn(&Operation, &World) -> Vec<SubCondition>,
    ) -> Self {
        self.sub_conditions = sub_conditions;
        self
    }
}

/// A part of a step that is reported as a condition of its own (KubeDB's sub-conditions): no reason, a fixed form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubCondition {
    /// Type of the condition, with the Pod: `EvictPod--ha-postgres-1`.
    pub type_: String,
    /// `<words>; ConditionStatus:True; PodName:<pod>`.
    pub message: String,
    /// Whether it is done.
    pub done: bool,
}

impl SubCondition {
    /// Information with a message of its own.
    pub fn note(type_: &str, message: String) -> Self {
        Self {
            type_: type_.to_owned(),
            message,
            done: true,
        }
    }

    /// A part that concerns one Pod.
    pub fn of_pod(type_: &str, words: &str, pod: &str, done: bool) -> Self {
        Self {
            type_: format!("{type_}--{pod}"),
            message: format!("{}; PodName:{pod}", with_status(words, done)),
            done,
        }
    }

    /// A part that concerns the whole database.
    pub fn of_database(type_: &str, words: &str, done: bool) -> Self {
        Self {
            type_: type_.to_owned(),
            message: with_status(words, done),
            done,
        }
    }
}

fn with_status(words: &str, done: bool) -> String {
    format!("{words}; ConditionStatus:{}", if done { "True" } else { "False" })
}
