//! Patroni's ConfigMaps: the settings that it keeps for all members, as the spec has them (synchronous replication, and parameters
//! on which members must agree), and their guards against deployment tools.

use api_types::reported::postgres::events;
use api_types::vocabulary::PRUNE_GUARDS;
use blueprint::{DynamicChange, Resolved};
use k8s_openapi::api::core::v1::ConfigMap;

use crate::child::is_labelled_for;
use crate::decide::{parameters, slots};
use crate::plan::{Action, Plan};
use crate::world::World;

/// Adds what has to be written so that Patroni follows the spec. Not before the database was ready once: until then Patroni
/// writes its ConfigMap itself, and takes these settings from the members' file.
pub fn plan(world: &World, resolved: &Resolved, plan: &mut Plan) {
    // A ConfigMap of that name without Patroni's labels belongs to another owner.
    let is_its = |map: &&ConfigMap| world.is_provisioned() && is_labelled_for(&map.metadata, world.name());
    if let Some(map) = world.patroni.as_ref().filter(is_its) {
        configure(
            map,
            blueprint::dynamic_change(resolved, map, &slots::wanted(world, map)),
            plan,
        );
    }
    // Last, because the settings are written only if the ConfigMap has not changed since.
    let maps = world.patroni.iter().chain(&world.patroni_state);
    for map in maps.filter(is_its).filter(|map| !is_guarded(map)) {
        plan.act(Action::GuardConfigMap(Box::new(map.clone())));
    }
}

/// Users' replication slots are kept while a request holds the pause, too: it may end the primary's Pod.
pub fn keep_slots(world: &World, plan: &mut Plan) {
    let map = world.patroni.as_ref();
    let is_its = |map: &&ConfigMap| world.is_provisioned() && is_labelled_for(&map.metadata, world.name());
    if let Some(map) = map.filter(is_its) {
        configure(
            map,
            blueprint::slots_change(map, &slots::wanted(world, map)),
            plan,
        );
    }
}

fn configure(map: &ConfigMap, change: Option<DynamicChange>, plan: &mut Plan) {
    let Some(change) = change else { return };
    if !change.changes.is_empty() {
        let mut note = format!("Patroni was given {}", change.changes.join(", "));
        if change.needs_restart {
            let advice = parameters::advice(&change.lowered);
            note.push_str(&format!(
                "; members take some parameters only when they restart. {advice}"
            ));
        }
        plan.tell(false, events::DYNAMIC_CONFIGURATION_CHANGED, note);
    }
    plan.act(Action::ConfigurePatroni {
        map: Box::new(map.clone()),
        patch: change.patch,
    });
}

/// Whether every guard is there; a person may have given it another value.
fn is_guarded(map: &ConfigMap) -> bool {
    let annotations = map.metadata.annotations.as_ref();
    PRUNE_GUARDS
        .iter()
        .all(|(key, _)| annotations.is_some_and(|all| all.contains_key(*key)))
}
