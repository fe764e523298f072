//! Whether a Pod has begun its work: what has not begun has nothing to lose, and may be replaced at any time.

use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod};

use crate::resolve::Desired;
use crate::world::{is_pending, ready_since};

/// Restarts after which a container that ends at once is not expected to come up by itself.
const MIN_RESTARTS: i32 = 2;
/// A run that ends sooner than this (seconds) has come to nothing.
const MIN_RUN_SECONDS: i64 = 120;

/// What a replacement of this Pod would interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Startup {
    /// No container that does the Pod's work has ever started.
    Never,
    /// Every such container that has started ends again and again, and none runs now.
    Failing,
    /// The Pod works, or may work.
    Working,
}

/// How far the Pod has come. The containers that do its work are those that mount a claim and those with a readiness probe; a
/// helper beside them may run for a long time without them. Where there are none, all containers count.
pub fn startup(desired: &Desired, pod: &Pod) -> Startup {
    let statuses: Vec<Option<&ContainerStatus>> = main_containers(desired, pod)
        .iter()
        .map(|name| status(pod, name))
        .collect();
    if ready_since(pod).is_some() {
        return Startup::Working;
    }
    // Of a Pod that is not Pending, what is not reported is not known.
    let is_new = |status: &Option<&ContainerStatus>| status.map_or(is_pending(pod), has_never_started);
    if statuses.iter().all(is_new) {
        return Startup::Never;
    }
    if statuses.iter().all(|status| status.is_some_and(is_failing)) {
        return Startup::Failing;
    }
    Startup::Working
}

fn main_containers<'a>(desired: &Desired, pod: &'a Pod) -> Vec<&'a str> {
    let all = pod
        .spec
        .as_ref()
        .map_or(&[][..], |spec| spec.containers.as_slice());
    let does_work = |container: &&Container| {
        let mounts = container.volume_mounts.iter().flatten();
        container.readiness_probe.is_some() || mounts.into_iter().any(|mount| is_claim(desired, &mount.name))
    };
    let main: Vec<&str> = all.iter().filter(does_work).map(|it| it.name.as_str()).collect();
    if main.is_empty() {
        return all.iter().map(|it| it.name.as_str()).collect();
    }
    main
}

fn is_claim(desired: &Desired, volume: &str) -> bool {
    let mut templates = desired.claim_templates.iter();
    templates.any(|claim| claim.metadata.name.as_deref() == Some(volume))
}

fn status<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStatus> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    statuses.iter().find(|status| status.name == container)
}

fn has_never_started(status: &ContainerStatus) -> bool {
    let state = status.state.clone().unwrap_or_default();
    let last = status.last_state.clone().unwrap_or_default();
    state.running.is_none()
        && state.terminated.is_none()
        && last.terminated.is_none()
        && status.restart_count == 0
        && status.started != Some(true)
}

/// Down, after several short runs. One that ran for long comes back by itself, sooner than a Pod that is made again.
fn is_failing(status: &ContainerStatus) -> bool {
    let state = status.state.clone().unwrap_or_default();
    let last = status.last_state.clone().unwrap_or_default();
    let is_down = state.running.is_none() && (state.waiting.is_some() || state.terminated.is_some());
    let run = state.terminated.or(last.terminated);
    let seconds = run.and_then(|run| Some(run.finished_at?.0.as_second() - run.started_at?.0.as_second()));
    is_down
        && status.restart_count >= MIN_RESTARTS
        && seconds.is_some_and(|seconds| seconds < MIN_RUN_SECONDS)
}
