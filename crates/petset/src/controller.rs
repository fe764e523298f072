//! What wakes the controller, and the five steps of a reconciliation.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use api_types::{PetSet, PlacementPolicy};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{Controller, watcher};
use kube::{Api, Resource, ResourceExt};
use runtime::{ApplyError, Process, ReconcileError, Retry};

use crate::decide::decide;
use crate::resolve::resolve;
use crate::{observe, perform, report};

/// The PetSet in the form that the watch delivers. Metadata is enough to wake the controller: every pass reads the
/// object itself again, so a decision never rests on a cache that is older than our own writes.
type Trigger = PartialObjectMeta<PetSet>;

/// A pass without any event, should a watch ever miss one.
const RESYNC_INTERVAL: Duration = Duration::from_secs(600);

/// A pass that did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not take a write, or could not be read.
    #[error(transparent)]
    Api(#[from] ApplyError),
    /// Something changed between the observation and the write; the next pass observes again.
    #[error("{0} changed meanwhile")]
    Moved(String),
}

impl ReconcileError for Error {
    fn category(&self) -> &'static str {
        match self {
            Self::Api(error) => error.category(),
            Self::Moved(_) => "conflict",
        }
    }

    fn retry(&self) -> Retry {
        Retry::Backoff
    }
}

/// Runs the controller until the process shuts down.
pub async fn operate(process: Process) -> Result<(), Infallible> {
    let any = watcher::Config::default();
    let controller = Controller::new(process.api::<Trigger>(), any.clone());
    let (of_pod, of_claim, of_policy) = (controller.store(), controller.store(), controller.store());
    let controller = controller
        .owns(
            process.api::<PartialObjectMeta<ControllerRevision>>(),
            any.clone(),
        )
        .watches(process.api::<PartialObjectMeta<Pod>>(), any.clone(), move |pod| {
            sets_of_pod(&of_pod, &pod)
        })
        .watches(
            process.api::<PartialObjectMeta<PersistentVolumeClaim>>(),
            any.clone(),
            move |claim| sets_of_claim(&of_claim, &claim),
        )
        .watches(
            Api::<PartialObjectMeta<PlacementPolicy>>::all(process.client.clone()),
            any,
            // Policies change seldom, and metadata does not show which PetSets name one.
            move |_| {
                of_policy
                    .state()
                    .iter()
                    .map(|set| ObjectRef::from_obj(set.as_ref()))
                    .collect::<Vec<_>>()
            },
        );
    runtime::run_controller(
        &process,
        "petset",
        controller,
        Arc::new(process.clone()),
        reconcile,
    )
    .await;
    Ok(())
}

async fn reconcile(trigger: Arc<Trigger>, process: Arc<Process>) -> Result<Action, Error> {
    let namespace = trigger.namespace().unwrap_or_default();
    let Some(pet_set) = observe::pet_set(&process.client, &namespace, &trigger.name_any()).await? else {
        return Ok(Action::await_change());
    };
    let desired = match resolve(&pet_set) {
        Ok(desired) => desired,
        Err(invalid) => {
            report::invalid(&process, &pet_set, &invalid, Timestamp::now()).await?;
            return Ok(Action::await_change());
        }
    };
    let world = observe::world(&process.client, &pet_set, &desired).await?;
    let now = Timestamp::now();
    let plan = decide(&desired, &world, now);
    let done = perform::perform(&process, &pet_set, &plan).await;
    report::report(&process, &pet_set, &desired, &world, &plan, &done, now).await?;
    done.outcome?;
    let soon = plan
        .look_again_in()
        .and_then(|s| u64::try_from(s).ok())
        .map(|s| Duration::from_secs(s.max(1)));
    Ok(Action::requeue(soon.unwrap_or(RESYNC_INTERVAL)))
}

/// The PetSets that a Pod concerns: its owner, and the one whose ordinal has its name. The second is how an orphan
/// finds its adopter, and how a name that becomes free is noticed.
fn sets_of_pod(sets: &Store<Trigger>, pod: &PartialObjectMeta<Pod>) -> Vec<ObjectRef<Trigger>> {
    let namespace = pod.namespace().unwrap_or_default();
    let owner = pod
        .owner_references()
        .iter()
        .find(|r| r.kind == PetSet::kind(&()))
        .map(|r| r.name.clone());
    let name = pod.name_any();
    let by_name = without_ordinal(&name).map(str::to_owned);
    let mut names: Vec<String> = owner.into_iter().chain(by_name).collect();
    names.dedup();
    names
        .into_iter()
        .map(|name| ObjectRef::new(&name).within(&namespace))
        .filter(|set| sets.get(set).is_some())
        .collect()
}

/// The PetSets whose claim has this name, `<template>-<petset>-<ordinal>`.
fn sets_of_claim(
    sets: &Store<Trigger>,
    claim: &PartialObjectMeta<PersistentVolumeClaim>,
) -> Vec<ObjectRef<Trigger>> {
    let name = claim.name_any();
    let Some(stem) = without_ordinal(&name) else {
        return vec![];
    };
    // Every "-" may be the border between the template's name and the PetSet's.
    stem.match_indices('-')
        .map(|(at, _)| ObjectRef::new(&stem[at + 1..]).within(&claim.namespace().unwrap_or_default()))
        .filter(|set| sets.get(set).is_some())
        .collect()
}

fn without_ordinal(name: &str) -> Option<&str> {
    let (stem, ordinal) = name.rsplit_once('-')?;
    ordinal.parse::<u32>().ok()?;
    Some(stem)
}
