//! What the platform reports about Pods and claims that do not come up: the scheduler's, kubelet's or the provisioner's own
//! sentence, found where each of them writes it.

use std::collections::BTreeMap;

use api_types::reported::pet_set::reasons;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, PersistentVolumeClaim, Pod};

use crate::claims::claim_names;
use crate::moves::Problem;
use crate::resolve::Desired;
use crate::world::{
    PlatformEvent, World, age, finished_phase, is_controlled_by, is_pending, is_terminating, ready_since,
};

/// Seconds that scheduling, binding and mounting may take before they count as trouble.
const START_GRACE_SECONDS: i64 = 5;
/// Seconds that a Pod may wait for a volume that is on its way. A volume that does not come has a trouble of its own sooner.
const BINDING_GRACE_SECONDS: i64 = 15;
/// Seconds until a running scheduler, kubelet or provisioner makes its first report.
const FIRST_REPORT_GRACE_SECONDS: i64 = 15;
/// What the scheduler reports of it.
const UNBOUND: &str = "unbound immediate PersistentVolumeClaims";
/// Seconds after its grace period that a Pod may need to go.
const TERMINATION_GRACE_SECONDS: i64 = 30;
/// Seconds for which an Event counts for a Pod whose containers run.
const MAX_EVENT_AGE_SECONDS: i64 = 120;
/// The scheduler of a Pod that names none.
const DEFAULT_SCHEDULER: &str = "default-scheduler";
/// Longest sentence of the platform that is repeated, in characters.
const MAX_SENTENCE: usize = 600;

/// Reasons of a waiting container that is on its way.
const ON_THE_WAY: [&str; 2] = ["ContainerCreating", "PodInitializing"];
/// kubelet counts these down: how the container ended last is more useful.
const BACK_OFF: &str = "CrashLoopBackOff";
/// Warnings about a Pod that its status reports better.
const SAID_BY_STATUS: [&str; 4] = ["BackOff", "Failed", "FailedScheduling", "Unhealthy"];
/// The only Normal Event that shows at once why a claim gets no volume.
const FAILED_BINDING: &str = "FailedBinding";
/// The Normal Event that names the provisioner that a claim waits for: when it lasts, the provisioner does not run.
const EXTERNAL_PROVISIONING: &str = "ExternalProvisioning";

/// Why a Pod or a claim does not come up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trouble {
    /// One word for programs.
    pub reason: &'static str,
    /// What is wrong with it, to be put behind its name.
    pub sentence: String,
}

impl Trouble {
    fn new(reason: &'static str, what: &str, sentence: &str) -> Self {
        let sentence: String = sentence.trim().chars().take(MAX_SENTENCE).collect();
        Self {
            reason,
            sentence: format!("{what}: {sentence}"),
        }
    }
}

/// What a person has to check, claims first: they are why Pods can't be scheduled. Objects with the same trouble are named
/// together.
pub fn problems(desired: &Desired, world: &World, now: Timestamp) -> Vec<Problem> {
    let claims = named_claims(desired, world).filter_map(|(name, claim)| {
        let trouble = of_claim(claim, events_of(world, claim.metadata.uid.as_deref()), now)?;
        Some(("PersistentVolumeClaim", name, trouble))
    });
    let pods = own_pods(desired, world).filter_map(|pod| {
        let trouble = of_pod(pod, events_of(world, pod.metadata.uid.as_deref()), now)?;
        Some(("Pod", pod.metadata.name.clone()?, trouble))
    });
    let mut grouped: Vec<((&str, Trouble), Vec<String>)> = Vec::new();
    for (kind, name, trouble) in claims.chain(pods) {
        let key = (kind, trouble);
        match grouped.iter_mut().find(|(known, _)| *known == key) {
            Some((_, names)) => names.push(name),
            None => grouped.push((key, vec![name])),
        }
    }
    grouped
        .into_iter()
        .map(|((kind, trouble), names)| Problem::of_platform(kind, &names, &trouble))
        .collect()
}

