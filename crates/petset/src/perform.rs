//! Carries out the moves of a plan, one after another, until one fails.

use api_types::PetSet;
use api_types::vocabulary::PETSET_CONTROLLER;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client, Resource, ResourceExt};
use runtime::{ApplyError, ObjectId, Process};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::controller::Error;
use crate::decide::Plan;
use crate::moves::{Move, OwnedKind, OwnershipChange, Problem, Seen};
use crate::{observe, report, revision};

/// What came of a plan.
#[derive(Debug)]
pub struct Done {
    /// Why the pass ended early or has to be done again: the first error.
    pub outcome: Result<(), Error>,
    /// The same for people, where it is more than a race.
    pub problems: Vec<Problem>,
    /// Whether another template has the name of our new revision.
    pub collided: bool,
}

/// Carries out the plan. An Event reports each Pod and claim that was made, deleted, or refused. A refusal of the API server
/// ends the pass only where ordinals follow each other: a Pod that a quota refuses must not keep the one alive whose end would
/// make room.
pub async fn perform(process: &Process, pet_set: &PetSet, plan: &Plan) -> Done {
    let mut done = Done {
        outcome: Ok(()),
        problems: vec![],
        collided: false,
    };
    let mut still_here = false;
    let mut refused: Vec<String> = vec![];
    for step in plan.moves.iter() {
        if needs_one_of(step, &refused) {
            continue;
        }
        // What is about to become ours must not belong to a PetSet that is going: the garbage collector would take the
        // adopted Pods with it. Read after the Pods were listed, once per pass.
        if is_adoption(step) && !still_here {
            match recheck(&process.client, pet_set).await {
                Ok(()) => still_here = true,
                Err(error) => {
                    done.outcome = done.outcome.and(Err(error));
                    return done;
                }
            }
        }
        tracing::info!("{step}");
        match carry_out(&process.client, pet_set, step).await {
            Ok(true) => report::succeeded(process, pet_set, step),
            Ok(false) => {}
            Err(error) => {
                let goes_on = !plan.in_order && is_refused_creation(step, &error);
                refused.extend(claim_of(step));
                failed(&mut done, process, pet_set, step, error);
                if !goes_on {
                    return done;
                }
            }
        }
    }
    done
}

fn failed(done: &mut Done, process: &Process, pet_set: &PetSet, step: &Move, error: Error) {
    done.collided |= matches!(step, Move::CreateRevision(_)) && matches!(error, Error::Moved(_));
    done.problems
        .extend(report::failed(process, pet_set, step, &error));
    if done.outcome.is_ok() {
        done.outcome = Err(error);
    }
}

/// Whether other ordinals may go on: the API server has responded, and the error was about one Pod or claim that is to
/// be made.
fn is_refused_creation(step: &Move, error: &Error) -> bool {
    let is_refusal = matches!(error, Error::Api(error) if error.is_refusal());
    is_refusal && matches!(step, Move::CreatePod(_) | Move::CreateClaim(_))
}

fn claim_of(step: &Move) -> Option<String> {
    match step {
        Move::CreateClaim(claim) => Some(claim.name_any()),
        _ => None,
    }
}

/// Whether a Pod would be made that mounts one of these claims.
fn needs_one_of(step: &Move, claims: &[String]) -> bool {
    let Move::CreatePod(pod) = step else { return false };
    let volumes = pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let mut mounted = volumes.filter_map(|volume| Some(&volume.persistent_volume_claim.as_ref()?.claim_name));
    mounted.any(|name| claims.contains(name))
}

fn is_adoption(step: &Move) -> bool {
    matches!(
        step,
        Move::SetOwners {
            change: OwnershipChange::Adopt,
            ..
        }
    )
}

async fn recheck(client: &Client, pet_set: &PetSet) -> Result<(), Error> {
    let namespace = pet_set.namespace().unwrap_or_default();
    let now = observe::pet_set(client, &namespace, &pet_set.name_any()).await?;
    let same = now.is_some_and(|now| {
        now.metadata.uid == pet_set.metadata.uid && now.metadata.deletion_timestamp.is_none()
    });
    if same {
        Ok(())
    } else {
        Err(Error::Moved(format!("PetSet {}", pet_set.name_any())))
    }
}

/// Does one move. `false` when it was done already.
async fn carry_out(client: &Client, pet_set: &PetSet, step: &Move) -> Result<bool, Error> {
    let namespace = pet_set.namespace().unwrap_or_default();
    match step {
        Move::CreateRevision(wanted) => create_revision(client, wanted).await,
        Move::RenumberRevision { name, revision } => {
            renumber_revision(client, &namespace, name, *revision).await
        }
        Move::DeleteRevision { name, uid } => {
            delete(
                client,
                &ControllerRevision {
                    metadata: meta(&namespace, name, uid),
                    ..Default::default()
                },
            )
            .await
        }
        Move::SetOwners {
            kind, seen, owners, ..
        } => set_owners(client, &namespace, *kind, seen, owners).await,
        Move::LabelPod { seen, labels } => {
            let patch = json!({ "metadata": { "labels": map(labels) } });
            patch_seen::<Pod>(client, &namespace, seen, patch).await
        }
        Move::GuardClaim { seen, annotations } => {
            let patch = json!({ "metadata": { "annotations": map(annotations) } });
            patch_seen::<PersistentVolumeClaim>(client, &namespace, seen, patch).await
        }
        Move::CreateClaim(claim) => create(client, claim.as_ref()).await,
        Move::DeleteClaim(seen) => delete_seen::<PersistentVolumeClaim>(client, &namespace, seen).await,
        Move::CreatePod(pod) => match create(client, pod.as_ref()).await? {
            true => Ok(true),
            // It was not there a moment ago. The next pass finds out whose it is.
            false => Err(Error::Moved(format!("Pod {}", pod.name_any()))),
        },
        Move::DeletePod { name, uid, .. } => {
            delete(
                client,
                &Pod {
                    metadata: meta(&namespace, name, uid),
                    ..Pod::default()
                },
            )
            .await
        }
    }
}

