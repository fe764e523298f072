//! Does what was decided. Besides the request's own status and finalizer, nothing else writes.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Instant;

use api_types::vocabulary::{
    CHILDREN_MANAGER, FILES_TOKEN, OPS_MANAGER, PAUSED_BY, SERVES_READS, SERVES_READS_LABEL,
};
use api_types::{PauseHolder, Postgres, PostgresOpsRequest};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{Pod, ResourceRequirements};
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::Status;
use kube::{Api, Client, Resource, ResourceExt};
use runtime::{ApplyError, Eviction, ObjectId, apply, evict, merge_patch};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::auth;
use crate::effect::{Child, Effect, MemberEffect};
use crate::error::Error;
use crate::member::Connections;
use crate::observe::Seen;
use crate::operation::Operation;
use crate::reload_debounce::ReloadDebounce;
use crate::section::SpecPatch;
use crate::tls;
use crate::volumes;

/// Subresource by which resources of a Pod are changed while it runs.
const RESIZE: &str = "resize";

/// Performs one effect. What is already done, or belongs to another owner by now, is no error: the next observation
/// decides again.
///
/// # Errors
/// [`Error`], when it has to be tried again.
pub async fn perform(
    client: &Client,
    op: &Operation,
    seen: &Seen,
    reloads: &ReloadDebounce,
    effect: &Effect,
) -> Result<(), Error> {
    match effect {
        Effect::TakePause => set_pause(client, seen, json!(op.holder().to_string())).await,
        Effect::DropPause(holder) => drop_pause(client, seen, holder).await,
        Effect::PatchSpec(patch) => patch_spec(client, seen, patch).await,
        Effect::Apply(child) => apply_child(client, child).await,
        Effect::Tls(effect) => tls::perform::perform(client, op, seen, effect).await,
        Effect::Volume(effect) => volumes::perform::perform(client, op, effect).await,
        Effect::Auth(effect) => auth::perform::perform(client, op, seen, effect).await,
        Effect::Member(effect) => perform_member(client, op, seen, reloads, effect).await,
    }
}

async fn perform_member(
    client: &Client,
    op: &Operation,
    seen: &Seen,
    reloads: &ReloadDebounce,
    effect: &MemberEffect,
) -> Result<(), Error> {
    match effect {
        MemberEffect::TouchFiles { pod, token } => {
            let pod = seen
                .pod(pod)
                .ok_or_else(|| Error::Vanished(format!("Pod {pod}")))?;
            touch(client, pod, token).await
        }
        MemberEffect::Reload {
            pod,
            configuration,
            files,
            ..
        } => {
            let hash = config_hash(seen);
            if *configuration && reloads.lately(&op.namespace, pod, hash, Instant::now()) {
                return Ok(());
            }
            let members = Connections::new(seen)?;
            let reloaded = members.reload(pod, *configuration, files.as_deref()).await?;
            if reloaded && *configuration {
                reloads.note(&op.namespace, pod, hash, Instant::now());
            }
            Ok(())
        }
        MemberEffect::EndSessions { encrypted } => {
            let ended = Connections::new(seen)?.end_sessions(*encrypted).await;
            tracing::info!(ended, encrypted, "sessions ended");
            Ok(())
        }
        MemberEffect::Evict { pod, uid } => evict_pod(client, seen, pod, uid).await,
        MemberEffect::Resize { pod, uid, containers } => resize(client, seen, pod, uid, containers).await,
        MemberEffect::Rebuild { pod } => Connections::new(seen)?.rebuild(pod).await,
        MemberEffect::Switchover { from, to } => Connections::new(seen)?.switch_over(from, to).await,
        MemberEffect::Promote { pod } => Connections::new(seen)?.promote(pod).await,
        MemberEffect::ServeReads { pod, uid, serve } => serve_reads(client, seen, pod, uid, *serve).await,
        MemberEffect::RestartPostgres { pod } => Connections::new(seen)?.restart_postgres(pod).await,
        MemberEffect::ConfigurePatroni { pod, patch } => Connections::new(seen)?.configure(pod, patch).await,
        MemberEffect::ForgetSlots { leader, forget } => {
            Connections::new(seen)?.forget_slots(leader, *forget).await
        }
    }
}

