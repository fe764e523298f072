//! Sessions of applications that the next phase would not admit: they are counted, waited for, and ended if the request
//! says so. Their number is written down before they are ended.

use api_types::ops_request::{Drain, DrainPolicy};
use jiff::SignedDuration;

use crate::effect::Effect;
use crate::operation::Operation;
use crate::step::Progress;
use crate::world::{Observed, World};

/// How long sessions may go on when the request does not say.
const DEFAULT_TIMEOUT: SignedDuration = SignedDuration::from_mins(1);

/// Waits until no session with TLS (`encrypted`), or without, is left on any member.
pub fn sessions(op: &Operation, drain: &Drain, world: &World, encrypted: bool) -> Progress {
    let (left, unknown) = count(world, encrypted);
    if let Some(unknown) = unknown {
        return Progress::Wait(format!("waits for {unknown} to say which sessions it has"));
    }
    if left == 0 {
        return Progress::Done;
    }
    let timeout = timeout(drain);
    let age = op
        .step_began
        .map(|began| world.now.duration_since(began))
        .unwrap_or_default();
    let how = if encrypted { "with TLS" } else { "without TLS" };
    if age < timeout {
        return Progress::Wait(format!(
            "waits for {left} sessions {how} to end, {timeout:#} at most"
        ));
    }
    if drain.policy.unwrap_or_default() == DrainPolicy::Wait {
        return Progress::Impossible(format!(
            "{left} sessions {how} did not end within {timeout:#}; end them, or write drain: {{policy: Force}}, and create \
             the request again"
        ));
    }
    if op.plan.sessions_ended.is_none() {
        let mut plan = op.plan.clone();
        plan.sessions_ended = Some(left);
        return Progress::Choose(Box::new(plan));
    }
    Progress::Act(vec![Effect::EndSessions { encrypted }])
}

/// How many there are on all members, and a member that could not be asked.
fn count(world: &World, encrypted: bool) -> (i64, Option<&str>) {
    let mut all = 0;
    for (pod, member) in &world.members {
        match &member.inside {
            Observed::Present(inside) if encrypted => all += inside.sessions.encrypted,
            Observed::Present(inside) => all += inside.sessions.plaintext,
            Observed::Absent | Observed::Unknown(_) => return (all, Some(pod)),
        }
    }
    (all, None)
}

/// Validated with the request, see `request::check`.
pub fn timeout(drain: &Drain) -> SignedDuration {
    let given = drain.timeout.as_deref().and_then(|text| text.parse().ok());
    given.unwrap_or(DEFAULT_TIMEOUT)
}
