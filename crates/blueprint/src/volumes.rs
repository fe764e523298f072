//! Volumes of a member, and where its containers mount them.

use api_types::names;
use api_types::tls::CertificateAlias;
use api_types::vocabulary as words;
use k8s_openapi::api::core::v1::{
    EmptyDirVolumeSource, KeyToPath, PersistentVolumeClaim, SecretVolumeSource, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::resolved::{Resolved, Storage};
use crate::{material, paths};

const SHARED_MEMORY: &str = "shared-memory";
const CONFIG: &str = "custom-config";
const SOCKET: &str = "socket";
const TMP: &str = "tmp";

/// Names that a user's volumes may not have: ours, and those that KubeDB reserves.
pub const RESERVED_NAMES: [&str; 15] = [
    "certs",
    CONFIG,
    words::DATA_VOLUME,
    "initial-script",
    "role-scripts",
    "run-scripts",
    "scripts",
    SHARED_MEMORY,
    SOCKET,
    "tls-volume-client",
    "tls-volume-exporter",
    "tls-volume-server",
    TMP,
    "tls-volume-metrics-exporter",
    "tls-volume",
];

/// Paths at or below which a user's containers may not mount anything: ours, and those that KubeDB reserves.
pub const RESERVED_PATHS: [&str; 10] = [
    "/dev/shm",
    words::CONFIG_MOUNT,
    "/role_scripts",
    "/run_scripts",
    "/scripts",
    words::TLS_MOUNT,
    "/tmp",
    "/var/initdb",
    words::DATA_MOUNT,
    paths::SOCKET_DIR,
];

/// Files of Secrets are for PostgreSQL's group only; it refuses a key that others can read.
const SECRET_MODE: i32 = 0o640;

/// Volumes of the Pod template. They do not depend on whether TLS is on, nor on the names of certificates' Secrets.
pub(crate) fn volumes(resolved: &Resolved) -> Vec<Volume> {
    let mut volumes = vec![
        config(resolved),
        tls(resolved, CertificateAlias::Server),
        tls(resolved, CertificateAlias::Client),
        tls(resolved, CertificateAlias::MetricsExporter),
        empty_dir(SHARED_MEMORY, Some("Memory")),
        empty_dir(SOCKET, None),
        empty_dir(TMP, None),
    ];
    if resolved.storage == Storage::Ephemeral {
        volumes.push(empty_dir(words::DATA_VOLUME, None));
    }
    volumes
}

/// Mounts of the container `postgres`.
pub(crate) fn postgres_mounts() -> Vec<VolumeMount> {
    vec![
        mount(words::DATA_VOLUME, words::DATA_MOUNT),
        read_only(CONFIG, words::CONFIG_MOUNT),
        read_only("tls-volume-server", paths::SERVER_MOUNT),
        read_only("tls-volume-client", paths::CLIENT_MOUNT),
        read_only("tls-volume-exporter", paths::EXPORTER_MOUNT),
        mount(SHARED_MEMORY, "/dev/shm"),
        mount(SOCKET, paths::SOCKET_DIR),
        mount(TMP, "/tmp"),
    ]
}

/// Mounts of the container `exporter`, which connects through the Unix socket.
pub(crate) fn exporter_mounts() -> Vec<VolumeMount> {
    vec![
        read_only("tls-volume-exporter", paths::EXPORTER_MOUNT),
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
                // Without an owner: claims outlive the Postgres unless its deletion policy says otherwise.
                labels: Some(resolved.labels()),
                ..ObjectMeta::default()
            },
            spec: Some((**spec).clone()),
            status: None,
        }],
    }
}

/// The configuration, without the keys that have folders of their own.
fn config(resolved: &Resolved) -> Volume {
    let keys = [
        words::PATRONI_YML,
        words::USER_CONF,
        words::INLINE_CONF,
        words::TRUST_CRT,
    ];
    of_config(resolved, CONFIG, keys.map(|key| (key, key)).into())
}

/// A certificate under KubeDB's file names. Without TLS the keys are absent and the folder is empty.
fn tls(resolved: &Resolved, alias: CertificateAlias) -> Volume {
    let name = match alias {
        CertificateAlias::Server => "tls-volume-server",
        CertificateAlias::Client => "tls-volume-client",
        CertificateAlias::MetricsExporter => "tls-volume-exporter",
    };
    let items = material::keys(alias).into_iter().zip(material::files(alias));
    of_config(resolved, name, items.collect())
}

/// Keys of the config Secret as files of these names.
fn of_config(resolved: &Resolved, volume: &str, items: Vec<(&str, &str)>) -> Volume {
    let item = |(key, path): (&str, &str)| KeyToPath {
        key: key.to_owned(),
        path: path.to_owned(),
        mode: None,
    };
    Volume {
        name: volume.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(names::config_secret(&resolved.name, &resolved.uid)),
            default_mode: Some(SECRET_MODE),
            // Of keys too: those of certificates come and go.
            optional: (volume != CONFIG).then_some(true),
            items: Some(items.into_iter().map(item).collect()),
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
