//! Reads claims, their StorageClasses and quotas; what members report is on their Pods.

use std::collections::{BTreeMap, BTreeSet};

use api_types::no_pod::NoPod;
use api_types::ops_request::STORAGE;
use api_types::quantity::amount;
use api_types::vocabulary::{DATA_VOLUME_BYTES, VOLUME_EXPANSION_OF};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeClaimStatus, Pod, ResourceQuota,
};
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt;
use runtime::error_chain;

use crate::observe::Reader;
use crate::volumes::world::{Claim, MemberVolume, Quota, Resize, VolumesWorld};
use crate::world::Observed;

/// End of the states of `allocatedResourceStatuses` in which a driver, or kubelet, will not enlarge the volume.
const INFEASIBLE: &str = "Infeasible";
/// State of `allocatedResourceStatuses` in which the file system is still to grow.
const NODE_RESIZE: [&str; 2] = ["NodeResizePending", "NodeResizeInProgress"];
/// Type of the condition of a claim whose file system is still to grow.
const FILE_SYSTEM_PENDING: &str = "FileSystemResizePending";
/// End of the types of a claim's conditions that have a driver's reason: `ControllerResizeError`, `NodeResizeError`.
const RESIZE_ERROR: &str = "ResizeError";
/// End of the resources of a quota that limit storage, of all claims and of those of one class.
const QUOTA_OF_STORAGE: &str = "requests.storage";

/// StorageClasses of these claims, and the quotas of the namespace.
pub async fn observe(reader: &Reader<'_>, claims: &Observed<Vec<Claim>>) -> VolumesWorld {
    let claims = claims.present().into_iter().flatten();
    let names: BTreeSet<&str> = claims.filter_map(|claim| claim.class.as_deref()).collect();
    let classes = names.into_iter().map(|name| async move {
        let class = reader.look_in_cluster::<StorageClass>(name).await;
        (
            name.to_owned(),
            class.map(|it| it.allow_volume_expansion == Some(true)),
        )
    });
    let (classes, quotas) = tokio::join!(futures::future::join_all(classes), quotas(reader));
    VolumesWorld {
        classes: classes.into_iter().collect(),
        quotas,
        members: Observed::Absent,
    }
}

async fn quotas(reader: &Reader<'_>) -> Observed<Vec<Quota>> {
    match reader.list::<ResourceQuota>("").await {
        Ok(quotas) => Observed::Present(quotas.iter().map(quota).collect()),
        Err(error) => Observed::Unknown(error_chain(&error)),
    }
}

fn quota(quota: &ResourceQuota) -> Quota {
    let status = quota.status.as_ref();
    let hard = status.and_then(|status| status.hard.as_ref());
    let used = status.and_then(|status| status.used.as_ref());
    let of_storage = hard
        .into_iter()
        .flatten()
        .filter(|(name, _)| name.ends_with(QUOTA_OF_STORAGE));
    let pair = |(name, most): (&String, &Quantity)| {
        let used = used.and_then(|used| used.get(name)).and_then(amount);
        Some((name.clone(), (amount(most)?, used?)))
    };
    Quota {
        name: quota.name_any(),
        storage: of_storage.filter_map(pair).collect(),
    }
}

/// A claim in the form that operations use.
pub fn claim(claim: &PersistentVolumeClaim) -> Claim {
    let (spec, status) = (claim.spec.as_ref(), claim.status.as_ref());
    let requests = |spec: &PersistentVolumeClaimSpec| {
        spec.resources
            .as_ref()?
            .requests
            .as_ref()?
            .get(STORAGE)
            .and_then(amount)
    };
    let capacity =
        |status: &PersistentVolumeClaimStatus| status.capacity.as_ref()?.get(STORAGE).and_then(amount);
    Claim {
        name: claim.name_any(),
        is_terminating: claim.metadata.deletion_timestamp.is_some(),
        class: spec
            .and_then(|spec| spec.storage_class_name.clone())
            .filter(|name| !name.is_empty()),
        requested: spec.and_then(requests),
        capacity: status.and_then(capacity),
        resize: status.map(resize).unwrap_or_default(),
        no_pod_until: NoPod::of_annotations(claim.metadata.annotations.as_ref()).map(|note| note.until.0),
    }
}

fn resize(status: &PersistentVolumeClaimStatus) -> Resize {
    let state = status
        .allocated_resource_statuses
        .as_ref()
        .and_then(|all| all.get(STORAGE));
    let state = state.map_or("", String::as_str);
    let conditions = || {
        status
            .conditions
            .iter()
            .flatten()
            .filter(|condition| condition.status == "True")
    };
    let error = conditions().find(|condition| condition.type_.ends_with(RESIZE_ERROR));
    Resize {
        waits_for_node: NODE_RESIZE.contains(&state)
            || conditions().any(|condition| condition.type_ == FILE_SYSTEM_PENDING),
        attempted: status
            .allocated_resources
            .as_ref()
            .and_then(|all| all.get(STORAGE))
            .and_then(amount),
        is_refused: state.ends_with(INFEASIBLE),
        message: error.and_then(|condition| condition.message.clone()),
    }
}

/// What the members' Pods report.
pub fn members(pods: &BTreeMap<String, Pod>) -> BTreeMap<String, MemberVolume> {
    pods.iter()
        .map(|(name, pod)| (name.clone(), member(name, pod)))
        .collect()
}

fn member(name: &str, pod: &Pod) -> MemberVolume {
    let annotation = |key: &str| pod.annotations().get(key);
    MemberVolume {
        uid: pod.uid().unwrap_or_default(),
        bytes: annotation(DATA_VOLUME_BYTES).and_then(|bytes| bytes.parse().ok()),
        looked_for: annotation(&format!("{VOLUME_EXPANSION_OF}{name}")).cloned(),
    }
}
