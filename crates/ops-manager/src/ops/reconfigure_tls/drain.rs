//! Sessions of applications that the next phase would not admit: the operator counts them, waits for them, and ends
//! them if the request allows it. It records their number before it ends them.

use api_types::ops_request::{Drain, DrainPolicy};
use jiff::SignedDuration;

use crate::effect::MemberEffect;
use crate::operation::Operation;
use crate::step::{Progress, StepResult};
use crate::waiting::{WaitingOn, with_tls};
use crate::world::{Observed, World};

/// How long sessions may go on when the request sets no timeout.
const DEFAULT_DRAIN_TIMEOUT: SignedDuration = SignedDuration::from_mins(1);

/// Waits until no session with TLS (`encrypted`), or without, is left on any member, or ends those that are left.
///
/// They are ended once: members still admit such sessions, so applications may be back at once. Those that come back are
/// for [`end_left`], when no member admits them any more.
pub fn sessions(op: &Operation, drain: &Drain, world: &World, encrypted: bool) -> StepResult {
    if op.progress.sessions_ended.is_some() {
        return Ok(Progress::Done);
    }
    let left = left(world, encrypted)?;
    if left == 0 {
        return Ok(Progress::Done);
    }
    let timeout = timeout(drain);
    if op.step_age(world.now) < timeout {
        return Err(WaitingOn::Sessions {
            left,
            encrypted,
            timeout,
        }
        .into());
    }
    let how = with_tls(encrypted);
    if drain.policy.unwrap_or_default() == DrainPolicy::Wait {
        return Ok(Progress::Impossible(format!(
            "{left} sessions {how} did not end within {timeout:#}; end them, or write drain: {{policy: Force}}, and create \
             the request again"
        )));
    }
    let mut progress = op.progress.clone();
    progress.sessions_ended = Some(left);
    let end = MemberEffect::EndSessions { encrypted };
    Ok(Progress::ActOnce(Box::new(progress), vec![end.into()]))
}

/// Ends what is left of such sessions, for when no member admits them any more: then they can't come back.
pub fn end_left(world: &World, encrypted: bool) -> StepResult {
    Ok(if left(world, encrypted)? == 0 {
        Progress::Done
    } else {
        Progress::Act(vec![MemberEffect::EndSessions { encrypted }.into()])
    })
}

/// How many there are on all members. A member that was not seen, or did not report, may have any number.
fn left(world: &World, encrypted: bool) -> StepResult<i64> {
    world.all_seen()?;
    let mut all = 0;
    for (pod, member) in world.members() {
        match &member.server {
            Observed::Present(server) if encrypted => all += server.sessions.encrypted,
            Observed::Present(server) => all += server.sessions.plaintext,
            Observed::Absent | Observed::Unknown(_) => {
                return Err(WaitingOn::SessionCount { pod: pod.clone() }.into());
            }
        }
    }
    Ok(all)
}

/// Validated with the request, see `request::check`.
pub fn timeout(drain: &Drain) -> SignedDuration {
    let given = drain.timeout.as_deref().and_then(|text| text.parse().ok());
    given.unwrap_or(DEFAULT_DRAIN_TIMEOUT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Member, Members, ServerState};

    fn drained(world: &World) -> Progress {
        let request = "{apiVersion: ops.kubedb.com/v1alpha1, kind: PostgresOpsRequest, metadata: {name: r}, \
                       spec: {databaseRef: {name: pg}, type: Restart}}";
        let op = crate::operation::parse(&serde_yaml::from_str(request).expect("a request"))
            .expect("an operation");
        sessions(&op, &Drain::default(), world, false).unwrap_or_else(|progress| progress)
    }

    #[test]
    fn a_member_that_was_not_seen_is_not_taken_for_one_without_sessions() {
        let mut world = World::default();
        assert!(matches!(drained(&world), Progress::Wait(_)));
        let with = |member: &Member| Members {
            by_pod: [("pg-0".to_owned(), member.clone())].into(),
            ..Members::default()
        };
        let mut member = Member::default();
        world.members = Some(with(&member));
        assert!(matches!(drained(&world), Progress::Wait(_)));
        member.server = Observed::Present(ServerState::default());
        world.members = Some(with(&member));
        assert_eq!(drained(&world), Progress::Done);
    }
}
