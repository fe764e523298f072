//! From an operation, what was persisted of it and the observed world to what is written down and done next. Pure.
//!
//! Every operation is `[Pause] ++ recipe ++ [Resume]`; when the recipe can't be finished, `[restore] ++ [Resume]`. A step
//! that is seen done is latched as a condition and never evaluated again, because later steps undo what earlier ones
//! established. The caller writes [`Next::status`] before it performs [`Next::effects`].

use api_types::condition::{self, Condition};
use api_types::ops_request::{OperationProgress, OpsRequestPhase, PostgresOpsRequestStatus};
use api_types::reported::ops_request::conditions;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::data_guard;
use crate::effect::Effect;
use crate::member_status::{self, whole_seconds};
use crate::moves::pause;
use crate::operation::Operation;
use crate::step::{Progress, Step, StepResult, WakeOn};
use crate::waiting::WaitingOn;
use crate::world::World;

/// Condition of a request that ended, or is ending, without success.
pub const FAILED: &str = conditions::FAILED;
/// Condition of a request that ended well.
pub const SUCCESSFUL: &str = conditions::SUCCESSFUL;
/// Conditions that are not those of one attempt.
const KEPT_BETWEEN_ATTEMPTS: [&str; 4] = [
    conditions::APPROVED,
    conditions::MERGED_FROM_OPS,
    conditions::ORIGINAL_OPS_SKIPPED,
    conditions::RETRYING,
];
/// Status of a step that was given up: it is not tried again, and must not be taken for done.
const GIVEN_UP: &str = "Unknown";

/// Opens every operation.
pub const PAUSE: Step = Step::new(
    conditions::DATABASE_PAUSE_SUCCEEDED,
    "Successfully paused database",
    |_, _| pause::describe_hold(),
    pause::hold,
)
.without_members()
.waking_on(WakeOn::PauseAcknowledged);
/// Closes every operation, however it ends.
pub const RESUME: Step = Step::new(
    conditions::DATABASE_RESUME_SUCCEEDED,
    "Successfully resumed database",
    |_, _| "the pause is taken away".into(),
    pause::release,
)
.without_members()
.waking_on(WakeOn::PauseReleased);

/// All steps of an operation that nothing goes wrong in.
pub fn planned(op: &Operation) -> Vec<Step> {
    let mut steps = vec![PAUSE];
    steps.extend(op.type_.recipe(op));
    steps.push(RESUME);
    steps
}

/// The step that is due by what was persisted. It decides what is observed, done and waited for in one pass.
#[derive(Clone, Copy)]
pub enum Due {
    /// This one, of an operation that goes well.
    Step(Step),
    /// A step of the way back.
    Restore,
    /// None: the operation has ended, but for its last words.
    End,
}

impl Due {
    /// By the persisted status.
    pub fn of(op: &Operation, status: &PostgresOpsRequestStatus) -> Self {
        if condition::is_true(&status.conditions, FAILED) {
            return Self::Restore;
        }
        let mut steps = planned(op).into_iter();
        steps
            .find(|step| !is_latched(status, step))
            .map_or(Self::End, Self::Step)
    }

    /// Whether the Postgres alone is enough to go on.
    pub fn is_resume(&self) -> bool {
        matches!(self, Self::Step(step) if step.condition == RESUME.condition)
    }

    /// Whether it needs the members' reports.
    pub fn asks_members(&self) -> bool {
        match self {
            Self::Step(step) => step.asks_members,
            Self::Restore => true,
            Self::End => false,
        }
    }

    /// What ends a wait for it.
    pub fn wakes_on(&self) -> WakeOn {
        match self {
            Self::Step(step) => step.wakes_on,
            Self::Restore | Self::End => WakeOn::Time,
        }
    }
}

/// What to persist, then what to do.
#[derive(Debug)]
pub struct Next {
    /// The status to write first.
    pub status: PostgresOpsRequestStatus,
    /// What to do then, in this order.
    pub effects: Vec<Effect>,
    /// What is waited for, for the log.
    pub waiting_on: Option<WaitingOn>,
    /// How long the step has been due.
    pub step_age: SignedDuration,
}

impl Next {
    /// Whether nothing will follow.
    pub fn has_ended(&self) -> bool {
        self.status.phase.is_some_and(OpsRequestPhase::is_terminal)
    }

    /// Whether this attempt has ended; another one may follow.
    pub fn has_stopped(&self) -> bool {
        self.status.phase != Some(OpsRequestPhase::Progressing)
    }
}

/// One pass over the world. `cancelled` is set when the request is being deleted.
pub fn advance(
    op: &Operation,
    status: &PostgresOpsRequestStatus,
    world: &World,
    cancelled: bool,
    now: Timestamp,
) -> Next {
    let mut pass = Pass::new(op, status, world, now);
    pass.is_cancelled = cancelled;
    pass.status.members = member_status::observed(op, world, &status.members, now);
    if cancelled && !pass.has_failed() && !is_latched(status, &RESUME) {
        pass.fail("the request was deleted while it ran");
    }
    // Each turn latches a step, makes a choice or fails the operation once, so there is an end.
    loop {
        if let Some(next) = pass.turn() {
            return next;
        }
    }
}

