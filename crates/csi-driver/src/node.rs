//! kubelet's calls on one node: a volume is mounted for the node, then for a Pod, and grows while it is mounted.

use std::path::{Path, PathBuf};

use crate::controller::{check_use, topology};
use crate::filesystem::{self, Usage};
use crate::grpc::{Code, Status};
use crate::pool::Pool;
use crate::wire::{
    GetVolumeStats, NodeExpandVolume, NodeExpanded, NodeInfo, Nothing, PublishVolume, StageVolume, Unit,
    UnpublishVolume, UnstageVolume, VolumeStats, VolumeUsage,
};

/// One node of the cluster.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The volumes.
    pub pool: Pool,
}

impl Node {
    /// The node's name, and the topology by which volumes are known to be on it.
    pub fn info(&self) -> NodeInfo {
        NodeInfo {
            node_id: self.name.clone(),
            accessible_topology: Some(topology(&self.name)),
        }
    }

    /// Mounts a volume for all its users on the node.
    ///
    /// # Errors
    /// When it can't be mounted; [`Code::FailedPrecondition`] when it is on another node.
    pub async fn stage(&self, request: StageVolume) -> Result<Nothing, Status> {
        let id = &request.volume_id;
        let record = self.pool.record(id)?;
        if record.node != self.name {
            let message = format!("volume {id} is on {}", record.node);
            return Err(Status::new(Code::FailedPrecondition, message));
        }
        check_use(request.volume_capability.as_slice())?;
        let target = path(&request.staging_target_path)?;
        self.pool.set_in_use(id, true)?;
        filesystem::mount(&self.pool.image(id)?, &target).await?;
        Ok(Nothing {})
    }

    /// Unmounts a volume from the node.
    ///
    /// # Errors
    /// When it is busy.
    pub async fn unstage(&self, request: UnstageVolume) -> Result<Nothing, Status> {
        filesystem::unmount(&path(&request.staging_target_path)?).await?;
        self.pool.set_in_use(&request.volume_id, false)?;
        Ok(Nothing {})
    }

    /// Gives a Pod the volume.
    ///
    /// # Errors
    /// When it can't be mounted.
    pub async fn publish(&self, request: PublishVolume) -> Result<Nothing, Status> {
        let (from, to) = (path(&request.staging_target_path)?, path(&request.target_path)?);
        filesystem::bind(&from, &to, request.readonly).await?;
        Ok(Nothing {})
    }

    /// Takes the volume from a Pod.
    ///
    /// # Errors
    /// When it is busy.
    pub async fn unpublish(&self, request: UnpublishVolume) -> Result<Nothing, Status> {
        filesystem::unmount(&path(&request.target_path)?).await?;
        Ok(Nothing {})
    }

    /// Lets the file system have all of the volume, which the controller has made larger.
    ///
    /// # Errors
    /// When it is not mounted, or can't grow.
    pub async fn expand(&self, request: NodeExpandVolume) -> Result<NodeExpanded, Status> {
        let record = self.pool.record(&request.volume_id)?;
        filesystem::grow(&path(&request.volume_path)?).await?;
        Ok(NodeExpanded {
            capacity_bytes: record.bytes,
        })
    }

    /// How full it is.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn stats(&self, request: GetVolumeStats) -> Result<VolumeStats, Status> {
        let at = path(&request.volume_path)?;
        if !at.try_exists()? {
            let message = format!("{} does not exist", at.display());
            return Err(Status::new(Code::NotFound, message));
        }
        Ok(stats(&filesystem::usage(&at).await?))
    }
}

fn stats(usage: &Usage) -> VolumeStats {
    let [total, free, available] = usage.bytes;
    let [inodes, free_inodes] = usage.inodes;
    VolumeStats {
        usage: vec![
            VolumeUsage {
                available,
                total,
                used: total.saturating_sub(free),
                unit: Unit::Bytes.into(),
            },
            VolumeUsage {
                available: free_inodes,
                total: inodes,
                used: inodes.saturating_sub(free_inodes),
                unit: Unit::Inodes.into(),
            },
        ],
    }
}

fn path(text: &str) -> Result<PathBuf, Status> {
    let path = Path::new(text);
    path.is_absolute()
        .then(|| path.to_owned())
        .ok_or_else(|| Status::new(Code::InvalidArgument, format!("{text:?} is not an absolute path")))
}
