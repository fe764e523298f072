//! Which standby takes over, and moving the primary role to it.

use crate::effect::Effect;
use crate::operation::Operation;
use crate::step::Progress;
use crate::world::World;

/// Moves the primary role away from `leader` to one of `standbys` (healthy and up to date). The choice is written down
/// before it is acted on; it is made anew only when the chosen one can't take over any more.
pub fn away_from(op: &Operation, world: &World, leader: &str, standbys: &[&str]) -> Progress {
    let chosen = op
        .plan
        .candidate
        .as_deref()
        .filter(|candidate| standbys.contains(candidate));
    if let Some(candidate) = chosen {
        return Progress::Act(vec![Effect::Switchover {
            from: leader.to_owned(),
            to: candidate.to_owned(),
        }]);
    }
    let lag = |pod: &&&str| world.members.get(**pod).map_or(i64::MAX, |member| member.lag());
    let Some(candidate) = standbys.iter().min_by_key(lag) else {
        return Progress::Wait("waits for a standby that can take over".into());
    };
    let mut plan = op.plan.clone();
    plan.candidate = Some((*candidate).to_owned());
    Progress::Choose(Box::new(plan))
}
