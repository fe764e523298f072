//! The settings that Patroni keeps for all members, as the spec has them: synchronous replication, and parameters on which
//! members must agree.

use api_types::reported::postgres::events;
use blueprint::Resolved;

use crate::child::is_labelled_for;
use crate::plan::{Action, Plan};
use crate::world::World;

/// Adds what has to be written so that Patroni follows the spec. Not before the database was ready once: until then Patroni
/// writes its ConfigMap itself, and takes these settings from the members' file.
pub fn plan(world: &World, resolved: &Resolved, plan: &mut Plan) {
    let map = world.patroni.as_ref().filter(|map| {
        // A ConfigMap of that name without Patroni's labels is somebody else's.
        world.is_provisioned() && is_labelled_for(&map.metadata, world.name())
    });
    let Some(map) = map else { return };
    let Some(change) = blueprint::dynamic_change(resolved, map) else {
        return;
    };
    if !change.changes.is_empty() {
        let mut note = format!("Patroni was given {}", change.changes.join(", "));
        if change.needs_restart {
            note.push_str("; members take parameters when they start anew: create a request of type Restart");
        }
        plan.tell(false, events::DYNAMIC_CONFIGURATION_CHANGED, note);
    }
    plan.act(Action::ConfigurePatroni {
        map: Box::new(map.clone()),
        patch: change.patch,
    });
}