/// UIDs of the objects whose Events may show why they do not come up.
pub fn asks_events_of(
    desired: &Desired,
    pods: &[Pod],
    claims: &BTreeMap<String, PersistentVolumeClaim>,
    now: Timestamp,
) -> Vec<String> {
    let is_late = |pod: &&Pod| {
        is_controlled_by(&pod.metadata, &desired.uid)
            && !is_terminating(&pod.metadata)
            && finished_phase(pod).is_none()
            && ready_since(pod).is_none()
            && age(&pod.metadata, now) >= START_GRACE_SECONDS
    };
    let pods = pods.iter().filter(is_late).map(|pod| &pod.metadata);
    let claims = claims.values().filter(|claim| {
        phase_of(claim) == Some("Pending") && age(&claim.metadata, now) >= START_GRACE_SECONDS
    });
    pods.chain(claims.map(|claim| &claim.metadata))
        .filter_map(|meta| meta.uid.clone())
        .collect()
}

fn events_of<'a>(world: &'a World, uid: Option<&str>) -> &'a [PlatformEvent] {
    uid.and_then(|uid| world.events.get(uid))
        .map_or(&[], Vec::as_slice)
}

fn own_pods<'a>(desired: &Desired, world: &'a World) -> impl Iterator<Item = &'a Pod> {
    let mut pods: Vec<(i32, &Pod)> = world
        .pods
        .iter()
        .filter(|pod| is_controlled_by(&pod.metadata, &desired.uid))
        .filter_map(|pod| Some((desired.ordinal_of(pod.metadata.name.as_deref()?)?, pod)))
        .collect();
    pods.sort_by_key(|(ordinal, _)| *ordinal);
    pods.into_iter().map(|(_, pod)| pod)
}

fn named_claims<'a>(
    desired: &Desired,
    world: &'a World,
) -> impl Iterator<Item = (String, &'a PersistentVolumeClaim)> {
    let names = desired
        .ordinals()
        .flat_map(|ordinal| claim_names(desired, ordinal));
    let found = names.filter_map(|name| world.claims.get(&name).map(|claim| (name, claim)));
    found.collect::<Vec<_>>().into_iter()
}

/// Why a claim has no volume; `None` while it has one or is on its way.
pub fn of_claim(claim: &PersistentVolumeClaim, events: &[PlatformEvent], now: Timestamp) -> Option<Trouble> {
    if is_terminating(&claim.metadata) {
        return None;
    }
    match phase_of(claim) {
        Some("Lost") => {
            let volume = claim.spec.as_ref()?.volume_name.as_deref().unwrap_or("?");
            let what = format!("PersistentVolume {volume} does not exist any more; create it again");
            Some(Trouble::new(reasons::CLAIM_LOST, "is lost", &what))
        }
        Some("Pending") if age(&claim.metadata, now) >= START_GRACE_SECONDS => {
            let tells = |event: &&PlatformEvent| event.is_warning || event.reason == FAILED_BINDING;
            let is_late = age(&claim.metadata, now) >= FIRST_REPORT_GRACE_SECONDS;
            let waits = |event: &&PlatformEvent| is_late && event.reason == EXTERNAL_PROVISIONING;
            let event =
                newest(events.iter().filter(tells)).or_else(|| newest(events.iter().filter(waits)))?;
            Some(Trouble::new(
                reasons::CLAIM_NOT_BOUND,
                "is not bound",
                &event.message,
            ))
        }
        _ => None,
    }
}

fn phase_of(claim: &PersistentVolumeClaim) -> Option<&str> {
    claim.status.as_ref()?.phase.as_deref()
}

