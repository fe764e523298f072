//! Whether the issuer signs with another CA than it did.
//!
//! cert-manager does not issue anew when the CA of an issuer is replaced: everything works until the next renewal, and
//! then clients that hold the old CA are refused. So it is told before.

use api_types::tls::CertificateAlias;
use blueprint::material::LEAF;
use blueprint::secret_text;
use instance::{Distrust, chain_of_pem, facts_of_pem, judge_server};

use crate::world::{SecretFacts, World};

/// What to tell about a CA that was replaced; `None` when it was not, or can't be known.
pub fn replaced(world: &World, secrets: &SecretFacts) -> Option<String> {
    let ca = secrets.issuing_ca.as_deref()?;
    let issued = secrets.certificates.get(&CertificateAlias::Server)?;
    let chain = chain_of_pem(secret_text(issued, LEAF)?.as_bytes()).ok()?;
    let judged = judge_server(&chain, ca.as_bytes(), None, world.now).ok()?;
    if !matches!(judged, Err(Distrust::UnknownIssuer(_))) {
        return None;
    }
    let issuer = world.postgres.spec.tls.as_ref()?.issuer_ref.as_ref()?;
    let new = facts_of_pem(ca.as_bytes()).ok()?;
    let name = api_types::names::certificate(world.name(), CertificateAlias::Server);
    let status = world.certificate(&name).and_then(|live| live.status.as_ref());
    let renewal = status.and_then(|status| status.renewal_time.as_ref());
    let when = renewal.map_or_else(|| "at its renewal".to_owned(), |time| format!("at {}", time.0));
    Some(format!(
        "Issuer {} signs with another CA now: {} (SHA-256 {}). The server certificate is still of the former one, and \
         will be of the new one {when}; give the new CA to clients before. To change over now, create a PostgresOpsRequest \
         with tls.rotateCertificates: true, and with the time that clients need to take the new CA in tls.caOverlap",
        issuer.name, new.subject, new.fingerprint,
    ))
}
