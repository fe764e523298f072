//! Does what was decided. Besides the request's own status and finalizer, nothing else writes.

use std::time::Instant;

use api_types::cert_manager::{Certificate, CertificateRequest, CertificateRequestSpec, IssuerCondition};
use api_types::ops_request::TlsSettings;
use api_types::tls::IssuerRef;
use api_types::vocabulary::{CHILDREN_MANAGER, FILES_TOKEN, OPS_MANAGER, PAUSED_BY};
use api_types::{Postgres, PostgresOpsRequest};
use blueprint::CaBundle;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Pod, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use runtime::{ApplyError, Eviction, ObjectId, apply, delete, evict, merge_patch};
use serde_json::{Map, Value, json};

use crate::effect::{Child, Effect};
use crate::error::Error;
use crate::member::Members;
use crate::moves::certificates::ISSUING;
use crate::observe::Seen;
use crate::operation::Operation;
use crate::reloads::Reloads;

/// Performs one effect. What turns out to be done already, or to be somebody else's by now, is no error: the next look
/// at the world decides anew.
///
/// # Errors
/// [`Error`], when it has to be tried again.
pub async fn perform(
    client: &Client,
    op: &Operation,
    seen: &Seen,
    reloads: &Reloads,
    effect: &Effect,
) -> Result<(), Error> {
    match effect {
        Effect::TakePause => set_pause(client, seen, json!(op.holder())).await,
        Effect::DropPause(holder) => drop_pause(client, seen, holder).await,
        Effect::PatchSpec(settings) => patch_spec(client, seen, settings).await,
        Effect::Apply(child) => apply_child(client, child).await,
        Effect::PublishCa { secret, needed } => publish_ca(client, op, secret, needed).await,
        Effect::DeleteCertificate(name) => {
            let Some(certificate) = seen.certificate(name) else {
                return Ok(());
            };
            delete(client, certificate).await?;
            Ok(())
        }
        Effect::Issue(name) => {
            let certificate = seen
                .certificate(name)
                .ok_or_else(|| Error::Vanished(format!("Certificate {name}")))?;
            issue(client, certificate).await
        }
        Effect::AskForCa { name, issuer } => ask_for_ca(client, op, name, issuer).await,
        Effect::TouchFiles { pod, token } => {
            let pod = seen
                .pod(pod)
                .ok_or_else(|| Error::Vanished(format!("Pod {pod}")))?;
            touch(client, pod, token).await
        }
        Effect::Reload {
            pod,
            configuration,
            files,
        } => {
            let hash = config_hash(seen);
            if *configuration && reloads.lately(&op.namespace, pod, hash, Instant::now()) {
                return Ok(());
            }
            let members = Members::new(seen)?;
            let told = members.reload(pod, *configuration, files.as_deref()).await?;
            if told && *configuration {
                reloads.note(&op.namespace, pod, hash, Instant::now());
            }
            Ok(())
        }
        Effect::EndSessions { encrypted } => {
            let ended = Members::new(seen)?.end_sessions(*encrypted).await;
            tracing::info!(ended, encrypted, "sessions ended");
            Ok(())
        }
        Effect::Evict { pod, uid } => {
            let Some(pod) = seen.pod(pod).filter(|pod| pod.metadata.uid.as_ref() == Some(uid)) else {
                return Ok(());
            };
            match evict(client, pod).await? {
                Eviction::Accepted | Eviction::Gone => {}
                Eviction::Blocked(why) => {
                    tracing::info!(pod = pod.name_any(), why, "eviction is not allowed now")
                }
            }
            Ok(())
        }
        Effect::Switchover { from, to } => Members::new(seen)?.switch_over(from, to).await,
    }
}

/// Stands for the content of the config Secret.
fn config_hash(seen: &Seen) -> &str {
    let config = seen.world.config.present();
    config
        .and_then(|config| blueprint::recorded_hash(&config.meta))
        .unwrap_or_default()
}

