//! From an operation, what was persisted of it and the observed world to what is written down and done next. Pure.
//!
//! Every operation is `[Pause] ++ recipe ++ [Resume]`; when the recipe can't be finished, `[restore] ++ [Resume]`. A step
//! that is seen done is latched as a condition and never looked at again, because later steps undo what earlier ones
//! established. The caller writes [`Next::status`] before it performs [`Next::effects`].

use api_types::condition::{self, Condition};
use api_types::ops_request::{OpsRequestPhase, PostgresOpsRequestStatus};
use api_types::reported::ops_request::conditions;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::effect::Effect;
use crate::moves::{pause, proof};
use crate::operation::Operation;
use crate::step::{Progress, Step, StepName};
use crate::world::World;

/// Condition of a request that ended, or is ending, without success.
pub const FAILED: &str = conditions::FAILED;
/// Condition of a request that ended well.
pub const SUCCESSFUL: &str = conditions::SUCCESSFUL;
/// Status of a step that was given up: it is not tried again, and nobody may believe that it is done.
const GIVEN_UP: &str = "Unknown";

const PAUSE: Step = Step::new(StepName::Pause, "Successfully paused database", pause::hold);
const RESUME: Step = Step::new(StepName::Resume, "Successfully resumed database", pause::release);

/// All steps of an operation that nothing goes wrong in.
pub fn planned(op: &Operation) -> Vec<Step> {
    let mut steps = vec![PAUSE];
    steps.extend(op.recipe());
    steps.push(RESUME);
    steps
}

/// What to persist, then what to do.
#[derive(Debug)]
pub struct Next {
    /// The status to write first.
    pub status: PostgresOpsRequestStatus,
    /// What to do then, in this order.
    pub effects: Vec<Effect>,
    /// What is waited for, for the log.
    pub waiting_for: Option<String>,
    /// How long the step has been looked at.
    pub step_age: SignedDuration,
}

impl Next {
    /// Whether nothing will follow.
    pub fn has_ended(&self) -> bool {
        self.status.phase.is_some_and(OpsRequestPhase::is_terminal)
    }
}

/// One look at the world. `cancelled` is set when the request is being deleted.
pub fn advance(
    op: &Operation,
    status: &PostgresOpsRequestStatus,
    world: &World,
    cancelled: bool,
    now: Timestamp,
) -> Next {
    let mut pass = Pass::new(op, status, world, now);
    pass.status.members = proof::members(op, world, &status.members, now);
    if cancelled && !pass.has_failed() && !pass.is_latched(StepName::Resume) {
        pass.fail("the request was deleted while it ran");
    }
    // Each turn latches a step, makes a choice or fails the operation once, so there is an end.
    loop {
        if let Some(next) = pass.turn() {
            return next;
        }
    }
}

/// The first step of an operation that was admitted just now, in the world that it was admitted in. That was not looked at
/// for anything else, so the next step is for the next look.
pub fn begin(op: &Operation, status: &PostgresOpsRequestStatus, world: &World, now: Timestamp) -> Next {
    let mut pass = Pass::new(op, status, world, now);
    let first = pass.turn();
    first.unwrap_or_else(|| pass.next(Vec::new(), None))
}

/// Whether only giving the pause back is due, for which the object is enough.
pub fn only_resumes(op: &Operation, status: &PostgresOpsRequestStatus) -> bool {
    due(op, status) == Some(StepName::Resume)
}

/// Whether the step that is due looks at how members answer.
pub fn judges_members(op: &Operation, status: &PostgresOpsRequestStatus) -> bool {
    condition::is_true(&status.conditions, FAILED) || due(op, status).is_some_and(StepName::judges_members)
}

/// The step that is due while nothing has gone wrong.
pub fn due(op: &Operation, status: &PostgresOpsRequestStatus) -> Option<StepName> {
    if condition::is_true(&status.conditions, FAILED) {
        return None;
    }
    let mut steps = planned(op).into_iter();
    Some(steps.find(|step| !is_latched(status, step.name))?.name)
}

/// Done, or given up.
fn is_latched(status: &PostgresOpsRequestStatus, step: StepName) -> bool {
    condition::find(&status.conditions, step.as_str()).is_some_and(|condition| !condition.is_false())
}

struct Pass<'a> {
    op: Operation,
    status: PostgresOpsRequestStatus,
    world: &'a World,
    now: Timestamp,
}

impl<'a> Pass<'a> {
    fn new(op: &Operation, status: &PostgresOpsRequestStatus, world: &'a World, now: Timestamp) -> Self {
        Self {
            op: op.clone(),
            status: status.clone(),
            world,
            now,
        }
    }

