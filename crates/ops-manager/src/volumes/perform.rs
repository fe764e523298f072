//! Does what was decided about volumes.

use api_types::ops_request::STORAGE;
use api_types::vocabulary::{OPS_MANAGER, VOLUME_EXPANSION_OF};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, Resource};
use runtime::{ApplyError, ObjectId};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::Error;
use crate::operation::Operation;
use crate::volumes::effect::VolumeEffect;

/// Performs one effect.
///
/// # Errors
/// [`Error`], when it has to be tried again.
pub async fn perform(client: &Client, op: &Operation, effect: &VolumeEffect) -> Result<(), Error> {
    match effect {
        VolumeEffect::Resize { claim, size } => {
            let patch = json!({"spec": {"resources": {"requests": {STORAGE: size}}}});
            patch_object::<PersistentVolumeClaim>(client, op, "resize", claim, patch).await
        }
        VolumeEffect::WakeKubelet { pod, uid, size } => {
            let annotation = format!("{VOLUME_EXPANSION_OF}{pod}");
            let patch = json!({"metadata": {"uid": uid, "annotations": {annotation: size}}});
            patch_object::<Pod>(client, op, "touch", pod, patch).await
        }
    }
}

/// An object that is gone, or another one by now, is no error: the next look decides.
async fn patch_object<K>(
    client: &Client,
    op: &Operation,
    action: &'static str,
    name: &str,
    patch: Value,
) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), &op.namespace);
    let params = PatchParams {
        field_manager: Some(OPS_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let Err(source) = api.patch(name, &params, &Patch::Merge(&patch)).await else {
        return Ok(());
    };
    let id = ObjectId {
        kind: K::kind(&()).into_owned(),
        namespace: op.namespace.clone(),
        name: name.to_owned(),
    };
    match ApplyError::new(action, id, source) {
        ApplyError::Gone { .. } | ApplyError::Conflict { .. } => Ok(()),
        error => Err(error.into()),
    }
}
