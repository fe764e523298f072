//! Patroni's settings for replication slots that users made.
//!
//! When a member starts or changes its role, Patroni drops every slot that it does not know (Patroni 4.1,
//! `SlotsHandler._drop_incorrect_slots`), but for those that `ignore_slots` of the dynamic configuration matches; and it never
//! sees slots that standbys synchronise (`failover`, since PostgreSQL 17).

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::{Value, json};

use crate::pg::dynamic::configuration;

/// Replication slots that users made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserSlots {
    /// Names of physical slots. Patroni has to know each by its name: it makes such slots itself, for members.
    pub physical: BTreeSet<String>,
    /// Whether there is one that standbys are to synchronise.
    pub has_failover: bool,
}

impl UserSlots {
    /// Those in Patroni's recorded settings.
    pub fn recorded(map: &ConfigMap) -> Self {
        let config = configuration(map).map(Value::Object).unwrap_or_default();
        let matchers = config.get(IGNORED).and_then(Value::as_array);
        let names = matchers.into_iter().flatten();
        let names = names.filter_map(|it| it.get("name")?.as_str().map(str::to_owned));
        let synchronises = config.pointer("/postgresql/parameters/sync_replication_slots");
        Self {
            physical: names.collect(),
            has_failover: synchronises.is_some_and(|value| value == "on"),
        }
    }
}

/// Patroni's list of slots that it leaves alone.
const IGNORED: &str = "ignore_slots";

/// What Patroni leaves alone: every logical slot, and these.
pub(super) fn ignored(slots: &UserSlots) -> Value {
    let physical = slots.physical.iter();
    let physical = physical.map(|name| json!({"name": name, "type": "physical"}));
    [json!({"type": "logical"})].into_iter().chain(physical).collect()
}

/// The settings that let these slots stay. A standby synchronises slots through a slot of its own (`primary_slot_name`), and
/// only while it reports to the primary which rows it needs (PostgreSQL manual, "Replication Slot Synchronization").
pub(super) fn settings(slots: &UserSlots, map: &ConfigMap) -> Value {
    let postgresql = if slots.has_failover {
        json!({"use_slots": true,
               "parameters": {"hot_standby_feedback": "on", "sync_replication_slots": "on"}})
    } else if UserSlots::recorded(map).has_failover {
        json!({"parameters": {"hot_standby_feedback": null, "sync_replication_slots": null}})
    } else {
        json!({})
    };
    json!({IGNORED: ignored(slots), "postgresql": postgresql})
}
