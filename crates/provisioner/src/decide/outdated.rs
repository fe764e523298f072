//! Members that were made before their Pod template was changed. Nothing restarts them but a request; so that an edit is not
//! ignored in silence, the condition names them and the fields.

use std::collections::{BTreeMap, BTreeSet};

use api_types::PetSet;
use api_types::ops_request::OpsRequestType;
use api_types::postgres::PostgresSpec;
use api_types::reported::postgres::reasons;
use api_types::running::advice;
use api_types::vocabulary as words;
use blueprint::{RESERVED_NAMES, RESERVED_PATHS, reserved_variable};
use k8s_openapi::api::core::v1::{Container, Pod, PodTemplateSpec};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::decide::Refusal;
use crate::world::World;

/// Label of a Pod with the name of the revision that it was made from.
const REVISION_LABEL: &str = "controller-revision-hash";

/// Names of the revisions that Pods are of and the PetSet is not, as far as its controller has acted on its spec.
pub fn former_revisions(pet_set: Option<&PetSet>, pods: &[Pod]) -> BTreeSet<String> {
    let Some(current) = pet_set.and_then(current_revision) else {
        return BTreeSet::new();
    };
    let revisions = pods.iter().filter_map(revision_of);
    revisions
        .filter(|name| *name != current)
        .map(str::to_owned)
        .collect()
}

fn current_revision(pet_set: &PetSet) -> Option<&str> {
    let status = pet_set.status.as_ref()?;
    let is_current = status.observed_generation == pet_set.metadata.generation;
    status.update_revision.as_deref().filter(|_| is_current)
}

fn revision_of(pod: &Pod) -> Option<&str> {
    pod.metadata
        .labels
        .as_ref()?
        .get(REVISION_LABEL)
        .map(String::as_str)
}

/// Which members follow an edit of the spec only when they are made again; `None` when all follow it.
pub fn restart_needed(world: &World) -> Option<Refusal> {
    let pet_set = world.pet_set()?;
    let spec = world.postgres.spec.upgraded();
    let former = former_revisions(Some(pet_set), &world.pods);
    let (mut pods, mut fields) = (Vec::new(), BTreeSet::new());
    for pod in world
        .pods
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
    {
        let mut changed = revision_of(pod)
            .filter(|name| former.contains(*name))
            .and_then(|name| world.former_templates.get(name))
            .map(|template| differences(template, &pet_set.spec.template, &spec))
            .unwrap_or_default();
        changed.extend(policy(pod, pet_set));
        if !changed.is_empty() {
            pods.push(pod.metadata.name.clone().unwrap_or_default());
            fields.extend(changed);
        }
    }
    (!pods.is_empty()).then(|| refusal(&pods, &fields))
}

fn refusal(pods: &[String], fields: &BTreeSet<String>) -> Refusal {
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    Refusal::new(
        reasons::RESTART_NEEDED,
        format!(
            "{} was changed since {} was made. {}; until then, a member that is made again differs from the others",
            fields.join(", "),
            pods.join(", "),
            advice(OpsRequestType::Restart),
        ),
    )
}

/// A policy is no part of the template. A Pod of an older controller has no record of it.
fn policy(pod: &Pod, pet_set: &PetSet) -> Option<String> {
    let placed_by = pod.metadata.annotations.as_ref()?.get(words::PLACEMENT_POLICY)?;
    let named = pet_set
        .spec
        .pod_placement_policy
        .as_ref()
        .map_or("", |policy| policy.name.as_str());
    (placed_by != named).then(|| "spec.podTemplate.spec.podPlacementPolicy".to_owned())
}

/// The fields of the Postgres that make the difference between two templates. What only the operator decides is none.
fn differences(old: &PodTemplateSpec, new: &PodTemplateSpec, spec: &PostgresSpec) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let (old_meta, new_meta) = (
        old.metadata.clone().unwrap_or_default(),
        new.metadata.clone().unwrap_or_default(),
    );
    if old_meta.labels != new_meta.labels {
        found.insert("spec.podTemplate.metadata.labels".to_owned());
    }
    let users = |all: Option<BTreeMap<String, String>>| {
        let mut all = all.unwrap_or_default();
        all.retain(|key, _| key != words::RESTART_TOKEN && !key.starts_with("kubectl.kubernetes.io/"));
        all
    };
    if users(old_meta.annotations) != users(new_meta.annotations) {
        found.insert("spec.podTemplate.metadata.annotations".to_owned());
    }
    let (old, new) = (
        old.spec.clone().unwrap_or_default(),
        new.spec.clone().unwrap_or_default(),
    );
    found.extend(containers("containers", &old.containers, &new.containers, spec));
    let init = |spec: &k8s_openapi::api::core::v1::PodSpec| spec.init_containers.clone().unwrap_or_default();
    found.extend(containers("initContainers", &init(&old), &init(&new), spec));
    for key in changed_keys(&old, &new) {
        match key.as_str() {
            "containers" | "initContainers" => {}
            "volumes" if users_volumes(&old.volumes) == users_volumes(&new.volumes) => {}
            _ => {
                found.insert(format!("spec.podTemplate.spec.{key}"));
            }
        }
    }
    found
}