/// Why a Pod is not up; `None` while it is, or is on its way.
pub fn of_pod(pod: &Pod, events: &[PlatformEvent], now: Timestamp) -> Option<Trouble> {
    if is_terminating(&pod.metadata) {
        return not_gone(pod, now);
    }
    if let Some(phase) = finished_phase(pod) {
        return Some(Trouble::new(
            reasons::POD_FAILED,
            "has ended",
            &how_it_ended(pod, phase),
        ));
    }
    if ready_since(pod).is_some() {
        return None;
    }
    not_scheduled(pod, now)
        .or_else(|| containers(pod))
        .or_else(|| gates(pod))
        .or_else(|| reported(pod, events, now))
        .or_else(|| unseen(pod, now))
}

/// A Pod that no scheduler and no kubelet handles has no condition, no status and no Event.
fn unseen(pod: &Pod, now: Timestamp) -> Option<Trouble> {
    let status = pod.status.as_ref()?;
    if !is_pending(pod) || status.start_time.is_some() || age(&pod.metadata, now) < FIRST_REPORT_GRACE_SECONDS
    {
        return None;
    }
    let is_touched = status.container_statuses.is_some() || status.init_container_statuses.is_some();
    let spec = pod.spec.as_ref()?;
    match (&spec.node_name, condition(pod, "PodScheduled")) {
        (None, None) => {
            let scheduler = spec.scheduler_name.as_deref().unwrap_or(DEFAULT_SCHEDULER);
            let sentence =
                format!("scheduler {scheduler} says nothing of it; it may not run, or wait for a volume");
            Some(Trouble::new(
                reasons::POD_NOT_SCHEDULED,
                "is not scheduled",
                &sentence,
            ))
        }
        (Some(node), _) if !is_touched => {
            let sentence = format!("node {node} says nothing of it; its kubelet may not run");
            Some(Trouble::new(
                reasons::POD_NOT_STARTED,
                "does not start",
                &sentence,
            ))
        }
        _ => None,
    }
}

/// The API server sets the time of deletion to the end of the grace period.
fn not_gone(pod: &Pod, now: Timestamp) -> Option<Trouble> {
    let until = pod.metadata.deletion_timestamp.as_ref()?.0;
    if now.as_second() < until.as_second() + TERMINATION_GRACE_SECONDS {
        return None;
    }
    let finalizers = pod.metadata.finalizers.as_deref().unwrap_or_default();
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    let why = match (finalizers, node) {
        ([], Some(node)) => format!(
            "node {node} has not confirmed its end. When the node does not come back, delete the Node object, or the Pod \
             with --force"
        ),
        ([], None) => "nothing has confirmed its end; delete it with --force".to_owned(),
        (held, _) => format!("finalizers hold it: {}", held.join(", ")),
    };
    Some(Trouble::new(
        reasons::POD_NOT_GONE,
        &format!("is being deleted and was to end by {until}"),
        &why,
    ))
}

/// kubelet's word for a Pod that it ended or did not take, else how its containers ended.
pub fn how_it_ended(pod: &Pod, phase: &str) -> String {
    let status = pod.status.clone().unwrap_or_default();
    let said: Vec<String> = [status.reason, status.message].into_iter().flatten().collect();
    if !said.is_empty() {
        return format!("{phase}: {}", said.join(": "));
    }
    let ended = status.container_statuses.iter().flatten().find_map(|container| {
        let end = container.state.as_ref()?.terminated.as_ref()?;
        (end.exit_code != 0).then(|| format!("container {} {}", container.name, end_of(end)))
    });
    ended.map_or_else(|| phase.to_owned(), |ended| format!("{phase}: {ended}"))
}

fn not_scheduled(pod: &Pod, now: Timestamp) -> Option<Trouble> {
    let condition = condition(pod, "PodScheduled").filter(|(status, ..)| *status == "False")?;
    let (_, reason, message) = condition;
    let usual = if message.contains(UNBOUND) {
        BINDING_GRACE_SECONDS
    } else {
        START_GRACE_SECONDS
    };
    if age(&pod.metadata, now) < usual {
        return None;
    }
    let sentence = if message.is_empty() { reason } else { message };
    Some(Trouble::new(
        reasons::POD_NOT_SCHEDULED,
        "is not scheduled",
        sentence,
    ))
}