fn postgres(seen: &Seen) -> Result<&Postgres, Error> {
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

async fn drop_pause(client: &Client, seen: &Seen, holder: &str) -> Result<(), Error> {
    if seen.world.holder() != Some(holder) {
        return Ok(());
    }
    set_pause(client, seen, Value::Null).await
}

async fn patch_spec(client: &Client, seen: &Seen, settings: &TlsSettings) -> Result<(), Error> {
    let observed = postgres(seen)?;
    let old = serde_json::to_value(TlsSettings::of(&observed.spec)).unwrap_or_default();
    let new = serde_json::to_value(settings).unwrap_or_default();
    let Some(change) = merge_patch_between(&old, &new) else {
        return Ok(());
    };
    merge_patch(client, observed, json!({"spec": change}), OPS_MANAGER).await?;
    Ok(())
}

/// The JSON merge patch (RFC 7396) that turns `old` into `new`; `None` when they are equal.
fn merge_patch_between(old: &Value, new: &Value) -> Option<Value> {
    let (Value::Object(old_map), Value::Object(new_map)) = (old, new) else {
        return (old != new).then(|| new.clone());
    };
    let mut patch = Map::new();
    for (key, value) in new_map {
        if let Some(change) = merge_patch_between(old_map.get(key).unwrap_or(&Value::Null), value) {
            patch.insert(key.clone(), change);
        }
    }
    for key in old_map.keys().filter(|key| !new_map.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
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

/// cert-manager writes the same Secret, so it is read again: what it wrote meanwhile is not overwritten.
async fn publish_ca(client: &Client, op: &Operation, name: &str, needed: &CaBundle) -> Result<(), Error> {
    let api: Api<Secret> = Api::namespaced(client.clone(), &op.namespace);
    let secret = match api.get(name).await {
        Ok(secret) => secret,
        Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
        Err(source) => {
            let id = ObjectId {
                kind: "Secret".into(),
                namespace: op.namespace.clone(),
                name: name.to_owned(),
            };
            return Err(ApplyError::new("get", id, source).into());
        }
    };
    if let Some(patch) = blueprint::client_ca_patch(&secret, needed) {
        merge_patch(client, &secret, patch, OPS_MANAGER).await?;
    }
    Ok(())
}

/// Sets the condition by which cert-manager knows that a Certificate is to be issued anew (`cmctl renew` does the same).
async fn issue(client: &Client, certificate: &Certificate) -> Result<(), Error> {
    let now = Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default();
    let issuing = IssuerCondition {
        type_: ISSUING.to_owned(),
        status: "True".to_owned(),
        last_transition_time: Some(Time(now)),
        reason: Some("ManuallyTriggered".to_owned()),
        message: Some("Certificate re-issuance manually triggered".to_owned()),
        observed_generation: certificate.metadata.generation,
    };
    let mut conditions = certificate.status.clone().unwrap_or_default().conditions;
    conditions.retain(|condition| condition.type_ != ISSUING);
    conditions.push(issuing);
    let patch = json!({
        "metadata": {"resourceVersion": certificate.metadata.resource_version, "uid": certificate.metadata.uid},
        "status": {"conditions": conditions},
    });
    let api: Api<Certificate> = Api::namespaced(client.clone(), &certificate.namespace().unwrap_or_default());
    let params = PatchParams {
        field_manager: Some(OPS_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    api.patch_status(&certificate.name_any(), &params, &Patch::Merge(&patch))
        .await
        .map_err(|source| ApplyError::new("issue", ObjectId::of(certificate), source))?;
    Ok(())
}

/// The CertificateRequest goes away with the request that wants to know.
async fn ask_for_ca(client: &Client, op: &Operation, name: &str, issuer: &IssuerRef) -> Result<(), Error> {
    let owner = OwnerReference {
        api_version: PostgresOpsRequest::api_version(&()).into_owned(),
        kind: PostgresOpsRequest::kind(&()).into_owned(),
        name: op.name.clone(),
        uid: op.uid.clone(),
        ..OwnerReference::default()
    };
    let mut wanted = CertificateRequest::new(
        name,
        CertificateRequestSpec {
            request: ByteString(signing_request(&op.database)?.into_bytes()),
            issuer_ref: blueprint::certificates::issuer_reference(issuer),
            duration: Some("1h".to_owned()),
            usages: vec!["digital signature".to_owned(), "client auth".to_owned()],
        },
    );
    wanted.metadata.namespace = Some(op.namespace.clone());
    wanted.metadata.owner_references = Some(vec![owner]);
    let api: Api<CertificateRequest> = Api::namespaced(client.clone(), &op.namespace);
    let params = PostParams {
        field_manager: Some(OPS_MANAGER.to_owned()),
        ..PostParams::default()
    };
    match api.create(&params, &wanted).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        Err(source) => Err(ApplyError::new("create", ObjectId::of(&wanted), source).into()),
    }
}

/// A signing request whose key is thrown away.
fn signing_request(database: &str) -> Result<String, Error> {
    let signed = || {
        let mut params = rcgen::CertificateParams::new(Vec::new())?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, database);
        params.serialize_request(&rcgen::KeyPair::generate()?)?.pem()
    };
    signed().map_err(|error| Error::Vanished(format!("a signing request ({error})")))
}

/// A changed annotation makes kubelet look at the Pod, and so at its Secret volumes, at once.
async fn touch(client: &Client, pod: &Pod, token: &str) -> Result<(), Error> {
    let api: Api<Pod> = Api::namespaced(client.clone(), &pod.namespace().unwrap_or_default());
    let patch = json!({"metadata": {"uid": pod.metadata.uid, "annotations": {FILES_TOKEN: token}}});
    let params = PatchParams {
        field_manager: Some(OPS_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    match api.patch(&pod.name_any(), &params, &Patch::Merge(&patch)).await {
        Ok(_) => Ok(()),
        Err(source) => match ApplyError::new("touch", ObjectId::of(pod), source) {
            ApplyError::Gone { .. } | ApplyError::Conflict { .. } => Ok(()),
            error => Err(error.into()),
        },
    }
}

/// Lets this operator use the Secrets of the database's namespace.
///
/// # Errors
/// [`Error`], when the binding could not be made.
pub async fn bind(
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

/// Writes the status that was decided; a status that says nothing new is not written.
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
    fn a_merge_patch_takes_away_what_is_not_wanted() {
        let old = json!({"tls": {"issuerRef": {"name": "a", "kind": "Issuer", "apiGroup": "g"}}, "sslMode": "require"});
        let new = json!({"tls": {"issuerRef": {"name": "b", "kind": "Issuer"}}, "clientAuthMode": "md5"});
        assert_eq!(
            merge_patch_between(&old, &new),
            Some(json!({
                "tls": {"issuerRef": {"name": "b", "apiGroup": null}}, "sslMode": null, "clientAuthMode": "md5"
            }))
        );
        assert_eq!(merge_patch_between(&old, &old), None);
        assert_eq!(
            merge_patch_between(&json!({"tls": {"a": 1}}), &json!({})),
            Some(json!({"tls": null}))
        );
    }
}
