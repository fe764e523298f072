//! Does what was decided about certificates.

use api_types::PostgresOpsRequest;
use api_types::cert_manager::{Certificate, CertificateRequest, CertificateRequestSpec, IssuerCondition};
use api_types::tls::IssuerRef;
use api_types::vocabulary::OPS_MANAGER;
use blueprint::CaBundle;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, Resource, ResourceExt};
use runtime::{ApplyError, ObjectId, delete, merge_patch};
use serde_json::json;

use crate::error::Error;
use crate::observe::Seen;
use crate::operation::Operation;
use crate::tls::certificates::ISSUING;
use crate::tls::effect::TlsEffect;

/// Performs one effect.
///
/// # Errors
/// [`Error`], when it has to be tried again.
pub async fn perform(client: &Client, op: &Operation, seen: &Seen, effect: &TlsEffect) -> Result<(), Error> {
    match effect {
        TlsEffect::PublishCa { secret, needed } => publish_ca(client, op, secret, needed).await,
        TlsEffect::DeleteCertificate(name) => {
            if let Some(certificate) = seen.certificate(name) {
                delete(client, certificate).await?;
            }
            Ok(())
        }
        TlsEffect::Issue(name) => {
            let certificate = seen
                .certificate(name)
                .ok_or_else(|| Error::Vanished(format!("Certificate {name}")))?;
            issue(client, certificate).await
        }
        TlsEffect::ProbeIssuerCa { name, issuer } => probe_issuer_ca(client, op, name, issuer).await,
    }
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

/// Sets the condition by which cert-manager knows that a Certificate is to be reissued (`cmctl renew` does the same).
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
async fn probe_issuer_ca(
    client: &Client,
    op: &Operation,
    name: &str,
    issuer: &IssuerRef,
) -> Result<(), Error> {
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
