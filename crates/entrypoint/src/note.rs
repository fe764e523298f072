//! The note of a hang on the own Pod.

use api_types::hang::Hang;
use api_types::vocabulary::HANG;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::api::{self, ClientError};
use crate::args::OwnPod;

/// A note can't be written.
#[derive(Debug, thiserror::Error)]
pub enum NoteError {
    /// There is no way to the API server.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The API server refuses it, or does not respond.
    #[error("cannot change annotations of this Pod; its service account needs `patch` on Pods")]
    Patch(#[from] kube::Error),
}

/// Writes the note.
///
/// # Errors
/// When the API server does not take it.
pub async fn set(own: &OwnPod, hang: &Hang) -> Result<(), NoteError> {
    patch(own, &json!(hang.to_annotation())).await
}

/// Takes the note away, if there is one.
///
/// # Errors
/// When the API server does not take it.
pub async fn clear(own: &OwnPod) -> Result<(), NoteError> {
    patch(own, &Value::Null).await
}

/// With the UID, so that the next Pod of this name never gets it.
async fn patch(own: &OwnPod, value: &Value) -> Result<(), NoteError> {
    let pods: Api<Pod> = Api::namespaced(api::client().await?, &own.namespace);
    let patch = json!({"metadata": {"uid": own.uid, "annotations": {HANG: value}}});
    pods.patch_metadata(&own.name, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    Ok(())
}
