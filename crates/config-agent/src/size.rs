//! The size of the Pod's volume, as an annotation of the Pod: what the member itself sees (`statvfs`), whatever its
//! claim has.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use api_types::error_chain;
use api_types::vocabulary::DATA_VOLUME_BYTES;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use crate::args::Watch;

/// How often it is measured: nothing notifies a process that a file system has grown.
const SIZE_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// A volume, and the Pod that has it.
#[derive(Clone, Debug)]
pub struct Volume {
    folder: PathBuf,
    namespace: String,
    pod: String,
}

impl Volume {
    /// The one that the arguments name, if they name one.
    pub fn of(watch: &Watch) -> Option<Self> {
        Some(Self {
            folder: watch.size_of.clone()?,
            namespace: watch.namespace.clone(),
            pod: watch.pod.clone()?,
        })
    }
}

/// Bytes of the file system that this folder is on.
///
/// # Errors
/// When the folder can't be read.
pub fn bytes(folder: &Path) -> io::Result<u64> {
    let found = rustix::fs::statvfs(folder)?;
    Ok(found.f_blocks.saturating_mul(found.f_frsize))
}

/// Why a size is not on the Pod yet.
#[derive(Debug, thiserror::Error)]
enum ReportError {
    #[error("the volume can't be looked at")]
    Look(#[from] io::Error),
    #[error("the API server does not take the size")]
    Write(#[from] Box<kube::Error>),
}

/// Writes the size whenever it is another one. It never returns.
pub async fn report(volume: Volume) {
    let (mut written, mut trouble) = (None, None);
    let mut look = interval(SIZE_POLL_INTERVAL);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        match report_once(&volume, written).await {
            Ok(bytes) => (written, trouble) = (Some(bytes), None),
            Err(error) => {
                let why = error_chain(&error);
                if trouble.as_ref() != Some(&why) {
                    tracing::warn!(
                        error = why,
                        "the size of the volume is not reported; trying again"
                    );
                }
                trouble = Some(why);
            }
        }
    }
}

async fn report_once(volume: &Volume, written: Option<u64>) -> Result<u64, ReportError> {
    let bytes = bytes(&volume.folder)?;
    if written != Some(bytes) {
        annotate(volume, bytes).await.map_err(Box::new)?;
        tracing::info!(bytes, "size of the volume");
    }
    Ok(bytes)
}

async fn annotate(volume: &Volume, bytes: u64) -> Result<(), kube::Error> {
    let client = Client::try_default().await?;
    let api: Api<Pod> = Api::namespaced(client, &volume.namespace);
    let patch = json!({"metadata": {"annotations": {DATA_VOLUME_BYTES: bytes.to_string()}}});
    let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
    api.patch_metadata(&volume.pod, &params, &patch).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_the_size_of_its_file_system() {
        let folder = tempfile::tempdir().unwrap();
        assert!(bytes(folder.path()).unwrap() > 1 << 20);
        assert!(bytes(&folder.path().join("none")).is_err());
    }
}
