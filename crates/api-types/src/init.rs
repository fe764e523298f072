//! `spec.init`: data that a new database begins with.

use k8s_openapi::api::core::v1::{
    AWSElasticBlockStoreVolumeSource, AzureDiskVolumeSource, AzureFileVolumeSource, CSIVolumeSource,
    CephFSVolumeSource, CinderVolumeSource, ConfigMapVolumeSource, DownwardAPIVolumeSource,
    EmptyDirVolumeSource, EnvVar, EphemeralVolumeSource, FCVolumeSource, FlexVolumeSource,
    FlockerVolumeSource, GCEPersistentDiskVolumeSource, GitRepoVolumeSource, GlusterfsVolumeSource,
    HostPathVolumeSource, ISCSIVolumeSource, ImageVolumeSource, NFSVolumeSource,
    PersistentVolumeClaimVolumeSource, PhotonPersistentDiskVolumeSource, PortworxVolumeSource,
    ProjectedVolumeSource, QuobyteVolumeSource, RBDVolumeSource, ResourceRequirements, ScaleIOVolumeSource,
    SecretVolumeSource, SecurityContext, StorageOSVolumeSource, Volume, VsphereVirtualDiskVolumeSource,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::postgres::{LocalRef, NamespacedRef};
use crate::rules;

/// Initial data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = Rule::new(rules::INIT_FIXED).message(rules::INIT_FIXED_MESSAGE))]
#[serde(rename_all = "camelCase")]
pub struct Init {
    /// Set by the operator once the database was initialised; `spec.init` cannot be changed from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initialized: Option<bool>,
    /// Wait for a restore before the database is called ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_for_initial_restore: Option<bool>,
    /// Scripts (`*.sh`, `*.sql`, `*.sql.gz`) that run once, on the first primary, from a volume or a git repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<ScriptSource>,
    /// Restore from an archive to a point in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archiver: Option<ArchiverRecovery>,
}

/// Declares [`ScriptSource`] with a field per kind of volume, and the way from it to a [`Volume`], from one list, so that
/// no kind is forgotten. A flattened [`Volume`] would not do: its `name` is required there and absent here.
macro_rules! script_source {
    ($($(#[doc = $doc:literal])+ $field:ident: $type:ty $(, rename = $name:literal)?;)+) => {
        /// Scripts from a volume or a git repository; one source is given.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "camelCase")]
        pub struct ScriptSource {
            /// Folder in the volume that holds the scripts; its root when empty.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub script_path: Option<String>,
            /// Scripts from a git repository, fetched by git-sync.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub git: Option<GitSource>,
            $(
                $(#[doc = $doc])+
                #[serde($(rename = $name,)? default, skip_serializing_if = "Option::is_none")]
                pub $field: Option<$type>,
            )+
        }

        impl ScriptSource {
            /// The volume of this name that holds the scripts; it has no source when they come from git.
            pub fn volume(&self, name: &str) -> Volume {
                Volume {
                    name: name.to_owned(),
                    $($field: self.$field.clone(),)+
                }
            }
        }
    };
}

script_source! {
    /// An AWS disk.
    aws_elastic_block_store: AWSElasticBlockStoreVolumeSource;
    /// An Azure disk.
    azure_disk: AzureDiskVolumeSource;
    /// An Azure file share.
    azure_file: AzureFileVolumeSource;
    /// A CephFS share.
    cephfs: CephFSVolumeSource;
    /// An OpenStack disk.
    cinder: CinderVolumeSource;
    /// A ConfigMap whose keys are the scripts.
    config_map: ConfigMapVolumeSource;
    /// A volume of a CSI driver.
    csi: CSIVolumeSource;
    /// Facts of the Pod.
    downward_api: DownwardAPIVolumeSource, rename = "downwardAPI";
    /// An empty folder.
    empty_dir: EmptyDirVolumeSource;
    /// A claim that lives as long as the Pod.
    ephemeral: EphemeralVolumeSource;
    /// A Fibre Channel disk.
    fc: FCVolumeSource;
    /// A volume of a flex driver.
    flex_volume: FlexVolumeSource;
    /// A Flocker volume.
    flocker: FlockerVolumeSource;
    /// A Google disk.
    gce_persistent_disk: GCEPersistentDiskVolumeSource;
    /// A git repository, cloned by kubelet (removed from Kubernetes; use `git`).
    git_repo: GitRepoVolumeSource;
    /// A Gluster share.
    glusterfs: GlusterfsVolumeSource;
    /// A folder of the node.
    host_path: HostPathVolumeSource;
    /// An image.
    image: ImageVolumeSource;
    /// An iSCSI disk.
    iscsi: ISCSIVolumeSource;
    /// An NFS share.
    nfs: NFSVolumeSource;
    /// A PersistentVolumeClaim in the same namespace.
    persistent_volume_claim: PersistentVolumeClaimVolumeSource;
    /// A Photon disk.
    photon_persistent_disk: PhotonPersistentDiskVolumeSource;
    /// A Portworx volume.
    portworx_volume: PortworxVolumeSource;
    /// Several sources in one folder.
    projected: ProjectedVolumeSource;
    /// A Quobyte share.
    quobyte: QuobyteVolumeSource;
    /// A Ceph disk.
    rbd: RBDVolumeSource;
    /// A ScaleIO volume.
    scale_io: ScaleIOVolumeSource, rename = "scaleIO";
    /// A Secret whose keys are the scripts.
    secret: SecretVolumeSource;
    /// A StorageOS volume.
    storageos: StorageOSVolumeSource;
    /// A vSphere disk.
    vsphere_volume: VsphereVirtualDiskVolumeSource;
}

/// A git repository, fetched by git-sync.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GitSource {
    /// Arguments of git-sync: repository, folder, branch.
    pub args: Vec<String>,
    /// Environment of git-sync.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Resources of git-sync's container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Security context of git-sync's container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<SecurityContext>,
    /// Secret with the credentials of the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_secret: Option<LocalRef>,
}

/// Restore from an archive to a point in time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArchiverRecovery {
    /// The point in time.
    pub recovery_timestamp: Time,
    /// Secret with the key that the archive is encrypted with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption_secret: Option<NamespacedRef>,
    /// Repository of the manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_repository: Option<NamespacedRef>,
    /// Repository of the data together with the manifests.
    #[serde(rename = "fullDBRepository", default, skip_serializing_if = "Option::is_none")]
    pub full_db_repository: Option<NamespacedRef>,
    /// How the other members get the data. Default `sync`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_strategy: Option<ReplicationStrategy>,
    /// Which manifests are restored too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_options: Option<ManifestOptions>,
}

/// How members that are not restored themselves get the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReplicationStrategy {
    /// Copy of the file system.
    FsCopy,
    /// Clone of the volume.
    Clone,
    /// Replication from the primary.
    Sync,
    /// Every member is restored from the archive.
    None,
}

/// Which manifests are restored together with the data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManifestOptions {
    /// Restore the archiver's manifest. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub archiver: Option<bool>,
    /// Name and namespace of the restored archiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archiver_ref: Option<NamespacedRef>,
    /// Restore the initial script. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub init_script: Option<bool>,
}