    /// Looks at the first step that is not latched. `None`: look at the next one in the same world.
    fn turn(&mut self) -> Option<Next> {
        let Some(step) = self.steps().into_iter().find(|step| !self.is_latched(step.name)) else {
            return Some(self.end());
        };
        let is_blind = self.world.members_not_asked && step.name.judges_members();
        if is_blind && !step.name.acts_unseen() {
            return Some(self.next(Vec::new(), None));
        }
        self.open(step.name);
        self.op.step_began = condition::find(&self.status.conditions, step.name.as_str())
            .map(|condition| condition.last_transition_time.0);
        self.op.committed = self.is_latched(StepName::UpdatePetSets);
        let progress = match self.guard(step.name) {
            Progress::Done => (step.advance)(&self.op, self.world),
            not_held => not_held,
        };
        // Only what can be known without the members is believed.
        if is_blind && !matches!(progress, Progress::Act(_) | Progress::Done) {
            return Some(self.next(Vec::new(), None));
        }
        self.mark(&step);
        match progress {
            Progress::Done => self.latch(step.name, step.done),
            Progress::Choose(plan) if self.op.plan != *plan => {
                self.status.plan = Some((*plan).clone());
                self.op.plan = *plan;
            }
            Progress::Choose(_) => self.give_up(step.name, "made the same choice twice; this is a bug"),
            Progress::Impossible(why) => self.give_up(step.name, &why),
            Progress::ActOnce(plan, effects) => {
                self.status.plan = Some((*plan).clone());
                self.op.plan = *plan;
                self.say(step.name, &list(&effects));
                return Some(self.next(effects, None));
            }
            Progress::Wait(why) if self.is_overdue(step.name) => {
                self.give_up(step.name, &self.late(step.name, &why))
            }
            Progress::Act(effects) if self.is_overdue(step.name) && step.name != StepName::Resume => {
                let unfinished = format!("still had to: {}", list(&effects));
                self.give_up(step.name, &self.late(step.name, &unfinished));
            }
            Progress::Wait(why) => {
                self.say(step.name, &why);
                return Some(self.next(Vec::new(), Some(why)));
            }
            Progress::Act(effects) => {
                self.say(step.name, &list(&effects));
                return Some(self.next(effects, None));
            }
        }
        None
    }

    /// The steps in force. Without a pause there was nothing to touch, so there is nothing to restore.
    fn steps(&self) -> Vec<Step> {
        if !self.has_failed() {
            return planned(&self.op);
        }
        let mut steps = Vec::new();
        if self.is_latched(StepName::Pause) && !self.world.is_being_deleted() {
            steps.extend(self.op.restore());
        }
        steps.push(RESUME);
        steps
    }

    /// Between pause and resume nothing is done unless the pause is held.
    fn guard(&self, step: StepName) -> Progress {
        match step {
            StepName::Pause | StepName::Resume => Progress::Done,
            _ => pause::hold(&self.op, self.world),
        }
    }

    fn is_latched(&self, step: StepName) -> bool {
        is_latched(&self.status, step)
    }

    fn has_failed(&self) -> bool {
        condition::is_true(&self.status.conditions, FAILED)
    }

    /// A step that is looked at for the first time gets its place in the list; the time is the base of its deadline, and of
    /// the time that applications are given. One that is still to come is of a clock that was put back since: it counts from
    /// now, or all would wait until that clock has caught up.
    fn open(&mut self, step: StepName) {
        let (type_, now) = (step.as_str(), self.now);
        match self.status.conditions.iter_mut().find(|it| it.type_ == type_) {
            None => self.set(type_, false, type_, ""),
            Some(opened) if opened.last_transition_time.0 > now => {
                opened.last_transition_time = Time(proof::whole_seconds(now));
            }
            Some(_) => {}
        }
    }

    fn say(&mut self, step: StepName, message: &str) {
        self.set(step.as_str(), false, step.as_str(), message);
    }

    fn latch(&mut self, step: StepName, message: &str) {
        self.set(step.as_str(), true, step.as_str(), message);
    }

    fn set(&mut self, type_: &str, status: bool, reason: &str, message: &str) {
        condition::set(
            &mut self.status.conditions,
            Condition::new(type_, status, reason, message, self.now),
        );
    }

    /// Parts of a step are only ever added, and only ever become true.
    fn mark(&mut self, step: &Step) {
        for mark in (step.trail)(&self.op, self.world) {
            if !condition::is_true(&self.status.conditions, &mark.type_) {
                self.set(&mark.type_, mark.done, "", &mark.message);
            }
        }
    }

    fn is_overdue(&self, step: StepName) -> bool {
        let Some(opened) = condition::find(&self.status.conditions, step.as_str()) else {
            return false;
        };
        let limit = self.op.step_timeout(step, self.world.replicas());
        self.now.duration_since(opened.last_transition_time.0) > limit
    }

    fn late(&self, step: StepName, why: &str) -> String {
        let limit = self.op.step_timeout(step, self.world.replicas());
        format!("not done within {limit:#}: {why}")
    }

    /// A step of the recipe fails the operation; one of the closing bracket is left behind, so that the other follows.
    fn give_up(&mut self, step: StepName, why: &str) {
        if matches!(step, StepName::Resume | StepName::RestoreDatabase) {
            let given_up = Condition {
                status: GIVEN_UP.to_owned(),
                ..Condition::new(step.as_str(), false, step.as_str(), why, self.now)
            };
            condition::set(&mut self.status.conditions, given_up);
            return;
        }
        self.say(step, why);
        self.fail(&format!("{}: {why}", step.as_str()));
    }

    fn fail(&mut self, why: &str) {
        self.set(FAILED, true, FAILED, why);
    }

    fn end(&mut self) -> Next {
        if self.has_failed() {
            self.status.phase = Some(OpsRequestPhase::Failed);
        } else {
            self.set(SUCCESSFUL, true, SUCCESSFUL, self.op.succeeded());
            self.status.phase = Some(OpsRequestPhase::Successful);
        }
        self.next(Vec::new(), None)
    }

    fn next(&self, effects: Vec<Effect>, waiting_for: Option<String>) -> Next {
        Next {
            status: self.status.clone(),
            effects,
            waiting_for,
            step_age: self
                .op
                .step_began
                .map(|began| self.now.duration_since(began))
                .unwrap_or_default(),
        }
    }
}

/// Effects in the words of conditions and logs.
fn list(effects: &[Effect]) -> String {
    let all: Vec<String> = effects.iter().map(ToString::to_string).collect();
    all.join(", ")
}
