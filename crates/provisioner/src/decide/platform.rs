//! What keeps the platform from bringing members up, in its own words: the PetSet controller has found them.

use api_types::PetSet;
use api_types::reported::pet_set;
use k8s_openapi::api::apps::v1::StatefulSetCondition;

use crate::world::World;

/// Seconds that the PetSet controller may take to see a new PetSet.
const FIRST_REPORT_GRACE_SECONDS: i64 = 15;

/// Why members are not made or do not come up; `None` when nothing is known to be wrong.
pub fn trouble(world: &World) -> Option<String> {
    let pet_set = world.pet_set()?;
    let failure = condition(pet_set, pet_set::conditions::REPLICA_FAILURE);
    failure
        .and_then(|condition| condition.message.clone())
        .or_else(|| unseen(world, pet_set))
}

fn condition<'a>(pet_set: &'a PetSet, type_: &str) -> Option<&'a StatefulSetCondition> {
    let conditions = pet_set.status.as_ref()?.conditions.as_ref()?;
    conditions
        .iter()
        .find(|condition| condition.type_ == type_ && condition.status == "True")
}

/// A PetSet whose status nothing has written.
fn unseen(world: &World, pet_set: &PetSet) -> Option<String> {
    let created = pet_set.metadata.creation_timestamp.as_ref()?.0;
    let is_late = world.now.as_second() - created.as_second() >= FIRST_REPORT_GRACE_SECONDS;
    (pet_set.status.is_none() && is_late).then(|| {
        format!(
            "PetSet {} was created {} s ago and nothing has acted on it: does the operator petset run, and does it hold its Lease?",
            world.name(),
            world.now.as_second() - created.as_second()
        )
    })
}