async fn serve_reads(
    client: &Client,
    seen: &Seen,
    pod: &str,
    uid: &String,
    serve: bool,
) -> Result<(), Error> {
    let Some(pod) = seen.pod(pod).filter(|pod| pod.metadata.uid.as_ref() == Some(uid)) else {
        return Ok(());
    };
    let value = if serve { SERVES_READS } else { "false" };
    let patch = json!({"metadata": {"uid": uid, "labels": {SERVES_READS_LABEL: value}}});
    patch_pod(client, pod, "label", patch).await
}

/// By the subresource, which changes nothing but resources. The UID is a precondition: another Pod of this name is left alone.
async fn resize(
    client: &Client,
    seen: &Seen,
    pod: &str,
    uid: &String,
    containers: &BTreeMap<String, ResourceRequirements>,
) -> Result<(), Error> {
    let Some(pod) = seen.pod(pod).filter(|pod| pod.metadata.uid.as_ref() == Some(uid)) else {
        return Ok(());
    };
    let containers: Vec<Value> = containers
        .iter()
        .map(|(name, resources)| json!({"name": name, "resources": resources}))
        .collect();
    let patch = Patch::Strategic(json!({"metadata": {"uid": uid}, "spec": {"containers": containers}}));
    let api: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let outcome = api
        .patch_subresource(RESIZE, &pod.name_any(), &as_ops_manager(), &patch)
        .await;
    match outcome {
        Err(kube::Error::Api(status)) if !is_about(&status, pod) => {
            let source = kube::Error::Api(status);
            Err(ApplyError::new("resize", ObjectId::of(pod), source).into())
        }
        outcome => tolerate_replaced("resize", ObjectId::of(pod), outcome),
    }
}

/// Whether an answer names the Pod. That the API server has no such subresource is "not found", too (before Kubernetes 1.33).
fn is_about(status: &Status, pod: &Pod) -> bool {
    status.code != 404 || status.message.contains(&format!("\"{}\"", pod.name_any()))
}

async fn evict_pod(client: &Client, seen: &Seen, pod: &str, uid: &String) -> Result<(), Error> {
    let Some(pod) = seen.pod(pod).filter(|pod| pod.metadata.uid.as_ref() == Some(uid)) else {
        return Ok(());
    };
    match evict(client, pod).await? {
        Eviction::Accepted | Eviction::Gone => {}
        Eviction::Blocked(why) => {
            tracing::info!(pod = pod.name_any(), why, "eviction is not allowed now");
            return Err(Error::NotNow(format!("eviction is not allowed now: {why}")));
        }
    }
    Ok(())
}

/// Stands for the content of the config Secret.
fn config_hash(seen: &Seen) -> &str {
    let config = seen.world.config.present();
    config
        .and_then(|config| blueprint::recorded_hash(&config.meta))
        .unwrap_or_default()
}

pub(crate) fn postgres(seen: &Seen) -> Result<&Postgres, Error> {
    seen.world
        .postgres
        .present()
        .ok_or_else(|| Error::Vanished("the Postgres".into()))
}

async fn set_pause(client: &Client, seen: &Seen, value: Value) -> Result<(), Error> {
    let patch = json!({"metadata": {"annotations": {PAUSED_BY: value}}});
    merge_patch(client, postgres(seen)?, patch, OPS_MANAGER).await?;
    Ok(())
}

async fn drop_pause(client: &Client, seen: &Seen, holder: &PauseHolder) -> Result<(), Error> {
    if seen.world.holder().as_ref() != Some(holder) {
        return Ok(());
    }
    set_pause(client, seen, Value::Null).await
}

async fn patch_spec(client: &Client, seen: &Seen, patch: &SpecPatch) -> Result<(), Error> {
    let observed = postgres(seen)?;
    let Some(change) = patch.merge_patch(&observed.spec) else {
        return Ok(());
    };
    merge_patch(client, observed, json!({"spec": change}), OPS_MANAGER).await?;
    Ok(())
}

async fn apply_child(client: &Client, child: &Child) -> Result<(), Error> {
    match child {
        Child::Config(secret) | Child::LastGood(secret) => {
            drop(apply(client, secret, CHILDREN_MANAGER).await?)
        }
        Child::AppBinding(app_binding) => drop(apply(client, app_binding, CHILDREN_MANAGER).await?),
        Child::PetSet(pet_set) => drop(apply(client, &**pet_set, CHILDREN_MANAGER).await?),
        Child::Certificate(certificate) => drop(apply(client, certificate, CHILDREN_MANAGER).await?),
    }
    Ok(())
}