fn condition<'a>(pod: &'a Pod, type_: &str) -> Option<(&'a str, &'a str, &'a str)> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let found = conditions.iter().find(|condition| condition.type_ == type_)?;
    let text = |field: &'a Option<String>| field.as_deref().unwrap_or_default();
    Some((found.status.as_str(), text(&found.reason), text(&found.message)))
}

/// The first container that waits for more than its turn, or has ended. Init containers run first.
fn containers(pod: &Pod) -> Option<Trouble> {
    let status = pod.status.as_ref()?;
    let init = status.init_container_statuses.iter().flatten();
    let init = init.filter_map(|it| Some((it, waits_or_fails(it)?)));
    let main = status.container_statuses.iter().flatten();
    let main = main.filter_map(|it| Some((it, waits_or_fails(it).or_else(|| restarted(it))?)));
    let (container, sentence) = init.chain(main).next()?;
    let runs = container
        .state
        .as_ref()
        .is_some_and(|state| state.running.is_some());
    let what = if runs { "is not ready" } else { "does not start" };
    let what = format!("{what}: container {}", container.name);
    Some(Trouble::new(reasons::POD_NOT_STARTED, &what, &sentence))
}

fn waits_or_fails(container: &ContainerStatus) -> Option<String> {
    let state = container.state.as_ref()?;
    if let Some(end) = state.terminated.as_ref().filter(|end| end.exit_code != 0) {
        return Some(end_of(end));
    }
    let waiting = state.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or_default();
    if reason == BACK_OFF {
        return Some(restarted(container).unwrap_or_else(|| reason.to_owned()));
    }
    if reason.is_empty() || ON_THE_WAY.contains(&reason) {
        return None;
    }
    match waiting.message.as_deref().filter(|message| !message.is_empty()) {
        Some(message) => Some(format!("{reason}: {message}")),
        None => Some(reason.to_owned()),
    }
}

/// How a container that was started again ended the last time.
fn restarted(container: &ContainerStatus) -> Option<String> {
    let last = container.last_state.as_ref()?.terminated.as_ref()?;
    Some(end_of(last))
}

fn end_of(end: &ContainerStateTerminated) -> String {
    let mut text = format!("ended with exit code {}", end.exit_code);
    let said = [&end.reason, &end.message].map(|part| part.as_deref().map(str::trim).unwrap_or_default());
    for part in said.into_iter().filter(|part| !part.is_empty()) {
        text.push_str(": ");
        text.push_str(part);
    }
    text
}

/// Readiness gates of the user.
fn gates(pod: &Pod) -> Option<Trouble> {
    let (_, reason, message) = condition(pod, "Ready")?;
    (reason == "ReadinessGatesNotReady")
        .then(|| Trouble::new(reasons::POD_NOT_STARTED, "does not count as ready", message))
}

/// What was reported about volumes, network and names: no status has that.
fn reported(pod: &Pod, events: &[PlatformEvent], now: Timestamp) -> Option<Trouble> {
    if age(&pod.metadata, now) < START_GRACE_SECONDS {
        return None;
    }
    let tells = |event: &&PlatformEvent| {
        event.is_warning
            && !SAID_BY_STATUS.contains(&event.reason.as_str())
            && (is_pending(pod) || now.as_second() - event.at.as_second() <= MAX_EVENT_AGE_SECONDS)
    };
    let event = newest(events.iter().filter(tells))?;
    let sentence = format!("{}: {}", event.reason, event.message);
    Some(Trouble::new(
        reasons::POD_NOT_STARTED,
        "does not start",
        &sentence,
    ))
}

fn newest<'a>(events: impl Iterator<Item = &'a PlatformEvent>) -> Option<&'a PlatformEvent> {
    events.max_by_key(|event| event.at)
}
