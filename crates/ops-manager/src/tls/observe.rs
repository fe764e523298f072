//! Reads what an operation needs to know of certificates.

use std::collections::BTreeMap;

use api_types::cert_manager::{Certificate, CertificateRequest, IssuerCondition};
use api_types::names;
use api_types::tls::CertificateAlias;
use blueprint::{CaBundle, KeyPair, LAST_GOOD_OF, TlsMaterial};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;

use crate::observe::Reader;
use crate::operation::Operation;
use crate::request_type::TlsReads;
use crate::tls::issuer_ca::IssuerCaAnswer;
use crate::tls::world::{IssuedSecret, TlsWorld};
use crate::world::Observed;

/// Annotation by which cert-manager notes the issuer on a Secret.
const ISSUER_NAME: &str = "cert-manager.io/issuer-name";

/// What the request type reads; `None` when it reads nothing.
pub async fn observe(reader: &Reader<'_>, op: &Operation, reads: Option<&TlsReads>) -> Option<TlsWorld> {
    let reads = reads?;
    let last_good_name = names::last_good_secret(&op.database);
    let ((certificates, secrets), last_good, answers) = tokio::join!(
        certificates_and_secrets(reader, op, &reads.secrets),
        reader.look::<Secret>(&last_good_name),
        answers(reader, &reads.answers),
    );
    Some(TlsWorld {
        last_good: last_good_of(op, last_good),
        certificates,
        secrets,
        answers,
    })
}

/// The Certificates, and then their Secrets: a Secret that is read after them is at least as new as what they report of it.
async fn certificates_and_secrets(
    reader: &Reader<'_>,
    op: &Operation,
    names: &[String],
) -> (
    BTreeMap<CertificateAlias, Observed<Certificate>>,
    BTreeMap<String, Observed<IssuedSecret>>,
) {
    let certificates = certificates(reader, &op.database).await;
    (certificates, issued(reader, names).await)
}

async fn certificates(reader: &Reader<'_>, db: &str) -> BTreeMap<CertificateAlias, Observed<Certificate>> {
    let looked = CertificateAlias::ALL.map(|alias| async move {
        let name = names::certificate(db, alias);
        (alias, reader.look::<Certificate>(&name).await)
    });
    futures::future::join_all(looked).await.into_iter().collect()
}

/// What this operation kept; what an earlier one kept is as good as absent.
fn last_good_of(op: &Operation, secret: Observed<Secret>) -> Observed<TlsMaterial> {
    match secret {
        Observed::Present(secret) if secret.annotations().get(LAST_GOOD_OF) == Some(&op.uid) => {
            Observed::Present(TlsMaterial::of_config(&secret))
        }
        Observed::Present(_) | Observed::Absent => Observed::Absent,
        Observed::Unknown(why) => Observed::Unknown(why),
    }
}

/// The results of the probes of issuers for their CA.
async fn answers(reader: &Reader<'_>, names: &[String]) -> BTreeMap<String, Observed<IssuerCaAnswer>> {
    let looked = names.iter().map(|name| async move {
        let answer = reader.look::<CertificateRequest>(name).await.map(answer);
        (name.clone(), answer)
    });
    futures::future::join_all(looked).await.into_iter().collect()
}

fn answer(request: CertificateRequest) -> IssuerCaAnswer {
    let status = request.status.unwrap_or_default();
    let said = |type_: &str| {
        status
            .conditions
            .iter()
            .find(|condition| condition.type_ == type_)
    };
    let words = |condition: &IssuerCondition| condition.message.clone().unwrap_or_default();
    for refusal in ["Denied", "InvalidRequest"] {
        if let Some(condition) = said(refusal).filter(|condition| condition.status == "True") {
            return IssuerCaAnswer::Refused(words(condition));
        }
    }
    match said("Ready") {
        Some(ready) if ready.status == "True" => {
            let pem = status
                .ca
                .and_then(|ca| String::from_utf8(ca.0).ok())
                .unwrap_or_default();
            IssuerCaAnswer::Signed(CaBundle::from_pem(&pem).unwrap_or_default())
        }
        Some(ready) if ready.reason.as_deref() == Some("Failed") => IssuerCaAnswer::Refused(words(ready)),
        Some(ready) => IssuerCaAnswer::Pending(words(ready)),
        None => IssuerCaAnswer::Pending("cert-manager has not said so yet".to_owned()),
    }
}

/// Facts of the issued certificates, by the names of their Secrets.
async fn issued(reader: &Reader<'_>, secrets: &[String]) -> BTreeMap<String, Observed<IssuedSecret>> {
    let looked = secrets.iter().map(|name| async move {
        let secret = reader.look::<Secret>(name).await;
        let facts = match secret {
            Observed::Absent => Observed::Absent,
            Observed::Unknown(why) => Observed::Unknown(why),
            Observed::Present(secret) => Observed::Present(facts(&secret)),
        };
        (name.clone(), facts)
    });
    futures::future::join_all(looked).await.into_iter().collect()
}

/// What an issuer wrote into a certificate's Secret. The step that uses it validates it.
fn facts(secret: &Secret) -> IssuedSecret {
    IssuedSecret {
        pair: KeyPair::of_issued(secret),
        issuer: secret.annotations().get(ISSUER_NAME).cloned(),
        shown_ca: blueprint::shown_ca(secret),
    }
}
