//! The lock on a database: taken before anything is touched, released in every end.

use crate::effect::Effect;
use crate::operation::Operation;
use crate::step::Progress;
use crate::world::{Observed, World, paused_by_another};

/// Takes the pause and waits until the provisioner says that it keeps off. Also the guard of every later step: a pause
/// that somebody took away is taken again before anything else is done.
pub fn hold(op: &Operation, world: &World) -> Progress {
    if let Err(progress) = database_is_there(op, world) {
        return progress;
    }
    let own = op.holder();
    match world.holder() {
        Some(holder) if holder == own && world.acknowledged(&own) => Progress::Done,
        Some(holder) if holder == own => {
            Progress::Wait("waits for provisioner to acknowledge the pause".into())
        }
        Some(holder) if world.holder_is_gone => Progress::Act(vec![Effect::DropPause(holder.to_owned())]),
        Some(holder) => Progress::Wait(paused_by_another(&op.database, holder)),
        None => Progress::Act(vec![Effect::TakePause]),
    }
}

/// Gives the pause back and waits until the provisioner works again.
pub fn release(op: &Operation, world: &World) -> Progress {
    let own = op.holder();
    match &world.postgres {
        Observed::Absent => Progress::Done,
        Observed::Unknown(why) => Progress::Wait(format!("the Postgres could not be read: {why}")),
        Observed::Present(_) if world.holder() == Some(own.as_str()) => {
            Progress::Act(vec![Effect::DropPause(own)])
        }
        Observed::Present(_) if world.is_being_deleted() => Progress::Done,
        Observed::Present(_) if world.acknowledged(&own) => {
            Progress::Wait("waits for provisioner to see that the pause has ended".into())
        }
        Observed::Present(_) => Progress::Done,
    }
}

fn database_is_there(op: &Operation, world: &World) -> Result<(), Progress> {
    let database = format!("Postgres {}/{}", op.namespace, op.database);
    let postgres = match &world.postgres {
        Observed::Absent => {
            return Err(Progress::Impossible(format!(
                "{database} was deleted during the operation"
            )));
        }
        Observed::Unknown(why) => return Err(Progress::Wait(format!("{database} could not be read: {why}"))),
        Observed::Present(postgres) => postgres,
    };
    if world.is_being_deleted() {
        return Err(Progress::Impossible(format!("{database} is being deleted")));
    }
    if op.plan.database_uid.is_some() && op.plan.database_uid != postgres.metadata.uid {
        let text =
            format!("{database} was deleted and made anew during the operation; create the request again");
        return Err(Progress::Impossible(text));
    }
    Ok(())
}