/// The first step of an operation that was just admitted, in the world of its admission. That world has nothing more, so
/// the next step needs another observation.
pub fn begin(op: &Operation, status: &PostgresOpsRequestStatus, world: &World, now: Timestamp) -> Next {
    let mut pass = Pass::new(op, status, world, now);
    let first = pass.turn();
    first.unwrap_or_else(|| pass.next(Vec::new(), None))
}

/// Done, or given up.
fn is_latched(status: &PostgresOpsRequestStatus, step: &Step) -> bool {
    condition::find(&status.conditions, step.condition).is_some_and(|condition| !condition.is_false())
}

struct Pass<'a> {
    op: Operation,
    status: PostgresOpsRequestStatus,
    world: &'a World,
    now: Timestamp,
    is_cancelled: bool,
}

impl<'a> Pass<'a> {
    fn new(op: &Operation, status: &PostgresOpsRequestStatus, world: &'a World, now: Timestamp) -> Self {
        Self {
            op: op.clone(),
            status: status.clone(),
            world,
            now,
            is_cancelled: false,
        }
    }

    /// Evaluates the first step that is not latched. `None`: evaluate the next one in the same world.
    fn turn(&mut self) -> Option<Next> {
        let Some(step) = self
            .steps()
            .into_iter()
            .find(|step| !is_latched(&self.status, step))
        else {
            return Some(self.end());
        };
        let is_blind = self.world.members.is_none() && step.asks_members;
        if is_blind && !step.acts_unseen {
            return Some(self.next(Vec::new(), None));
        }
        self.open(&step);
        self.op.step_began = condition::find(&self.status.conditions, step.condition)
            .map(|condition| condition.last_transition_time.0);
        self.op.committed = self.is_committed();
        let progress = self.look(&step).unwrap_or_else(|progress| progress);
        // Only what can be known without the members is believed.
        if is_blind && !matches!(progress, Progress::Act(_) | Progress::Done) {
            return Some(self.next(Vec::new(), None));
        }
        self.report_parts(&step);
        self.follow(&step, progress)
    }

    /// Between pause and resume nothing is done unless the pause is held, and nothing at all that data would be lost by.
    fn look(&self, step: &Step) -> StepResult {
        if ![PAUSE.condition, RESUME.condition].contains(&step.condition) {
            pause::hold(&self.op, self.world)?.require_done()?;
        }
        // What has to be done first comes as an error of the step, and is checked too.
        let progress = (step.advance)(&self.op, self.world).unwrap_or_else(|progress| progress);
        if let Progress::Act(effects) | Progress::ActOnce(_, effects) = &progress {
            data_guard::check(&self.op, self.world, effects)?;
        }
        Ok(progress)
    }

    /// Records the result of the step; `None`: evaluate the next one in the same world.
    fn follow(&mut self, step: &Step, progress: Progress) -> Option<Next> {
        match progress {
            Progress::Done => {
                let done = step.done_for.map(|done_for| done_for(&self.op));
                self.set(
                    step.condition,
                    true,
                    step.condition,
                    done.as_deref().unwrap_or(step.done),
                );
            }
            Progress::Choose(choices) if self.op.progress != *choices => self.remember(*choices),
            Progress::Choose(_) => self.give_up(step, "made the same choice twice; this is a bug"),
            Progress::Impossible(why) => self.give_up(step, &why),
            Progress::ActOnce(choices, effects) => {
                self.remember(*choices);
                self.report(step, &list(&effects));
                return Some(self.next(effects, None));
            }
            Progress::Wait(waiting) if self.is_overdue(step) => self.give_up_late(step, &waiting.to_string()),
            Progress::Act(effects) if self.is_overdue(step) && step.condition != RESUME.condition => {
                self.give_up_late(step, &format!("still had to: {}", self.tried(&effects)));
            }
            Progress::Wait(waiting) => {
                self.report(step, &waiting.to_string());
                return Some(self.next(Vec::new(), Some(waiting)));
            }
            Progress::Act(effects) => {
                self.report(step, &self.tried(&effects));
                return Some(self.next(effects, None));
            }
        }
        None
    }

    fn remember(&mut self, choices: OperationProgress) {
        self.status.progress = Some(choices.clone());
        self.op.progress = choices;
    }

    /// The steps in force. Without a pause there was nothing to touch, so there is nothing to restore.
    fn steps(&self) -> Vec<Step> {
        if !self.has_failed() {
            return planned(&self.op);
        }
        let mut steps = Vec::new();
        if is_latched(&self.status, &PAUSE) && !self.world.is_being_deleted() {
            steps.extend(self.op.type_.restore());
        }
        steps.push(RESUME);
        steps
    }

    /// Whether the spec has the new settings, also on the way back.
    fn is_committed(&self) -> bool {
        let mut steps = planned(&self.op).into_iter();
        steps.any(|step| step.is_commit && is_latched(&self.status, &step))
    }

    fn has_failed(&self) -> bool {
        condition::is_true(&self.status.conditions, FAILED)
    }

