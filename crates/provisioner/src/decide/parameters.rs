//! Parameters of the spec that are not in force: refused, left to others, or waiting for a restart.

use std::collections::BTreeMap;

use api_types::reported::postgres::reasons;
use api_types::vocabulary::PATRONI_STATUS;
use blueprint::pg::parameters::recorded_mark;
use blueprint::{Resolved, goes_down_on_the_primary_first};
use k8s_openapi::api::core::v1::Pod;
use serde::Deserialize;

use crate::decide::Refusal;
use crate::health::Member;
use crate::world::World;

/// Everything about the parameters that is not as the spec has it.
pub fn refusal(world: &World, resolved: &Resolved) -> Option<Refusal> {
    Refusal::join([
        refused(resolved),
        not_used(resolved),
        not_read(world),
        waiting(world),
    ])
}

/// Ready members that are known to have read other parameters than their file has.
pub fn unread(world: &World) -> Vec<&str> {
    let Some(wanted) = world.config_secret().and_then(recorded_mark) else {
        return Vec::new();
    };
    let has_another = |member: &Member| member.configuration.as_ref().is_some_and(|has| *has != wanted);
    world
        .checked_members()
        .filter(|(_, member)| has_another(member))
        .map(|(pod, _)| pod)
        .collect()
}

fn not_read(world: &World) -> Option<Refusal> {
    let pods = unread(world);
    (!pods.is_empty()).then(|| {
        let message = format!(
            "These members have not read their parameters yet: {}. They are asked to until they have; if that lasts, read the log of Patroni: kubectl logs -n {} {} -c postgres",
            pods.join(", "),
            world.namespace(),
            pods[0],
        );
        Refusal::new(reasons::PARAMETERS_NOT_READ, message)
    })
}

fn refused(resolved: &Resolved) -> Option<Refusal> {
    let list: Vec<String> = resolved
        .configuration_refused
        .iter()
        .map(ToString::to_string)
        .collect();
    (!list.is_empty()).then(|| {
        let message = format!(
            "{}. The members go on with the parameters that they have",
            list.join("; ")
        );
        Refusal::new(reasons::PARAMETERS_REFUSED, message)
    })
}

fn not_used(resolved: &Resolved) -> Option<Refusal> {
    let names = resolved.parameters_not_used.as_slice();
    (!names.is_empty()).then(|| {
        let message = format!(
            "spec.configuration: these parameters are not used: {}. Remove them",
            names.join("; ")
        );
        Refusal::new(reasons::PARAMETERS_NOT_USED, message)
    })
}

/// A parameter that a member takes when it restarts, in the form of Patroni's status.
#[derive(Clone, Debug, Deserialize, PartialEq)]
struct Change {
    old_value: Option<serde_json::Value>,
    new_value: Option<serde_json::Value>,
}

/// The part of Patroni's status that lists what waits for a restart.
#[derive(Deserialize)]
struct PatroniStatus {
    #[serde(default)]
    pending_restart_reason: BTreeMap<String, Change>,
}

fn changes(pod: &Pod) -> BTreeMap<String, Change> {
    let annotations = pod.metadata.annotations.as_ref();
    let status = annotations.and_then(|annotations| annotations.get(PATRONI_STATUS));
    status
        .and_then(|status| serde_json::from_str::<PatroniStatus>(status).ok())
        .map(|status| status.pending_restart_reason)
        .unwrap_or_default()
}

fn waiting(world: &World) -> Option<Refusal> {
    let mut members: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut lowered = Vec::new();
    for pod in &world.pods {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        for (parameter, change) in changes(pod) {
            let (old, new) = (change.old_value.as_ref(), change.new_value.as_ref());
            if goes_down_on_the_primary_first(&parameter, old, new) && !lowered.contains(&parameter) {
                lowered.push(parameter.clone());
            }
            members
                .entry(describe(&parameter, &change))
                .or_default()
                .push(name);
        }
    }
    if members.is_empty() {
        return None;
    }
    let list: Vec<String> = members
        .iter()
        .map(|(change, pods)| format!("{change} on {}", pods.join(", ")))
        .collect();
    let message = format!(
        "Members take some parameters only when they restart: {}. {}",
        list.join("; "),
        advice(&lowered)
    );
    Some(Refusal::new(reasons::RESTART_NEEDED, message))
}

/// How parameters come into force that wait for a restart.
pub fn advice(lowered: &[String]) -> String {
    let restart = "Create a PostgresOpsRequest of type Restart".to_owned();
    if lowered.is_empty() {
        return restart;
    }
    format!(
        "{restart}. A standby never has a lower {} than its primary, so the primary takes the lower value first and the standbys after it",
        lowered.join(", ")
    )
}

fn describe(parameter: &str, change: &Change) -> String {
    format!(
        "{parameter} {} → {}",
        text(&change.old_value),
        text(&change.new_value)
    )
}

fn text(value: &Option<serde_json::Value>) -> String {
    match value {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Null) | None => "unset".to_owned(),
        Some(other) => other.to_string(),
    }
}
