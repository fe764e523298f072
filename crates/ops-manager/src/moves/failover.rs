//! Which standby takes over, and moving the primary role to it.

use crate::effect::MemberEffect;
use crate::operation::Operation;
use crate::step::Progress;
use crate::waiting::WaitingOn;
use crate::world::World;

/// Moves the primary role away from `leader` to one of `standbys` (healthy and up to date). The choice is written down
/// before it is acted on; it is made again only when the chosen one can't take over any more.
pub fn away_from(op: &Operation, world: &World, leader: &str, standbys: &[&str]) -> Progress {
    let chosen = op
        .progress
        .candidate
        .as_deref()
        .filter(|candidate| standbys.contains(candidate));
    if let Some(candidate) = chosen {
        let switchover = MemberEffect::Switchover {
            from: leader.to_owned(),
            to: candidate.to_owned(),
        };
        return Progress::Act(vec![switchover.into()]);
    }
    let lag = |pod: &&&str| world.members().get(**pod).map_or(i64::MAX, |member| member.lag());
    let Some(candidate) = standbys.iter().min_by_key(lag) else {
        return WaitingOn::Candidate.into();
    };
    let mut progress = op.progress.clone();
    progress.candidate = Some((*candidate).to_owned());
    Progress::Choose(Box::new(progress))
}
