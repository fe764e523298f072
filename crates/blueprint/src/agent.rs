//! The container `config-agent`: brings the config Secret's keys as files into the folders that the members mount.
//!
//! The first of the containers: kubelet starts the next one when this one's hook has filled the folders. A native sidecar
//! would do the same, but kubelet checks its init containers only once a second, which every start of a member would wait
//! for.

use api_types::tls::CertificateAlias;
use api_types::vocabulary as words;
use k8s_openapi::api::core::v1::{Container, ExecAction, Lifecycle, LifecycleHandler, ResourceRequirements};

use crate::containers::{adapted, field, security_context, users};
use crate::members_tls::{MEMBER_FILES, MEMBER_KEYS};
use crate::quantity::{amount_of as amount, with_defaults};
use crate::resolved::{Resolved, Storage};
use crate::{material, paths, volumes};

/// The program in its image.
const PROGRAM: &str = "/config-agent";
/// The first process of the members, in the same image: members of any image of PostgreSQL run the one that belongs to these
/// operators.
const ENTRYPOINT: &str = "/entrypoint";

/// Mode of files that PostgreSQL's user and group may read.
const MODE: &str = "0640";
/// Mode of private keys that PostgreSQL and libpq read: of a file that their own user owns, they take no other mode
/// than this (manual, "Secure TCP/IP Connections with SSL").
const KEY_MODE: &str = "0600";
/// Mode of what Patroni runs.
const PROGRAM_MODE: &str = "0750";

/// The container with the user's changes to it. `user` is the one that PostgreSQL runs as: keys belong to it.
pub(crate) fn container(resolved: &Resolved, user: i64) -> Container {
    let ours = Container {
        name: words::AGENT_CONTAINER.to_owned(),
        image: Some(resolved.agent_image.clone()),
        command: Some(vec![PROGRAM.to_owned()]),
        args: Some(watch(resolved)),
        env: Some(vec![
            field("POD_NAMESPACE", "metadata.namespace"),
            field("POD_NAME", "metadata.name"),
        ]),
        lifecycle: Some(fill_folders_first()),
        resources: Some(resources()),
        security_context: Some(security_context(user)),
        volume_mounts: Some(volumes::agent_mounts()),
        ..Container::default()
    };
    match users(resolved, words::AGENT_CONTAINER) {
        Some(users) => Container {
            resources: Some(with_defaults(users.resources.as_ref(), resources())),
            ..adapted(ours, users)
        },
        None => ours,
    }
}

/// kubelet starts the next container when this hook has returned: Patroni finds its files, also while the API server
/// can't be reached. A startup probe would do the same, but runs once a second at most.
fn fill_folders_first() -> Lifecycle {
    let mut command = vec![PROGRAM.to_owned(), "copy".to_owned()];
    command.push(format!("--program={ENTRYPOINT}={}", paths::ENTRYPOINT));
    command.extend(files());
    Lifecycle {
        post_start: Some(LifecycleHandler {
            exec: Some(ExecAction {
                command: Some(command),
            }),
            ..LifecycleHandler::default()
        }),
        ..Lifecycle::default()
    }
}

fn watch(resolved: &Resolved) -> Vec<String> {
    let mut arguments = vec!["watch".to_owned()];
    if resolved.storage != Storage::Ephemeral {
        arguments.push(format!("--size-of={}", words::DATA_MOUNT));
    }
    arguments.push(format!("--secret={}", resolved.config_secret_name()));
    arguments.extend(files());
    arguments
}

/// From where, and which key becomes which file. Folders are written in this order: certificates before the
/// configuration that names them.
fn files() -> Vec<String> {
    let mut arguments = vec![format!("--from={}", paths::CONFIG_SECRET_MOUNT)];
    for (alias, folder, key_mode) in [
        (CertificateAlias::Server, paths::SERVER_MOUNT, KEY_MODE),
        (CertificateAlias::Client, paths::CLIENT_MOUNT, KEY_MODE),
        // The exporter may run as another user, of the same group.
        (CertificateAlias::MetricsExporter, paths::EXPORTER_MOUNT, MODE),
    ] {
        let keys = material::keys(alias).into_iter().zip(material::files(alias));
        let modes = [MODE, MODE, key_mode];
        arguments.extend(
            keys.zip(modes)
                .map(|((key, name), mode)| file(key, folder, name, mode)),
        );
    }
    let members = MEMBER_KEYS.into_iter().zip(MEMBER_FILES).zip([MODE, KEY_MODE]);
    arguments.extend(members.map(|((key, name), mode)| file(key, paths::MEMBERS_MOUNT, name, mode)));
    for (key, mode) in [
        (words::TRUST_CRT, MODE),
        (words::USER_CONF, MODE),
        (words::INLINE_CONF, MODE),
        (words::ROLES_SQL, MODE),
        (words::ROLES_SH, MODE),
        (words::INITDB, PROGRAM_MODE),
        (words::PATRONI_YML, MODE),
    ] {
        arguments.push(file(key, words::CONFIG_MOUNT, key, mode));
    }
    arguments
}

fn file(key: &str, folder: &str, name: &str, mode: &str) -> String {
    format!("--file={key}={folder}/{name}:{mode}")
}

/// It waits nearly all of the time. Its limit of the processor is many times what a change takes, which is to be there at once:
/// where a quota counts limits, every container must have one.
fn resources() -> ResourceRequirements {
    ResourceRequirements {
        requests: Some([amount("cpu", "10m"), amount("memory", "16Mi")].into()),
        // What it writes into folders in memory counts, too.
        limits: Some([amount("cpu", "500m"), amount("memory", "64Mi")].into()),
        ..ResourceRequirements::default()
    }
}
