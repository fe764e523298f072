//! Whether any member has the database's data. Patroni records in `<db>-config` which data the database has (`initialize`, its
//! system identifier), and in each Pod's annotation `status` what it has found there. When no member has the data, Patroni
//! waits for a leader for ever.

use api_types::postgres::conditions as types;
use api_types::reported::postgres::reasons;
use api_types::vocabulary::PATRONI_STATUS;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use serde::Deserialize;
use serde_json::json;

use crate::child::is_labelled_for;
use crate::plan::{Action, Plan};
use crate::world::World;

/// Annotation of Patroni's ConfigMap: the system identifier; empty while the first member makes the database.
pub const INITIALIZE: &str = "initialize";
/// Annotation of the same: the timelines of that data.
const HISTORY: &str = "history";
/// Patroni's role of a member whose data folder is empty.
const UNINITIALIZED: &str = "uninitialized";
/// Patroni's state of a member that neither runs nor makes or copies a database.
const STOPPED: &str = "stopped";

/// What Patroni has found in a member.
#[derive(Deserialize)]
struct MemberState {
    role: Option<String>,
    state: Option<String>,
}

/// Whether Patroni has found the member's data folder empty, and does nothing about it. `None` while it has not
/// reported.
fn is_empty(pod: &Pod) -> Option<bool> {
    let status = pod.metadata.annotations.as_ref()?.get(PATRONI_STATUS)?;
    let member: MemberState = serde_json::from_str(status).ok()?;
    Some(member.role.as_deref() == Some(UNINITIALIZED) && member.state.as_deref() == Some(STOPPED))
}

/// Whether every member that has reported has no data, and at least one has reported.
pub fn are_empty(pods: &[Pod]) -> bool {
    let told: Vec<bool> = pods.iter().filter_map(is_empty).collect();
    !told.is_empty() && told.into_iter().all(|empty| empty)
}

/// What is to be done when no member has data.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    /// Some member has data, or may have.
    Nothing,
    /// The data with this system identifier was in the Pods, and is gone with them.
    Gone(String),
    /// The database was never made: its first start was cut short.
    NeverMade,
    /// The data with this system identifier is on none of the volumes that are there.
    Missing(String),
}

fn judge(world: &World) -> Verdict {
    let recorded = world
        .patroni
        .as_ref()
        .filter(|map| is_labelled_for(&map.metadata, world.name()));
    let Some(recorded) = recorded.and_then(|map| map.metadata.annotations.as_ref()?.get(INITIALIZE)) else {
        return Verdict::Nothing;
    };
    let is_going = |pod: &Pod| pod.metadata.deletion_timestamp.is_some();
    if !are_empty(&world.pods) || world.pods.iter().any(is_going) {
        return Verdict::Nothing;
    }
    let is_durable = !world.is_ephemeral();
    if recorded.is_empty() {
        let all_told = world.pods.iter().all(|pod| is_empty(pod).is_some())
            && i32::try_from(world.pods.len()).is_ok_and(|there| there >= world.replicas());
        return if all_told && !world.is_provisioned() {
            Verdict::NeverMade
        } else {
            Verdict::Nothing
        };
    }
    // The data of an ephemeral member is in its Pod, so a Pod that has not reported yet has nothing.
    match is_durable {
        true => Verdict::Missing(recorded.clone()),
        false => Verdict::Gone(recorded.clone()),
    }
}

/// Reports that the data is gone; and lets Patroni begin again where no data could come back.
pub fn plan(world: &World, plan: &mut Plan) {
    let told = api_types::condition::find(world.conditions(), types::DATA_LOST);
    let told = told.and_then(|condition| condition.reason.as_deref());
    match judge(world) {
        Verdict::Nothing if told == Some(reasons::NO_MEMBER_HAS_DATA) => plan.remove(types::DATA_LOST),
        Verdict::Nothing => {}
        Verdict::Missing(system) => {
            let message = missing(world, &system);
            plan.set(
                types::DATA_LOST,
                true,
                reasons::NO_MEMBER_HAS_DATA,
                message.clone(),
            );
            plan.tell(true, reasons::NO_MEMBER_HAS_DATA, message);
        }
        // While a person holds the pause, nothing begins again: the condition set before tells that person what to do.
        _ if !may_begin_again(world) => {}
        Verdict::Gone(system) => {
            let message = format!(
                "All members were new, so the data with system identifier {system} is gone with the Pods that had it \
                 (storageType: Ephemeral). The database has begun again without data"
            );
            plan.set(types::DATA_LOST, true, reasons::STARTED_AFRESH, message.clone());
            plan.tell(true, reasons::STARTED_AFRESH, message);
            begin_again(world, plan);
        }
        Verdict::NeverMade => {
            let message =
                "The first start of the database was cut short before there was any data; it begins again";
            plan.tell(true, reasons::STARTED_AFRESH, message);
            begin_again(world, plan);
        }
    }
}

/// A request that holds the pause waits for the members, which wait for this. A person may want to check first.
fn may_begin_again(world: &World) -> bool {
    world.paused_by().is_none_or(|holder| !holder.is_person())
}

/// The leader, its standbys and a requested failover belong to the former data. `initialize` goes last: it lets a
/// member begin.
fn begin_again(world: &World, plan: &mut Plan) {
    let ours = |map: &&ConfigMap| is_labelled_for(&map.metadata, world.name());
    let config = world.patroni.as_ref();
    let name = |map: &ConfigMap| map.metadata.name.clone();
    let is_config = |map: &&ConfigMap| config.is_some_and(|config| name(config) == name(map));
    for map in world
        .leftovers
        .patroni
        .iter()
        .filter(ours)
        .filter(|map| !is_config(map))
    {
        plan.act(Action::DeleteConfigMap(Box::new(map.clone())));
    }
    if let Some(config) = config {
        plan.act(Action::ConfigurePatroni {
            map: Box::new(config.clone()),
            patch: json!({"metadata": {"annotations": {INITIALIZE: null, HISTORY: null}}}),
        });
    }
}

fn missing(world: &World, system: &str) -> String {
    let (mut empty, mut unknown) = (Vec::new(), Vec::new());
    for ordinal in 0..world.replicas() {
        let name = api_types::names::pod(world.name(), ordinal);
        let pod = world
            .pods
            .iter()
            .find(|pod| pod.metadata.name.as_deref() == Some(name.as_str()));
        match pod.and_then(is_empty) {
            Some(_) => empty.push(name),
            None => unknown.push(name),
        }
    }
    let others = if unknown.is_empty() {
        String::new()
    } else {
        format!(" Not known of yet: {}.", unknown.join(", "))
    };
    format!(
        "No member has the data of the database (system identifier {system}): the volumes of {} are empty.{others} Nothing is \
         written to them. Bring back a volume that has the data: bind its PersistentVolume to the claim {}, and delete the Pod. \
         For a database without data, delete this Postgres with deletionPolicy: Delete and create it again",
        empty.join(", "),
        api_types::names::data_claim(world.name(), 0),
    )
}
