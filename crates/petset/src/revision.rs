//! Revisions of the Pod template, kept as `apps/v1 ControllerRevision`: which one Pods are made from, which name it
//! has, and which old ones may go. Only the template is in a revision: replicas and placement don't change it.

use std::collections::{BTreeMap, BTreeSet};

use api_types::quantity;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{Container, Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::moves::Move;
use crate::resolve::Desired;
use crate::world::{World, is_controlled_by, revision_of};

/// Characters of the hash in a revision's name.
const HASH: usize = 10;
/// A revision's name is also a label value of Pods.
const MAX_LABEL: usize = 63;
/// Label of a revision with its hash, as StatefulSet's revisions have it.
const HASH_LABEL: &str = "controller.kubernetes.io/hash";

/// What can be changed of a container that runs (Kubernetes, "Resize CPU and Memory Resources assigned to Containers").
const RESIZABLE: [&str; 2] = ["cpu", "memory"];

/// A template with the name of its revision.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Name of the ControllerRevision, and value of the Pods' revision label.
    pub name: String,
    /// The template.
    pub template: PodTemplateSpec,
}

/// The two revisions that matter, and what must be written so that they exist.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The revision of the current template.
    pub update: Revision,
    /// The revision that Pods had before the template changed; `update` when all Pods have followed.
    pub current: Revision,
    /// `status.collisionCount` from now on.
    pub collision_count: Option<i32>,
    /// Writes that must come before any Pod is made.
    pub moves: Vec<Move>,
}

/// Chooses the revisions of a PetSet among those that it owns.
pub fn choose(desired: &Desired, world: &World) -> Chosen {
    let mut owned = owned(desired, world);
    owned.sort_by(|a, b| (a.revision, &a.metadata.name).cmp(&(b.revision, &b.metadata.name)));
    let newest = owned.last().map_or(0, |r| r.revision);
    let mut collision_count = world.status.collision_count;
    let mut moves = Vec::new();
    let same = owned
        .iter()
        .rev()
        .find(|r| template_of(r).as_ref() == Some(&desired.template));
    let update_name = match same {
        Some(same) => {
            if same.revision < newest {
                moves.push(Move::RenumberRevision {
                    name: name_of(same).to_owned(),
                    revision: newest + 1,
                });
            }
            name_of(same).to_owned()
        }
        None => {
            let name = free_name(desired, &owned, &mut collision_count);
            moves.push(Move::CreateRevision(Box::new(build(desired, &name, newest + 1))));
            name
        }
    };
    let update = Revision {
        name: update_name,
        template: desired.template.clone(),
    };
    let current = world
        .status
        .current_revision
        .as_deref()
        .and_then(|name| owned.iter().find(|r| name_of(r) == name))
        .and_then(|r| {
            Some(Revision {
                name: name_of(r).to_owned(),
                template: template_of(r)?,
            })
        })
        .unwrap_or_else(|| update.clone());
    Chosen {
        update,
        current,
        collision_count,
        moves,
    }
}

/// Old revisions beyond the history limit, oldest first. A revision that a Pod carries is not old.
pub fn prune(desired: &Desired, world: &World, chosen: &Chosen) -> Vec<Move> {
    let live: BTreeSet<&str> = world
        .pods
        .iter()
        .map(revision_of)
        .chain([chosen.update.name.as_str(), chosen.current.name.as_str()])
        .collect();
    let mut old: Vec<&ControllerRevision> = owned(desired, world)
        .into_iter()
        .filter(|r| !live.contains(name_of(r)))
        .collect();
    old.sort_by_key(|r| r.revision);
    let surplus = old.len().saturating_sub(desired.history_limit);
    old.into_iter()
        .take(surplus)
        .map(|r| Move::DeleteRevision {
            name: name_of(r).to_owned(),
            uid: r.metadata.uid.clone().unwrap_or_default(),
        })
        .collect()
}

/// The template that a revision keeps; `None` when it is not in the form that we (and StatefulSet) write.
pub fn template_of(revision: &ControllerRevision) -> Option<PodTemplateSpec> {
    let template = revision.data.as_ref()?.0.pointer("/spec/template")?;
    serde_json::from_value(template.clone()).ok()
}

/// Whether a Pod of an older revision is as the new template would make it: the two differ in processors and memory of containers
/// only, and the Pod was given those while it ran (`pods/resize`), as its node reports.
pub fn has_followed_in_place(pod: &Pod, world: &World, to: &Revision) -> bool {
    let mut made_from = world
        .revisions
        .iter()
        .filter(|it| name_of(it) == revision_of(pod));
    let Some(old) = made_from.find_map(template_of) else {
        return false;
    };
    let mut wanted = to.template.spec.iter().flat_map(|spec| &spec.containers);
    without_amounts(old) == without_amounts(to.template.clone())
        && wanted.all(|container| has_resources(pod, container))
}

