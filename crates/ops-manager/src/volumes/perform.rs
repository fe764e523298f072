//! Does what was decided about volumes.

use api_types::ops_request::STORAGE;
use api_types::vocabulary::{NO_POD, VOLUME_EXPANSION_OF};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::Client;
use serde_json::{Value, json};

use crate::error::Error;
use crate::operation::Operation;
use crate::perform::patch_object;
use crate::volumes::effect::VolumeEffect;

/// Performs one effect.
///
/// # Errors
/// [`Error`], when it has to be tried again.
pub async fn perform(client: &Client, op: &Operation, effect: &VolumeEffect) -> Result<(), Error> {
    match effect {
        VolumeEffect::Resize { claim, size } => {
            let patch = json!({"spec": {"resources": {"requests": {STORAGE: size}}}});
            patch_object::<PersistentVolumeClaim>(client, &op.namespace, claim, "resize", patch).await
        }
        VolumeEffect::KeepPodAway { claim, note } => {
            note_on_claim(client, op, claim, json!(note.to_annotation())).await
        }
        VolumeEffect::LetPodBack { claim } => note_on_claim(client, op, claim, Value::Null).await,
        VolumeEffect::WakeKubelet { pod, uid, size } => {
            let annotation = format!("{VOLUME_EXPANSION_OF}{pod}");
            let patch = json!({"metadata": {"uid": uid, "annotations": {annotation: size}}});
            patch_object::<Pod>(client, &op.namespace, pod, "touch", patch).await
        }
    }
}

async fn note_on_claim(client: &Client, op: &Operation, claim: &str, note: Value) -> Result<(), Error> {
    let patch = json!({"metadata": {"annotations": {NO_POD: note}}});
    patch_object::<PersistentVolumeClaim>(client, &op.namespace, claim, "annotate", patch).await
}