async fn renumber_revision(
    client: &Client,
    namespace: &str,
    name: &str,
    revision: i64,
) -> Result<bool, Error> {
    let api: Api<ControllerRevision> = Api::namespaced(client.clone(), namespace);
    let patch = Patch::Merge(json!({ "revision": revision }));
    let id = id_of::<ControllerRevision>(namespace, name);
    api.patch(name, &params(), &patch)
        .await
        .map_err(|e| ApplyError::new("renumber", id, e))?;
    Ok(true)
}

async fn set_owners(
    client: &Client,
    namespace: &str,
    kind: OwnedKind,
    seen: &Seen,
    owners: &[OwnerReference],
) -> Result<bool, Error> {
    let patch = json!({ "metadata": { "ownerReferences": owners } });
    match kind {
        OwnedKind::Pod => patch_seen::<Pod>(client, namespace, seen, patch).await,
        OwnedKind::Revision => patch_seen::<ControllerRevision>(client, namespace, seen, patch).await,
        OwnedKind::Claim => patch_seen::<PersistentVolumeClaim>(client, namespace, seen, patch).await,
    }
}

fn map(entries: &[(String, String)]) -> serde_json::Map<String, Value> {
    entries
        .iter()
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect()
}

/// Makes the revision; when the name is taken by the same template of ours, that is as good. Another template there
/// is a collision of hashes.
async fn create_revision(client: &Client, wanted: &ControllerRevision) -> Result<bool, Error> {
    if create(client, wanted).await? {
        return Ok(true);
    }
    let (namespace, name) = (wanted.namespace().unwrap_or_default(), wanted.name_any());
    let api: Api<ControllerRevision> = Api::namespaced(client.clone(), &namespace);
    let read = api.get_opt(&name).await;
    let there =
        read.map_err(|e| ApplyError::new("read", id_of::<ControllerRevision>(&namespace, &name), e))?;
    let owner = |r: &ControllerRevision| {
        r.metadata
            .owner_references
            .iter()
            .flatten()
            .next()
            .map(|o| o.uid.clone())
    };
    let same = there.is_some_and(|there| {
        owner(&there) == owner(wanted) && revision::template_of(&there) == revision::template_of(wanted)
    });
    if same {
        Ok(false)
    } else {
        Err(Error::Moved(format!("ControllerRevision {name}")))
    }
}

async fn create<K>(client: &Client, object: &K) -> Result<bool, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let params = PostParams {
        field_manager: Some(PETSET_CONTROLLER.to_owned()),
        ..PostParams::default()
    };
    match api.create(&params, object).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(false),
        Err(source) => Err(ApplyError::new("create", ObjectId::of(object), source).into()),
    }
}

async fn delete<K>(client: &Client, observed: &K) -> Result<bool, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    Ok(runtime::delete(client, observed).await? == runtime::Deletion::Accepted)
}

/// Deletes exactly the object that was seen, if it has not changed since: a claim that got its volume meanwhile stays.
async fn delete_seen<K>(client: &Client, namespace: &str, seen: &Seen) -> Result<bool, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    let params = DeleteParams::background().preconditions(Preconditions {
        uid: Some(seen.uid.clone()),
        resource_version: Some(seen.resource_version.clone()),
    });
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    match api.delete(&seen.name, &params).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
            Err(Error::Moved(id_of::<K>(namespace, &seen.name).to_string()))
        }
        Err(source) => Err(ApplyError::new("delete", id_of::<K>(namespace, &seen.name), source).into()),
    }
}

/// Patches exactly the object that was seen, if it has not changed since.
async fn patch_seen<K>(client: &Client, namespace: &str, seen: &Seen, mut patch: Value) -> Result<bool, Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned,
{
    patch["metadata"]["uid"] = json!(seen.uid);
    patch["metadata"]["resourceVersion"] = json!(seen.resource_version);
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    match api.patch(&seen.name, &params(), &Patch::Merge(&patch)).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
            Err(Error::Moved(id_of::<K>(namespace, &seen.name).to_string()))
        }
        Err(source) => Err(ApplyError::new("patch", id_of::<K>(namespace, &seen.name), source).into()),
    }
}

fn params() -> PatchParams {
    PatchParams {
        field_manager: Some(PETSET_CONTROLLER.to_owned()),
        ..PatchParams::default()
    }
}

fn meta(namespace: &str, name: &str, uid: &str) -> ObjectMeta {
    ObjectMeta {
        namespace: Some(namespace.to_owned()),
        name: Some(name.to_owned()),
        uid: Some(uid.to_owned()),
        ..ObjectMeta::default()
    }
}

fn id_of<K: Resource<DynamicType = ()>>(namespace: &str, name: &str) -> ObjectId {
    ObjectId {
        kind: K::kind(&()).into_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}