fn has_resources(pod: &Pod, wanted: &Container) -> bool {
    let Some(amounts) = &wanted.resources else {
        return true;
    };
    let mut containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let asked = containers.find(|it| it.name == wanted.name);
    let mut statuses = pod
        .status
        .iter()
        .flat_map(|it| it.container_statuses.iter().flatten());
    let running = statuses.find(|it| it.name == wanted.name);
    let limits = asked.and_then(|it| it.resources.as_ref()?.limits.as_ref());
    // A limit can't be taken away from a container that runs.
    let has_more = limits.into_iter().flat_map(BTreeMap::keys).any(|name| {
        let wanted = amounts.limits.as_ref();
        !wanted.is_some_and(|wanted| wanted.contains_key(name))
    });
    !has_more
        && quantity::has_all(
            asked.and_then(|it| it.resources.as_ref()),
            amounts,
            quantity::is_same,
        )
        && quantity::has_all(
            running.and_then(|it| it.resources.as_ref()),
            amounts,
            quantity::is_near,
        )
}

/// A template without what can be given to a container that runs.
fn without_amounts(mut template: PodTemplateSpec) -> PodTemplateSpec {
    let containers = template.spec.iter_mut().flat_map(|spec| &mut spec.containers);
    for container in containers {
        let resources = container.resources.get_or_insert_default();
        for list in [&mut resources.requests, &mut resources.limits] {
            let mut others = list.take().unwrap_or_default();
            others.retain(|name, _| !RESIZABLE.contains(&name.as_str()));
            *list = (!others.is_empty()).then_some(others);
        }
    }
    template
}

fn owned<'a>(desired: &Desired, world: &'a World) -> Vec<&'a ControllerRevision> {
    world
        .revisions
        .iter()
        .filter(|r| is_controlled_by(&r.metadata, &desired.uid))
        .collect()
}

fn name_of(revision: &ControllerRevision) -> &str {
    revision.metadata.name.as_deref().unwrap_or_default()
}

/// The ControllerRevision of the template. `$patch: replace` is StatefulSet's form: the data is a strategic merge patch.
fn build(desired: &Desired, name: &str, revision: i64) -> ControllerRevision {
    let mut template = json!(desired.template);
    template["$patch"] = json!("replace");
    // The template's labels, not the selector's `matchLabels`: the selector may have nothing but expressions.
    let mut labels = desired
        .template
        .metadata
        .as_ref()
        .and_then(|m| m.labels.clone())
        .unwrap_or_default();
    let hash = name.rsplit('-').next().unwrap_or_default();
    labels.insert(HASH_LABEL.to_owned(), hash.to_owned());
    ControllerRevision {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(desired.namespace.clone()),
            labels: Some(labels),
            owner_references: Some(vec![desired.controller_reference()]),
            ..ObjectMeta::default()
        },
        revision,
        data: Some(RawExtension(json!({ "spec": { "template": template } }))),
    }
}

/// The name by hash; while another template of ours has it, the collision count changes the hash.
fn free_name(desired: &Desired, owned: &[&ControllerRevision], collisions: &mut Option<i32>) -> String {
    loop {
        let name = revision_name(&desired.name, &desired.template, *collisions);
        if owned.iter().all(|r| name_of(r) != name) {
            return name;
        }
        *collisions = Some(collisions.unwrap_or(0) + 1);
    }
}

/// `<petset>-<hash of the template>`, short enough for a label: the PetSet's part is cut, never the hash.
pub fn revision_name(pet_set: &str, template: &PodTemplateSpec, collisions: Option<i32>) -> String {
    let head: String = pet_set.chars().take(MAX_LABEL - HASH - 1).collect();
    format!(
        "{}-{}",
        head.trim_end_matches(['-', '.']),
        hash(template, collisions)
    )
}

/// Hash of everything in the template. Struct fields and map keys serialise in one order, so it is the same in every
/// process. It never decides whether templates are equal.
fn hash(template: &PodTemplateSpec, collisions: Option<i32>) -> String {
    let mut hasher = Sha256::new();
    hasher.update(serde_json::to_vec(template).expect("a Pod template is plain data"));
    if let Some(collisions) = collisions.filter(|count| *count > 0) {
        hasher.update(collisions.to_be_bytes());
    }
    hex::encode(hasher.finalize()).chars().take(HASH).collect()
}
