//! Sessions of applications that the next phase would not admit: they are counted, waited for, and ended if the request
//! says so. Their number is written down before they are ended.

use api_types::ops_request::{Drain, DrainPolicy};
use jiff::SignedDuration;

use crate::effect::Effect;
use crate::moves::proof::all_there;
use crate::operation::Operation;
use crate::step::{Needs, Progress};
use crate::world::{Observed, World};

/// How long sessions may go on when the request does not say.
const DEFAULT_TIMEOUT: SignedDuration = SignedDuration::from_mins(1);

/// Waits until no session with TLS (`encrypted`), or without, is left on any member, or ends those that are left.
///
/// They are ended once: members still admit such sessions, so applications may be back at once. Those that come back are
/// for [`end_left`], when no member admits them any more.
pub fn sessions(op: &Operation, drain: &Drain, world: &World, encrypted: bool) -> Result<Progress, Progress> {
    if op.plan.sessions_ended.is_some() {
        return Ok(Progress::Done);
    }
    let left = left(world, encrypted)?;
    if left == 0 {
        return Ok(Progress::Done);
    }
    let timeout = timeout(drain);
    let age = op
        .step_began
        .map(|began| world.now.duration_since(began))
        .unwrap_or_default();
    let how = if encrypted { "with TLS" } else { "without TLS" };
    if age < timeout {
        return Ok(Progress::Wait(format!(
            "waits for {left} sessions {how} to end, {timeout:#} at most"
        )));
    }
    if drain.policy.unwrap_or_default() == DrainPolicy::Wait {
        return Ok(Progress::Impossible(format!(
            "{left} sessions {how} did not end within {timeout:#}; end them, or write drain: {{policy: Force}}, and create \
             the request again"
        )));
    }
    let mut plan = op.plan.clone();
    plan.sessions_ended = Some(left);
    let end = Effect::EndSessions { encrypted };
    Ok(Progress::ActOnce(Box::new(plan), vec![end]))
}

/// Ends what is left of such sessions, for when no member admits them any more: then nobody comes back.
pub fn end_left(world: &World, encrypted: bool) -> Result<Progress, Progress> {
    Ok(if left(world, encrypted)? == 0 {
        Progress::Done
    } else {
        Progress::Act(vec![Effect::EndSessions { encrypted }])
    })
}

/// How many there are on all members. A member that was not seen, or did not say, may have any number.
fn left(world: &World, encrypted: bool) -> Needs<i64> {
    if let Some(waiting) = all_there(world) {
        return Err(Progress::Wait(waiting));
    }
    let mut all = 0;
    for (pod, member) in &world.members {
        match &member.inside {
            Observed::Present(inside) if encrypted => all += inside.sessions.encrypted,
            Observed::Present(inside) => all += inside.sessions.plaintext,
            Observed::Absent | Observed::Unknown(_) => {
                return Err(Progress::Wait(format!(
                    "waits for {pod} to say which sessions it has"
                )));
            }
        }
    }
    Ok(all)
}

/// Validated with the request, see `request::check`.
pub fn timeout(drain: &Drain) -> SignedDuration {
    let given = drain.timeout.as_deref().and_then(|text| text.parse().ok());
    given.unwrap_or(DEFAULT_TIMEOUT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Inside, Member};

    fn drained(world: &World) -> Progress {
        let request = "{apiVersion: ops.kubedb.com/v1alpha1, kind: PostgresOpsRequest, metadata: {name: r}, \
                       spec: {databaseRef: {name: pg}, type: Restart}}";
        let op = crate::operation::parse(&serde_yaml::from_str(request).expect("a request"))
            .expect("an operation");
        crate::step::settle(sessions(&op, &Drain::default(), world, false))
    }

    #[test]
    fn a_member_that_was_not_seen_is_not_taken_for_one_without_sessions() {
        let mut world = World::default();
        assert!(matches!(drained(&world), Progress::Wait(_)));
        let mut member = Member::default();
        world.members.insert("pg-0".into(), member.clone());
        assert!(matches!(drained(&world), Progress::Wait(_)));
        member.inside = Observed::Present(Inside::default());
        world.members.insert("pg-0".into(), member);
        assert_eq!(drained(&world), Progress::Done);
    }
}