    /// A step that is evaluated for the first time gets its place in the list. The time is the base of its deadline, and of
    /// the overlap that applications get. A timestamp in the future means that the clock was set back: the deadline is
    /// restarted from `now`.
    fn open(&mut self, step: &Step) {
        let (type_, now) = (step.condition, self.now);
        match self.status.conditions.iter_mut().find(|it| it.type_ == type_) {
            None => self.set(type_, false, type_, ""),
            Some(opened) if opened.last_transition_time.0 > now => {
                opened.last_transition_time = Time(whole_seconds(now));
            }
            Some(_) => {}
        }
    }

    /// The effects, and why they did not succeed when they were tried last.
    fn tried(&self, effects: &[Effect]) -> String {
        let effects = list(effects);
        match &self.op.last_failure {
            Some(failure) if failure.effects == effects => {
                format!("{effects}; the last try failed: {}", failure.why)
            }
            _ => effects,
        }
    }

    fn report(&mut self, step: &Step, message: &str) {
        self.set(step.condition, false, step.condition, message);
    }

    fn set(&mut self, type_: &str, status: bool, reason: &str, message: &str) {
        condition::set(
            &mut self.status.conditions,
            Condition::new(type_, status, reason, message, self.now),
        );
    }

    /// Parts of a step are only ever added, and only ever become true.
    fn report_parts(&mut self, step: &Step) {
        for part in (step.sub_conditions)(&self.op, self.world) {
            if !condition::is_true(&self.status.conditions, &part.type_) {
                self.set(&part.type_, part.done, "", &part.message);
            }
        }
    }

    fn is_overdue(&self, step: &Step) -> bool {
        let Some(opened) = condition::find(&self.status.conditions, step.condition) else {
            return false;
        };
        let limit = self.op.step_timeout(step, self.world.replicas());
        self.now.duration_since(opened.last_transition_time.0) > limit
    }

    /// What was too slow may be done in time when it is tried again.
    fn give_up_late(&mut self, step: &Step, why: &str) {
        if !self.has_failed() && !self.op.committed {
            self.remember(OperationProgress {
                timed_out: true,
                ..self.op.progress.clone()
            });
        }
        let limit = self.op.step_timeout(step, self.world.replicas());
        self.give_up(step, &format!("not done within {limit:#}: {why}"));
    }

    /// A step of the recipe fails the operation; one of the way back is left behind, so that the next one follows.
    fn give_up(&mut self, step: &Step, why: &str) {
        if self.has_failed() || step.condition == RESUME.condition {
            let given_up = Condition {
                status: GIVEN_UP.to_owned(),
                ..Condition::new(step.condition, false, step.condition, why, self.now)
            };
            condition::set(&mut self.status.conditions, given_up);
            return;
        }
        self.report(step, why);
        self.fail(&format!("{}: {why}", step.condition));
    }

    fn fail(&mut self, why: &str) {
        self.set(FAILED, true, FAILED, why);
    }

    /// A failed attempt was undone, and another one is allowed.
    fn is_tried_again(&self) -> bool {
        let progress = &self.op.progress;
        let is_undone = |step: &Step| condition::is_true(&self.status.conditions, step.condition);
        progress.timed_out
            && progress.failed_attempts + 1 < self.op.attempts()
            && !self.is_cancelled
            && !self.world.is_being_deleted()
            && self.steps().iter().all(is_undone)
    }

    /// Back to the queue, with nothing of this attempt but why it failed.
    fn try_again(&mut self) {
        let failed = condition::find(&self.status.conditions, FAILED).and_then(|it| it.message.clone());
        let attempt = self.op.progress.failed_attempts + 1;
        let message = format!(
            "attempt {attempt} of {} failed and was undone: {}",
            self.op.attempts(),
            failed.unwrap_or_default()
        );
        self.status
            .conditions
            .retain(|it| KEPT_BETWEEN_ATTEMPTS.contains(&it.type_.as_str()));
        self.set(conditions::RETRYING, true, conditions::RETRYING, &message);
        self.remember(OperationProgress {
            failed_attempts: attempt,
            ..OperationProgress::default()
        });
        self.status.phase = Some(OpsRequestPhase::Pending);
    }

    fn end(&mut self) -> Next {
        if self.has_failed() && self.is_tried_again() {
            self.try_again();
        } else if self.has_failed() {
            self.status.phase = Some(OpsRequestPhase::Failed);
        } else {
            self.set(SUCCESSFUL, true, SUCCESSFUL, self.op.type_.succeeded());
            self.status.phase = Some(OpsRequestPhase::Successful);
        }
        self.next(Vec::new(), None)
    }

    fn next(&self, effects: Vec<Effect>, waiting_on: Option<WaitingOn>) -> Next {
        Next {
            status: self.status.clone(),
            effects,
            waiting_on,
            step_age: self.op.step_age(self.now),
        }
    }
}

/// Effects in the words of conditions and logs.
pub fn list(effects: &[Effect]) -> String {
    let all: Vec<String> = effects.iter().map(ToString::to_string).collect();
    all.join(", ")
}
