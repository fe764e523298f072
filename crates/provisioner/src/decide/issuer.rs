//! Whether the issuer signs with another CA than it did.
//!
//! cert-manager does not reissue when the CA of an issuer is replaced: everything works until the next renewal, and
//! then clients that hold the old CA are refused. So the provisioner reports it before.

use api_types::cert_manager::Certificate;
use api_types::names;
use api_types::postgres::IssuerCa;
use api_types::tls::{CertificateAlias, IssuerRef};
use blueprint::certificates::issuer_reference;
use blueprint::material::LEAF;
use blueprint::secret_text;
use instance::{Distrust, chain_of_pem, facts_of_pem, judge_server};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::world::{SecretFacts, Secrets, World};

/// The CA with which the issuer signs by now, if it differs from the CA of the server certificate. What can't be observed
/// stays as it was reported.
pub fn other_ca(world: &World) -> Option<IssuerCa> {
    let reported = world.postgres.replaced_ca();
    let Secrets::Read(secrets) = &world.secrets else {
        return reported.cloned();
    };
    let found = replaced(world, secrets)?;
    let same = reported.filter(|reported| reported.fingerprint == found.fingerprint);
    Some(same.cloned().unwrap_or(found))
}

fn replaced(world: &World, secrets: &SecretFacts) -> Option<IssuerCa> {
    let ca = secrets.issuing_ca.as_deref()?;
    // The members' certificates are not of the issuer that an edited spec names.
    if certificate(world)?.spec.issuer_ref != issuer_reference(issuer(world)?) {
        return None;
    }
    let issued = secrets.certificates.get(&CertificateAlias::Server)?;
    let chain = chain_of_pem(secret_text(issued, LEAF)?.as_bytes()).ok()?;
    let judged = judge_server(&chain, ca.as_bytes(), None, world.now).ok()?;
    if !matches!(judged, Err(Distrust::UnknownIssuer(_))) {
        return None;
    }
    let new = facts_of_pem(ca.as_bytes()).ok()?;
    Some(IssuerCa {
        subject: new.subject,
        fingerprint: new.fingerprint,
        since: Time(world.now),
    })
}

/// What the replaced CA means, and what to do.
pub fn advice(world: &World, ca: &IssuerCa) -> Option<String> {
    let status = certificate(world).and_then(|live| live.status.as_ref());
    let renewal = status.and_then(|status| status.renewal_time.as_ref());
    let when = renewal.map_or_else(|| "at its renewal".to_owned(), |time| format!("at {}", time.0));
    Some(format!(
        "{}. The server certificate is still of the former one, and \
         will be of the new one {when}; give the new CA to clients before. To change over now, create a PostgresOpsRequest \
         with tls.rotateCertificates: true; tls.caOverlap is the time that clients have to take the new CA (2m by default)",
        ca.sentence(&issuer(world)?.name),
    ))
}

fn issuer(world: &World) -> Option<&IssuerRef> {
    world.postgres.spec.tls.as_ref()?.issuer_ref.as_ref()
}

fn certificate(world: &World) -> Option<&Certificate> {
    world.certificate(&names::certificate(world.name(), CertificateAlias::Server))
}
