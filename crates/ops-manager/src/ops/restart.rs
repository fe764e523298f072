//! `Restart`: every Pod is made anew, standbys first, the old primary last.

use crate::moves::{config, rolling};
use crate::operation::Operation;
use crate::step::{Progress, Step, StepName, settle};
use crate::world::{Member, World};

/// The steps of a restart.
pub const RECIPE: &[Step] = &[
    Step::new(
        StepName::UpdatePetSets,
        "Successfully updated petsets for restart type",
        ask_for_new_pods,
    ),
    Step::new(
        StepName::RestartNodes,
        "Successfully restarted all nodes",
        restart,
    )
    .with_trail(rolling::trail),
];

/// The PetSet's template gets this request's token, so that every Pod is of an old revision.
fn ask_for_new_pods(op: &Operation, world: &World) -> Progress {
    settle(config::restart_token(op, world))
}

fn restart(op: &Operation, world: &World) -> Progress {
    settle(rolling::restart(op, world, &|_: &str, _: &Member| Ok(())))
}
