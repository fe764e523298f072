//! Restarting PostgreSQL in its Pod where a parameter waits for that, one member at a time.
//!
//! Standbys first: the first of them shows whether PostgreSQL starts with the parameters. But a standby never has a lower
//! `max_connections` (and four others) than its primary, so the primary takes a lower one first (PostgreSQL manual, "Hot Standby").

use blueprint::goes_down_on_the_primary_first;

use crate::effect::MemberEffect;
use crate::step::{Progress, StepResult};
use crate::waiting::WaitingOn;
use crate::world::{Member, World};

/// Members for which a parameter waits, as far as they report that.
pub fn pending(world: &World) -> Vec<(&str, &Member)> {
    let members = world.members().iter().map(|(pod, member)| (pod.as_str(), member));
    members.filter(|(_, member)| is_pending(member)).collect()
}

fn is_pending(member: &Member) -> bool {
    let by_patroni = member
        .patroni
        .present()
        .is_some_and(|state| state.pending_restart);
    let server = member
        .server
        .present()
        .and_then(|server| server.parameters.as_ref());
    by_patroni || server.is_some_and(|parameters| !parameters.pending.is_empty())
}

/// No parameter waits for a restart on any member, and each is healthy.
///
/// # Errors
/// What is next.
pub fn restart_pending(world: &World) -> StepResult<()> {
    let leader = world.all_pass(|_, _| Ok(()))?;
    if is_lowered(world, leader) {
        return Err(restart(leader));
    }
    let mut waiting = pending(world);
    waiting.sort_by_key(|(pod, member)| (*pod == leader, member.lag(), *pod));
    match waiting.first() {
        None => Ok(()),
        Some((pod, member))
            if !member
                .patroni
                .present()
                .is_some_and(|state| state.pending_restart) =>
        {
            let why = "its Patroni has not noticed yet that a parameter waits for a restart".to_owned();
            let pod = (*pod).to_owned();
            Err(WaitingOn::Member { pod, why }.into())
        }
        Some((pod, _)) => Err(restart(pod)),
    }
}

/// The primary has taken every parameter that goes down and that a standby can't take before it.
///
/// # Errors
/// What is next.
pub fn lowered_first(world: &World) -> StepResult<()> {
    match world.leader() {
        Some(leader) if is_lowered(world, leader) => Err(restart(leader)),
        _ => Ok(()),
    }
}

fn is_lowered(world: &World, leader: &str) -> bool {
    let member = world.members().get(leader);
    let Some(state) = member.and_then(|member| member.patroni.present()) else {
        return false;
    };
    let mut changes = state.pending.iter().filter(|_| state.pending_restart);
    changes.any(|(name, change)| {
        goes_down_on_the_primary_first(name, change.old_value.as_ref(), change.new_value.as_ref())
    })
}

fn restart(pod: &str) -> Progress {
    let pod = pod.to_owned();
    Progress::Act(vec![MemberEffect::RestartPostgres { pod }.into()])
}