/// A changed annotation makes kubelet sync the Pod, and so its Secret volumes, at once.
async fn touch(client: &Client, pod: &Pod, token: &str) -> Result<(), Error> {
    let patch = json!({"metadata": {"uid": pod.metadata.uid, "annotations": {FILES_TOKEN: token}}});
    patch_pod(client, pod, "touch", patch).await
}

async fn patch_pod(client: &Client, pod: &Pod, action: &'static str, patch: Value) -> Result<(), Error> {
    let namespace = pod.namespace().unwrap_or_default();
    patch_object::<Pod>(client, &namespace, &pod.name_any(), action, patch).await
}

/// A JSON merge patch. An object that is gone or was replaced is no error: the next observation decides.
///
/// # Errors
/// [`Error`], when it has to be tried again.
pub(crate) async fn patch_object<K>(
    client: &Client,
    namespace: &str,
    name: &str,
    action: &'static str,
    patch: Value,
) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let outcome = api.patch(name, &as_ops_manager(), &Patch::Merge(&patch)).await;
    let id = ObjectId {
        kind: K::kind(&()).into_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    tolerate_replaced(action, id, outcome)
}

fn as_ops_manager() -> PatchParams {
    PatchParams {
        field_manager: Some(OPS_MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

fn tolerate_replaced<K>(action: &'static str, id: ObjectId, outcome: kube::Result<K>) -> Result<(), Error> {
    match outcome {
        Ok(_) => Ok(()),
        Err(source) => match ApplyError::new(action, id, source) {
            ApplyError::Gone { .. } | ApplyError::Conflict { .. } => Ok(()),
            error => Err(error.into()),
        },
    }
}

/// Lets this operator use the Secrets of the database's namespace.
///
/// # Errors
/// [`Error`], when the binding could not be made.
pub async fn grant_secret_access(
    client: &Client,
    seen: &Seen,
    cluster_role: &str,
    account: (&str, &str),
) -> Result<(), Error> {
    let binding = blueprint::operator_role_binding(postgres(seen)?, OPERATOR, cluster_role, account);
    apply(client, &binding, CHILDREN_MANAGER).await?;
    Ok(())
}

/// The word in the name of the RoleBinding: `<db>-ops-manager`.
const OPERATOR: &str = "ops-manager";

/// Creates a request that an operator makes, unless it was created before: its name is that of its reason.
///
/// # Errors
/// [`Error`], when it could not be created.
pub async fn create_request(client: &Client, request: &PostgresOpsRequest) -> Result<(), Error> {
    let api: Api<PostgresOpsRequest> =
        Api::namespaced(client.clone(), &request.namespace().unwrap_or_default());
    let params = PostParams {
        field_manager: Some(OPS_MANAGER.to_owned()),
        ..PostParams::default()
    };
    match api.create(&params, request).await {
        Ok(_) => tracing::info!(request = request.name_any(), "created a request"),
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        Err(source) => return Err(ApplyError::new("create", ObjectId::of(request), source).into()),
    }
    Ok(())
}

/// Writes the decided status; an unchanged status is not written.
///
/// # Errors
/// [`Error`], when it could not be written: then nothing may be done either.
pub async fn persist(
    client: &Client,
    request: &PostgresOpsRequest,
    status: &api_types::ops_request::PostgresOpsRequestStatus,
) -> Result<bool, Error> {
    Ok(runtime::patch_status(client, request, status, OPS_MANAGER).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subresource_that_there_is_not_is_no_pod_that_is_gone() {
        let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "pg-1"}})).expect("a Pod");
        let of = |code, message: &str| Status {
            message: message.into(),
            code,
            ..Status::default()
        };
        assert!(is_about(&of(404, "pods \"pg-1\" not found"), &pod));
        assert!(is_about(
            &of(409, "please apply your changes to the latest version"),
            &pod
        ));
        assert!(!is_about(
            &of(404, "the server could not find the requested resource"),
            &pod
        ));
    }
}