fn users_volumes<T: Serialize>(volumes: &T) -> Vec<Value> {
    without(volumes, "name", |name| RESERVED_NAMES.contains(&name))
}

/// The items of a list whose field does not identify them as ours.
fn without<T: Serialize>(list: &T, field: &str, is_ours: impl Fn(&str) -> bool) -> Vec<Value> {
    let list = serde_json::to_value(list).unwrap_or_default();
    let items = list.as_array().cloned().unwrap_or_default();
    items
        .into_iter()
        .filter(|item| !item[field].as_str().is_some_and(&is_ours))
        .collect()
}

fn changed_keys<T: Serialize>(old: &T, new: &T) -> BTreeSet<String> {
    let object = |value: &T| match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let (old, new) = (object(old), object(new));
    let keys = old.keys().chain(new.keys());
    keys.filter(|key| old.get(*key) != new.get(*key))
        .cloned()
        .collect()
}

fn containers(list: &str, old: &[Container], new: &[Container], spec: &PostgresSpec) -> BTreeSet<String> {
    let names: BTreeSet<&str> = old.iter().chain(new).map(|it| it.name.as_str()).collect();
    let of = |all: &[Container], name: &str| all.iter().find(|it| it.name == name).cloned();
    let mut found = BTreeSet::new();
    for name in names {
        let path = if name == words::EXPORTER_CONTAINER && spec.monitor.is_some() {
            "spec.monitor".to_owned()
        } else {
            format!("spec.podTemplate.spec.{list}[{name}]")
        };
        match (of(old, name), of(new, name)) {
            (Some(old), Some(new)) => {
                let keys = changed_keys(&old, &new);
                let keys = keys
                    .into_iter()
                    .filter(|key| is_users(name, key, &old, &new, spec));
                found.extend(keys.map(|key| format!("{path}.{key}")));
            }
            _ if name == words::EXPORTER_CONTAINER => {
                found.insert("spec.monitor".to_owned());
            }
            _ => {
                found.insert(path);
            }
        }
    }
    found
}

/// Whether a changed field of a container is the user's to change. Defaults and commands of our own containers change with the
/// operator's version, and members take them whenever they are made again.
fn is_users(name: &str, key: &str, old: &Container, new: &Container, spec: &PostgresSpec) -> bool {
    let is_ours = [
        words::POSTGRES_CONTAINER,
        words::AGENT_CONTAINER,
        words::EXPORTER_CONTAINER,
    ]
    .contains(&name);
    if !is_ours {
        return true;
    }
    let is_helper = name != words::POSTGRES_CONTAINER;
    match key {
        "image" | "command" | "ports" => false,
        "args" => name == words::EXPORTER_CONTAINER,
        "resources" if is_helper => has_resources(name, spec),
        "env" => {
            let users = |container: &Container| without(&container.env, "name", reserved_variable);
            users(old) != users(new)
        }
        "volumeMounts" => {
            let is_taken = |path: &str| RESERVED_PATHS.iter().any(|taken| path.starts_with(taken));
            let users = |container: &Container| without(&container.volume_mounts, "mountPath", is_taken);
            users(old) != users(new)
        }
        _ => true,
    }
}

/// Whether the spec sets the resources of one of our helpers.
fn has_resources(name: &str, spec: &PostgresSpec) -> bool {
    let pod = spec
        .pod_template
        .as_ref()
        .and_then(|template| template.spec.as_ref());
    let mut containers = pod.into_iter().flat_map(|pod| &pod.containers);
    let exporter = spec
        .monitor
        .as_ref()
        .and_then(|monitor| monitor.prometheus.as_ref()?.exporter.as_ref());
    containers.any(|it| it.name == name && it.resources.is_some())
        || name == words::EXPORTER_CONTAINER && exporter.is_some_and(|exporter| exporter.resources.is_some())
}
