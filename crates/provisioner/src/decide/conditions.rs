//! Conditions that follow from what was observed, whatever the pass does: each is a function of the world. One that its
//! function does not return is taken away, so none outlives its cause.

use api_types::PauseHolder;
use api_types::postgres::{DeletionPolicy, conditions as types};
use api_types::reported::postgres::reasons;

use crate::decide::{claims, halt, hangs, issuer};
use crate::plan::Plan;
use crate::world::World;

/// A condition that is `True`.
struct Said {
    reason: &'static str,
    message: String,
    /// Whether people get a Warning Event, too; with the condition's type as its reason.
    is_news: bool,
}

/// A condition's type, and when it is there.
type Rule = (&'static str, fn(&World) -> Option<Said>);

/// Conditions that follow from the Postgres alone.
const OF_THE_OBJECT: [Rule; 3] = [
    (types::PAUSED, paused),
    (types::DELETION_BLOCKED, deletion_blocked),
    (types::UNSUPPORTED_FIELDS, unsupported_fields),
];

/// Conditions that need an observation.
const OF_A_LOOK: [Rule; 3] = [
    (types::HALTED, halted),
    (types::MEMBER_HANGS, member_hangs),
    (types::ISSUER_CA_CHANGED, issuer_ca_changed),
];

/// Sets the conditions that have a cause, and takes away those that have none.
pub fn observed(world: &World, plan: &mut Plan) {
    let of_a_look = OF_A_LOOK.iter().filter(|_| !world.is_object_alone());
    for (type_, of) in OF_THE_OBJECT.iter().chain(of_a_look) {
        let Some(said) = of(world) else {
            plan.remove(type_);
            continue;
        };
        plan.set(type_, true, said.reason, said.message.clone());
        if said.is_news {
            plan.tell(true, type_, said.message);
        }
    }
}

fn paused(world: &World) -> Option<Said> {
    let holder = world.kept_pause()?;
    Some(Said {
        // A request ends its pause by itself, a person may forget theirs.
        reason: match holder {
            PauseHolder::Request { .. } => reasons::PAUSED_BY_OPS_MANAGER,
            PauseHolder::Person { .. } => reasons::PAUSED,
        },
        message: format!("Paused by {holder}"),
        is_news: false,
    })
}

fn deletion_blocked(world: &World) -> Option<Said> {
    if world.is_deleting() && world.deletion_policy() == DeletionPolicy::Halt {
        return claims::keeps_up(world).map(|message| Said {
            reason: reasons::CLAIM_TERMINATING,
            message,
            is_news: true,
        });
    }
    world.is_deletion_blocked().then(|| Said {
        reason: reasons::DO_NOT_TERMINATE,
        message: format!(
            "postgres {:?} can't be terminated. To delete, change spec.deletionPolicy (now DoNotTerminate) to Halt, Delete or WipeOut",
            world.key(),
        ),
        is_news: true,
    })
}

fn unsupported_fields(world: &World) -> Option<Said> {
    let fields = blueprint::unsupported_fields(&world.postgres);
    (!fields.is_empty()).then(|| Said {
        reason: types::UNSUPPORTED_FIELDS,
        message: format!(
            "These fields are kept and nothing acts on them yet: {}",
            fields.join(", ")
        ),
        is_news: false,
    })
}

fn halted(world: &World) -> Option<Said> {
    let is_down = world.pet_set().is_none() && world.pods.is_empty();
    // A halted database stays so while it is paused, whatever its spec becomes meanwhile.
    let is_wanted = match world.kept_pause() {
        Some(_) => world.is_true(types::HALTED),
        None => world.is_halted() && !halt::is_forbidden(world),
    };
    (is_wanted && is_down).then(|| Said {
        reason: reasons::DATABASE_HALTED_SUCCESSFULLY,
        message: halt::message(world),
        is_news: false,
    })
}

fn member_hangs(world: &World) -> Option<Said> {
    let (cause, message) = hangs::noted(world)?;
    Some(Said {
        reason: hangs::reason(cause),
        message,
        is_news: true,
    })
}

fn issuer_ca_changed(world: &World) -> Option<Said> {
    let message = issuer::advice(world, &issuer::other_ca(world)?)?;
    Some(Said {
        reason: types::ISSUER_CA_CHANGED,
        message,
        is_news: true,
    })
}
