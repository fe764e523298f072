//! Which member keeps every acknowledged row, and moving the primary role to it.

use instance::rows::{self, Keeper, Loss, MemberRows};

use crate::effect::MemberEffect;
use crate::operation::Operation;
use crate::step::Progress;
use crate::waiting::WaitingOn;
use crate::world::{Member, World};

/// Moves the primary role to a member that stays, unless it is there. The choice is persisted before it is acted on; it is
/// made again only when the chosen one can't take over any more.
pub fn to_one_of(op: &Operation, world: &World, stays: impl Fn(&str) -> bool) -> Progress {
    let keeper = match keeper(world, &stays) {
        Ok(keeper) => keeper,
        Err(loss) => return waiting(loss).into(),
    };
    let (Keeper::Standby(best), Some(leader)) = (keeper, world.leader()) else {
        return Progress::Done;
    };
    let is_able = |pod: &&str| {
        let member = world.members().get(*pod);
        stays(pod) && member.is_some_and(|member| member.unhealthy_reason(false).is_none())
    };
    if let Some(candidate) = op.progress.candidate.as_deref().filter(is_able) {
        let switchover = MemberEffect::Switchover {
            from: leader.to_owned(),
            to: candidate.to_owned(),
        };
        return Progress::Act(vec![switchover.into()]);
    }
    let mut progress = op.progress.clone();
    progress.candidate = Some(best.to_owned());
    progress.old_primary = Some(leader.to_owned());
    Progress::Choose(Box::new(progress))
}

/// The members that keep every acknowledged row when only these members stay.
///
/// # Errors
/// [`Loss`].
pub fn keeper(world: &World, stays: impl Fn(&str) -> bool) -> Result<Keeper<'_>, Loss> {
    let members: Vec<MemberRows<'_>> = world
        .members()
        .iter()
        .map(|(pod, member)| rows_of(pod, member, world.leader() == Some(pod)))
        .collect();
    rows::keeper(&members, stays)
}

/// What is waited for until no acknowledged row would be lost.
pub fn waiting(loss: Loss) -> WaitingOn {
    match loss {
        Loss::NoPrimary => WaitingOn::Primary,
        Loss::NoKeeper(lacks) => WaitingOn::Candidate(lacks),
    }
}

fn rows_of<'a>(pod: &'a str, member: &Member, is_leader: bool) -> MemberRows<'a> {
    MemberRows {
        name: pod,
        is_primary: is_leader,
        unhealthy: member.unhealthy_reason(is_leader),
        lag: member.patroni.present().and_then(|state| state.lag),
    }
}
