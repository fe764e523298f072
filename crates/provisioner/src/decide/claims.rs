//! Claims that are being deleted under members that run: what is lost when the members' Pods end.

use api_types::postgres::conditions as types;
use api_types::reported::postgres::reasons;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};

use crate::plan::Plan;
use crate::world::{World, has_volume, is_ready};

/// A member whose volume goes when its Pod ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vanishing {
    /// Its Pod.
    pub pod: String,
    /// The claim.
    pub claim: String,
    /// The PersistentVolume; none when the claim is gone already.
    pub volume: Option<String>,
}

/// The members whose volume goes when their Pod ends. The API server keeps a claim for as long as a Pod that is on a node uses
/// it.
pub fn vanishing(world: &World) -> Vec<Vanishing> {
    world
        .pods
        .iter()
        .filter_map(|pod| vanishing_of(world, pod))
        .collect()
}

fn vanishing_of(world: &World, pod: &Pod) -> Option<Vanishing> {
    let name = pod.metadata.name.clone()?;
    let claim = data_claim(pod)?;
    pod.spec.as_ref()?.node_name.as_ref()?;
    let there = world
        .leftovers
        .claims
        .iter()
        .find(|it| it.metadata.name.as_deref() == Some(claim));
    let volume = match there {
        Some(there) if there.metadata.deletion_timestamp.is_some() && has_volume(there) => volume_of(there),
        Some(_) => return None,
        None if is_running(pod) => None,
        None => return None,
    };
    Some(Vanishing {
        pod: name,
        claim: claim.to_owned(),
        volume,
    })
}

/// The claim that a Pod mounts as its data.
fn data_claim(pod: &Pod) -> Option<&str> {
    let volumes = pod.spec.as_ref()?.volumes.as_ref()?;
    let data = volumes
        .iter()
        .find(|volume| volume.name == api_types::vocabulary::DATA_VOLUME)?;
    Some(data.persistent_volume_claim.as_ref()?.claim_name.as_str())
}

fn volume_of(claim: &PersistentVolumeClaim) -> Option<String> {
    claim.spec.as_ref()?.volume_name.clone()
}

fn is_running(pod: &Pod) -> bool {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running")
}

/// Reports which volumes go, and what is lost with them.
pub fn observed(world: &World, plan: &mut Plan) {
    if world.is_object_alone() {
        return;
    }
    let found = vanishing(world);
    if found.is_empty() {
        plan.remove(types::CLAIM_TERMINATING);
        return;
    }
    let message = message(world, &found);
    plan.set(
        types::CLAIM_TERMINATING,
        true,
        reasons::CLAIM_TERMINATING,
        message.clone(),
    );
    plan.tell(true, reasons::CLAIM_TERMINATING, message);
}

/// Why a database that is to be taken down with its data kept is left up; `None` when it may go down.
pub fn keeps_up(world: &World) -> Option<String> {
    let pet_set = world.pet_set()?;
    let found = vanishing(world);
    if found.is_empty() || pet_set.metadata.deletion_timestamp.is_some() {
        return None;
    }
    Some(format!(
        "The members are left up, because data that is to be kept would be lost: {}. When it may be lost, delete the Pods yourself",
        message(world, &found)
    ))
}

fn message(world: &World, found: &[Vanishing]) -> String {
    let goes: Vec<String> = found.iter().map(what_goes).collect();
    format!(
        "{}. {} {}",
        goes.join("; "),
        consequence(world, found),
        advice(found)
    )
}

fn what_goes(vanishing: &Vanishing) -> String {
    let Vanishing { pod, claim, volume } = vanishing;
    match volume {
        Some(volume) => {
            format!(
                "PersistentVolumeClaim {claim} is being deleted: its PersistentVolume {volume} goes when Pod {pod} ends"
            )
        }
        None => format!(
            "PersistentVolumeClaim {claim} does not exist any more: Pod {pod} loses its volume when it ends"
        ),
    }
}

fn consequence(world: &World, found: &[Vanishing]) -> String {
    let goes = |pod: &Pod| {
        let name = pod.metadata.name.as_deref();
        found.iter().any(|it| Some(it.pod.as_str()) == name)
    };
    let others = world.pods.iter().filter(|pod| !goes(pod));
    let ready: Vec<&str> = others
        .filter(|pod| is_ready(pod))
        .filter_map(|pod| pod.metadata.name.as_deref())
        .collect();
    if ready.is_empty() {
        return "No other ready member has the data: all data of the database is lost then.".to_owned();
    }
    let pods: Vec<&str> = found.iter().map(|it| it.pod.as_str()).collect();
    format!(
        "The data is left on {} only, from where {} is copied again.",
        ready.join(", "),
        pods.join(", ")
    )
}

fn advice(found: &[Vanishing]) -> String {
    const COPY: &str = "copy the data elsewhere (pg_dump) before the Pod ends";
    match found.iter().find_map(|it| it.volume.as_deref()) {
        Some(volume) => format!(
            "A claim that is being deleted can't be kept. Restart nothing; to keep the files, set \
             persistentVolumeReclaimPolicy: Retain on PersistentVolume {volume}, or {COPY}"
        ),
        None => format!("Restart nothing; {COPY}"),
    }
}
