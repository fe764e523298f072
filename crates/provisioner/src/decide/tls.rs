//! Certificates at birth, and the CAs that members trust.

use api_types::cert_manager::Certificate;
use api_types::tls::CertificateAlias;
use api_types::vocabulary::TRUST_CRT;
use blueprint::{CaBundle, Resolved, TlsInputs};
use k8s_openapi::api::core::v1::Secret;

use crate::decide::Refusal;
use crate::world::{SecretFacts, World, secret_text};

/// Keys of a certificate's Secret, cert-manager's.
pub const CA: &str = "ca.crt";
/// The leaf and its intermediates.
pub const LEAF: &str = "tls.crt";
/// The private key.
pub const KEY: &str = "tls.key";

/// The TLS switches of a database while no operation runs.
///
/// Trust only grows here: what members trust already, then the CAs of the certificates they have. Only a request takes
/// a CA away, after it has proven that nobody needs it.
///
/// # Errors
/// A bundle that is no PEM.
pub fn inputs(world: &World, secrets: &SecretFacts) -> Result<TlsInputs, Refusal> {
    let mut trust = CaBundle::default();
    let live = world
        .config_secret()
        .and_then(|secret| secret_text(secret, TRUST_CRT));
    let of_certificates = secrets
        .certificates
        .values()
        .filter_map(|secret| secret_text(secret, CA));
    for pem in live.into_iter().chain(of_certificates) {
        let more =
            CaBundle::from_pem(pem).map_err(|error| Refusal::new("InvalidCertificate", error.to_string()))?;
        trust = trust.union(&more);
    }
    Ok(TlsInputs::steady(&world.postgres.spec, trust))
}

/// The first certificate that members can't start without and that is not there yet: whose, and why.
pub fn missing(world: &World, secrets: &SecretFacts, resolved: &Resolved) -> Option<String> {
    let needed =
        |alias: &CertificateAlias| *alias != CertificateAlias::MetricsExporter || resolved.monitor.is_some();
    blueprint::certificates(resolved)
        .into_iter()
        .filter(|(alias, _)| needed(alias))
        .find_map(|(alias, wanted)| {
            let name = wanted.metadata.name.as_deref().unwrap_or_default();
            let why = lacking(world.certificate(name), secrets.certificates.get(&alias))?;
            Some(format!("Certificate {name}: {why}"))
        })
}

fn lacking(certificate: Option<&Certificate>, secret: Option<&Secret>) -> Option<String> {
    let Some(certificate) = certificate else {
        return Some("being created".to_owned());
    };
    if !is_ready(certificate) {
        return Some(reported(certificate).unwrap_or_else(|| "not issued yet".to_owned()));
    }
    let Some(secret) = secret else {
        return Some("its Secret does not exist yet".to_owned());
    };
    let key = [CA, LEAF, KEY]
        .into_iter()
        .find(|key| secret_text(secret, key).is_none_or(str::is_empty))?;
    Some(format!(
        "its Secret has no {key}; use an issuer that gives its CA"
    ))
}

/// Whether cert-manager says that the Certificate, as it is now, is issued.
fn is_ready(certificate: &Certificate) -> bool {
    let generation = certificate.metadata.generation;
    let conditions = certificate
        .status
        .as_ref()
        .map_or(&[][..], |status| &status.conditions);
    conditions.iter().any(|condition| {
        condition.type_ == "Ready"
            && condition.status == "True"
            && (condition.observed_generation.is_none() || condition.observed_generation == generation)
    })
}

/// cert-manager's own words about a Certificate that is not ready.
fn reported(certificate: &Certificate) -> Option<String> {
    let conditions = &certificate.status.as_ref()?.conditions;
    conditions
        .iter()
        .find(|condition| condition.type_ == "Ready")?
        .message
        .clone()
}
