//! Volumes of a member, and where its containers mount them.

use std::collections::BTreeMap;

use api_types::vocabulary as words;
use k8s_openapi::api::core::v1::{
    Container, EmptyDirVolumeSource, PersistentVolumeClaim, SecretVolumeSource, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::deployment_tools::prune_guards;
use crate::paths;
use crate::resolved::{Resolved, Storage};

const SHARED_MEMORY: &str = "shared-memory";
const CONFIG: &str = "custom-config";
const CONFIG_SECRET: &str = "config-secret";
const SERVER: &str = "tls-volume-server";
const CLIENT: &str = "tls-volume-client";
const EXPORTER: &str = "tls-volume-exporter";
const MEMBERS: &str = "tls-volume-members";
/// KubeDB's name of the volume from which members run what another image brings.
const PROGRAMS: &str = "run-scripts";
const SOCKET: &str = "socket";
const TMP: &str = "tmp";

/// Names that a user's volumes may not have: ours, and those that KubeDB reserves.
pub const RESERVED_NAMES: [&str; 17] = [
    "certs",
    CONFIG,
    CONFIG_SECRET,
    words::DATA_VOLUME,
    "initial-script",
    "role-scripts",
    PROGRAMS,
    "scripts",
    SHARED_MEMORY,
    SOCKET,
    CLIENT,
    EXPORTER,
    MEMBERS,
    SERVER,
    TMP,
    "tls-volume-metrics-exporter",
    "tls-volume",
];

/// Paths at or below which a user's containers may not mount anything: ours, and those that KubeDB reserves.
pub const RESERVED_PATHS: [&str; 11] = [
    "/dev/shm",
    words::CONFIG_MOUNT,
    "/role_scripts",
    paths::PROGRAMS_MOUNT,
    "/scripts",
    words::TLS_MOUNT,
    "/tmp",
    "/var/initdb",
    words::DATA_MOUNT,
    paths::CONFIG_SECRET_MOUNT,
    paths::SOCKET_DIR,
];

/// Folders of files that the agent writes and the members read: the volume, and where it is mounted.
const FOLDERS: [(&str, &str); 5] = [
    (CONFIG, words::CONFIG_MOUNT),
    (SERVER, paths::SERVER_MOUNT),
    (CLIENT, paths::CLIENT_MOUNT),
    (EXPORTER, paths::EXPORTER_MOUNT),
    (MEMBERS, paths::MEMBERS_MOUNT),
];

/// Much more than certificates and configuration need, while there are two versions of them.
const FOLDER_SIZE: &str = "8Mi";

/// The projected Secret is for the agent only, which has PostgreSQL's group.
const SECRET_MODE: i32 = 0o440;

/// Volumes of the Pod template. They do not depend on whether TLS is on, nor on the names of certificates' Secrets.
pub(crate) fn volumes(resolved: &Resolved) -> Vec<Volume> {
    let mut volumes = FOLDERS.map(|(volume, _)| folder(volume)).to_vec();
    volumes.extend([
        config_secret(resolved),
        empty_dir(PROGRAMS, None),
        empty_dir(SHARED_MEMORY, Some("Memory")),
        empty_dir(SOCKET, None),
        empty_dir(TMP, None),
    ]);
    if resolved.storage == Storage::Ephemeral {
        volumes.push(empty_dir(words::DATA_VOLUME, None));
    }
    volumes
}

/// Mounts of the container `postgres`.
pub(crate) fn postgres_mounts() -> Vec<VolumeMount> {
    let mut mounts = vec![mount(words::DATA_VOLUME, words::DATA_MOUNT)];
    mounts.extend(FOLDERS.map(|(volume, path)| read_only(volume, path)));
    mounts.extend([
        read_only(PROGRAMS, paths::PROGRAMS_MOUNT),
        mount(SHARED_MEMORY, "/dev/shm"),
        mount(SOCKET, paths::SOCKET_DIR),
        mount(TMP, "/tmp"),
    ]);
    mounts
}

/// Mounts of the container `config-agent`.
pub(crate) fn agent_mounts() -> Vec<VolumeMount> {
    let mut mounts = vec![
        read_only(CONFIG_SECRET, paths::CONFIG_SECRET_MOUNT),
        // For its size only.
        read_only(words::DATA_VOLUME, words::DATA_MOUNT),
    ];
    mounts.extend(FOLDERS.map(|(volume, path)| mount(volume, path)));
    mounts.push(mount(PROGRAMS, paths::PROGRAMS_MOUNT));
    mounts
}

/// A container of the user, which may read the members' files but not write them.
pub(crate) fn without_writing_files(mut container: Container) -> Container {
    let is_ours = |volume: &str| {
        [CONFIG_SECRET, PROGRAMS].contains(&volume) || FOLDERS.iter().any(|(ours, _)| volume == *ours)
    };
    let mounts = container.volume_mounts.iter_mut().flatten();
    for mount in mounts.filter(|mount| is_ours(&mount.name)) {
        mount.read_only = Some(true);
    }
    container
}

/// Mounts of the container `exporter`, which connects through the Unix socket.
pub(crate) fn exporter_mounts() -> Vec<VolumeMount> {
    vec![
        read_only(EXPORTER, paths::EXPORTER_MOUNT),
        mount(SOCKET, paths::SOCKET_DIR),
    ]
}

/// The claim made for every member; none for ephemeral storage.
pub(crate) fn claim_templates(resolved: &Resolved) -> Vec<PersistentVolumeClaim> {
    match &resolved.storage {
        Storage::Ephemeral => Vec::new(),
        Storage::Durable(spec) => vec![PersistentVolumeClaim {
            metadata: ObjectMeta {
                name: Some(words::DATA_VOLUME.to_owned()),
                // Without an owner: claims outlive the Postgres unless its deletion policy deletes them.
                labels: Some(resolved.labels()),
                annotations: Some(claim_annotations(resolved)),
                ..ObjectMeta::default()
            },
            spec: Some((**spec).clone()),
            status: None,
        }],
    }
}

/// The record of whose files are on the volume is there before there are any.
fn claim_annotations(resolved: &Resolved) -> BTreeMap<String, String> {
    let mut all = prune_guards();
    let version = resolved.deployed_version().to_annotation();
    all.insert(words::DEPLOYED_VERSION.to_owned(), version);
    all
}

/// A folder in memory: private keys never reach a disk.
fn folder(name: &str) -> Volume {
    Volume {
        empty_dir: Some(EmptyDirVolumeSource {
            medium: Some("Memory".to_owned()),
            size_limit: Some(Quantity(FOLDER_SIZE.to_owned())),
        }),
        ..empty_dir(name, None)
    }
}

/// The whole config Secret as kubelet brings it: a Pod waits for it, starts from it, and falls back to it.
fn config_secret(resolved: &Resolved) -> Volume {
    Volume {
        name: CONFIG_SECRET.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(resolved.config_secret_name()),
            default_mode: Some(SECRET_MODE),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn empty_dir(name: &str, medium: Option<&str>) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource {
            medium: medium.map(str::to_owned),
            size_limit: None,
        }),
        ..Volume::default()
    }
}

fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    }
}

fn read_only(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        read_only: Some(true),
        ..mount(volume, path)
    }
}
