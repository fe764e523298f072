//! The lock on a database: taken before anything is touched, released in every end.

use api_types::vocabulary::PAUSED_BY;

use crate::effect::Effect;
use crate::operation::Operation;
use crate::step::{Progress, StepResult};
use crate::waiting::WaitingOn;
use crate::world::{Observed, World, paused_by_another};

/// What is done first, for a plan.
pub fn describe_hold() -> String {
    format!("provisioner is told by the annotation {PAUSED_BY} to leave the database alone")
}

/// Takes the pause and waits until the provisioner acknowledges it. It also guards every later step: when a person
/// removed the pause, the operator takes it again before it does anything else.
pub fn hold(op: &Operation, world: &World) -> StepResult {
    database_is_there(op, world)?;
    let own = op.holder();
    Ok(match world.holder() {
        Some(holder) if holder == own && world.acknowledged_holder().as_ref() == Some(&own) => Progress::Done,
        Some(holder) if holder == own => Progress::Wait(WaitingOn::PauseAcknowledgement),
        Some(holder) if world.holder_is_gone => Progress::Act(vec![Effect::DropPause(holder)]),
        Some(holder) => Progress::Wait(paused_by_another(&op.database, holder)),
        None => Progress::Act(vec![Effect::TakePause]),
    })
}

/// Gives the pause back and waits until the provisioner works again.
pub fn release(op: &Operation, world: &World) -> StepResult {
    let own = op.holder();
    Ok(match &world.postgres {
        Observed::Absent => Progress::Done,
        Observed::Unknown(why) => Progress::Wait(WaitingOn::Unread {
            what: "the Postgres".into(),
            why: why.clone(),
        }),
        Observed::Present(_) if world.holder().as_ref() == Some(&own) => {
            Progress::Act(vec![Effect::DropPause(own)])
        }
        Observed::Present(_) if world.is_being_deleted() => Progress::Done,
        Observed::Present(_) if world.acknowledged_holder().as_ref() == Some(&own) => {
            Progress::Wait(WaitingOn::PauseEnd)
        }
        Observed::Present(_) => Progress::Done,
    })
}

fn database_is_there(op: &Operation, world: &World) -> StepResult<()> {
    let database = format!("Postgres {}/{}", op.namespace, op.database);
    let postgres = match &world.postgres {
        Observed::Absent => {
            return Err(Progress::Impossible(format!(
                "{database} was deleted during the operation"
            )));
        }
        Observed::Unknown(why) => {
            let why = why.clone();
            return Err(WaitingOn::Unread { what: database, why }.into());
        }
        Observed::Present(postgres) => postgres,
    };
    if world.is_being_deleted() {
        return Err(Progress::Impossible(format!("{database} is being deleted")));
    }
    if op.progress.database_uid.is_some() && op.progress.database_uid != postgres.metadata.uid {
        let text = format!(
            "{database} was deleted and created again during the operation; create the request again"
        );
        return Err(Progress::Impossible(text));
    }
    Ok(())
}
