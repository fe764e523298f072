//! What Patroni keeps for all members alike, brought up to date in a living database.
//!
//! Patroni writes `bootstrap.dcs` to the annotation `config` of the ConfigMap `<db>-config` when the database is made, and
//! reads that annotation from then on (Patroni, "Dynamic Configuration Settings"); `patronictl edit-config` writes it too.
//! Only what comes of the spec is written here; other keys, and parameters from other writers, stay.

use std::collections::BTreeSet;

use api_types::vocabulary::DYNAMIC_PARAMETERS;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Map, Value, json};

use crate::pg::patroni::dynamic;
use crate::pg::slots::{self, UserSlots};
use crate::resolved::Resolved;

/// Patroni's annotation with the dynamic configuration, JSON.
const CONFIG: &str = "config";
/// Parameters that members take up without a restart.
const RELOADED: [&str; 6] = [
    "hot_standby_feedback",
    "max_slot_wal_keep_size",
    "sync_replication_slots",
    "synchronous_commit",
    "wal_keep_segments",
    "wal_keep_size",
];

/// A change of Patroni's dynamic configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct DynamicChange {
    /// The merge patch for the ConfigMap.
    pub patch: Value,
    /// What is different, in the form `synchronous_mode "off" → "quorum"`; empty when only the record of whose parameters
    /// are there is.
    pub changes: Vec<String>,
    /// Whether members have to restart to take it all.
    pub needs_restart: bool,
    /// Parameters that go down, and that the primary must take before a standby can.
    pub lowered: Vec<String>,
}

/// Parameters that a standby must have at least as large as its primary (PostgreSQL manual, "Hot Standby",
/// "Administrator's Overview").
const AT_LEAST_AS_THE_PRIMARY: [&str; 5] = [
    "max_connections",
    "max_locks_per_transaction",
    "max_prepared_transactions",
    "max_wal_senders",
    "max_worker_processes",
];

/// Whether a parameter goes down that the primary must take before a standby can.
pub fn goes_down_on_the_primary_first(parameter: &str, old: Option<&Value>, new: Option<&Value>) -> bool {
    let number = |value: Option<&Value>| match value? {
        Value::String(text) => text.parse::<i64>().ok(),
        other => other.as_i64(),
    };
    let goes_down = matches!((number(old), number(new)), (Some(old), Some(new)) if new < old);
    AT_LEAST_AS_THE_PRIMARY.contains(&parameter) && goes_down
}

/// What has to change in Patroni's ConfigMap for the spec to be followed, and for replication slots that users made to stay.
/// `None` when nothing has, and when there is no configuration in it that could be read.
pub fn dynamic_change(resolved: &Resolved, map: &ConfigMap, user_slots: &UserSlots) -> Option<DynamicChange> {
    let now = configuration(map)?;
    let wanted = serde_json::to_value(dynamic(resolved)).expect("maps with string keys are always JSON");
    let ours = parameters_of(wanted.as_object()?).clone();
    let recorded = record(map);
    let withdrawn: BTreeSet<&str> = recorded
        .split(',')
        .filter(|name| !name.is_empty() && !ours.contains_key(*name))
        .collect();
    let names: Vec<&str> = ours.keys().map(String::as_str).collect();
    let wanted = [wanted, slots::settings(user_slots, map)];
    change(now, &wanted, &withdrawn, recorded, &names.join(","))
}

/// As [`dynamic_change`], for the replication slots alone.
pub fn slots_change(map: &ConfigMap, user_slots: &UserSlots) -> Option<DynamicChange> {
    let wanted = [slots::settings(user_slots, map)];
    let recorded = record(map);
    change(configuration(map)?, &wanted, &BTreeSet::new(), recorded, recorded)
}

/// The dynamic configuration in Patroni's ConfigMap.
pub(super) fn configuration(map: &ConfigMap) -> Option<Map<String, Value>> {
    let annotations = map.metadata.annotations.as_ref()?;
    match serde_json::from_str(annotations.get(CONFIG)?) {
        Ok(Value::Object(now)) => Some(now),
        _ => None,
    }
}

/// Names of the parameters there that come of the spec.
fn record(map: &ConfigMap) -> &str {
    let annotations = map.metadata.annotations.as_ref();
    let recorded = annotations.and_then(|all| all.get(DYNAMIC_PARAMETERS));
    recorded.map_or("", String::as_str)
}

fn change(
    now: Map<String, Value>,
    wanted: &[Value],
    withdrawn: &BTreeSet<&str>,
    recorded: &str,
    record: &str,
) -> Option<DynamicChange> {
    let mut next = Value::Object(now.clone());
    for patch in wanted {
        json_patch::merge(&mut next, patch);
    }
    if let Some(Value::Object(all)) = next.pointer_mut("/postgresql/parameters") {
        all.retain(|name, _| !withdrawn.contains(name.as_str()));
    }
    let Value::Object(next) = next else { return None };
    if next == now && record == recorded {
        return None;
    }
    let of_parameters = differences(parameters_of(&now), parameters_of(&next));
    let needs_restart = of_parameters
        .iter()
        .any(|(name, _)| !RELOADED.contains(&name.as_str()));
    let lowered = of_parameters.iter().map(|(name, _)| name.clone()).filter(|name| {
        let value = |map| parameters_of(map).get(name);
        goes_down_on_the_primary_first(name, value(&now), value(&next))
    });
    let lowered = lowered.collect();
    let rest = differences(&without_parameters(&now), &without_parameters(&next));
    Some(DynamicChange {
        patch: json!({"metadata": {"annotations": {
            CONFIG: Value::Object(next).to_string(),
            DYNAMIC_PARAMETERS: record,
        }}}),
        changes: rest
            .into_iter()
            .chain(of_parameters)
            .map(|(_, change)| change)
            .collect(),
        needs_restart,
        lowered,
    })
}

fn parameters_of(config: &Map<String, Value>) -> &Map<String, Value> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    config
        .get("postgresql")
        .and_then(|postgresql| postgresql.get("parameters"))
        .and_then(Value::as_object)
        .unwrap_or(&NONE)
}

/// Everything but the parameters, in one level.
fn without_parameters(config: &Map<String, Value>) -> Map<String, Value> {
    let inner = config.get("postgresql").and_then(Value::as_object);
    let outer = config.iter().filter(|(name, _)| *name != "postgresql");
    let inner = inner
        .into_iter()
        .flatten()
        .filter(|(name, _)| *name != "parameters");
    outer
        .chain(inner)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn differences(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<(String, String)> {
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let of = |map: &Map<String, Value>, name: &String| {
        map.get(name).map_or_else(|| "unset".to_owned(), Value::to_string)
    };
    names
        .into_iter()
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| {
            (
                name.clone(),
                format!("{name} {} → {}", of(old, name), of(new, name)),
            )
        })
        .collect()
}
