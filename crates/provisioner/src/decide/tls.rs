//! What members serve and trust while no operation runs: certificates that were validated first.

use api_types::cert_manager::Certificate;
use api_types::reported::postgres::reasons;
use api_types::tls::CertificateAlias;
use api_types::vocabulary::TRUST_CRT;
use blueprint::material::{CA, KEY, LEAF};
use blueprint::{CaBundle, KeyPair, Resolved, TlsMaterial, secret_text};
use instance::examine_issued;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;

use crate::decide::Refusal;
use crate::world::{SecretFacts, World, is_ready};

/// What members are given and trust while no operation runs, and the certificate that they do not get.
#[derive(Debug)]
pub struct Chosen {
    /// The CAs that they trust.
    pub trust: CaBundle,
    /// The certificates that they are given.
    pub material: TlsMaterial,
    /// Which certificate is refused, why, and what to do.
    pub refused: Option<Refusal>,
}

/// Chooses what members are given: what was issued if it is good, or else what they have.
///
/// Trust only grows here: what members trust already, then the CAs of the certificates they have. Only a request
/// removes a CA, after it has proven that no member and no client needs it. A certificate of a new CA is deployed when
/// every ready member was seen to trust that CA: before, members would refuse each other and the operators.
///
/// # Errors
/// A bundle that is no PEM.
pub fn choose(
    world: &World,
    secrets: &SecretFacts,
    certificates: &[(CertificateAlias, Certificate)],
) -> Result<Chosen, Refusal> {
    let config = world.config_secret();
    let trusted = config
        .and_then(|secret| secret_text(secret, TRUST_CRT))
        .unwrap_or_default();
    let trusted = CaBundle::from_pem(trusted)
        .map_err(|error| Refusal::new(reasons::INVALID_CERTIFICATE, error.to_string()))?;
    let deployed = config.map(TlsMaterial::of_config).unwrap_or_default();
    let (wanted, refused) = wanted(secrets, certificates, &deployed, world.now);
    let authorities = wanted.authorities();
    let is_known = deployed.is_empty() || deployed.authorities().contains_all(&authorities);
    let is_trusted = trusted.contains_all(&authorities) && members_trust(world, &authorities);
    let trust = trusted.union(&authorities);
    let material = if is_known || is_trusted { wanted } else { deployed };
    Ok(Chosen {
        trust,
        material,
        refused,
    })
}

/// Whether every ready member was seen to trust these CAs.
fn members_trust(world: &World, authorities: &CaBundle) -> bool {
    let mut pods = world.pods.iter().filter(|pod| is_ready(pod));
    pods.all(|pod| {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let seen = world.health.as_ref().and_then(|report| report.members.get(name));
        let trusted = seen.and_then(|member| member.trusted.as_ref());
        trusted.is_some_and(|trusted| trusted.contains_all(authorities))
    })
}

fn wanted(
    secrets: &SecretFacts,
    certificates: &[(CertificateAlias, Certificate)],
    deployed: &TlsMaterial,
    now: Timestamp,
) -> (TlsMaterial, Option<Refusal>) {
    let (mut material, mut refused) = (TlsMaterial::default(), None);
    for (alias, certificate) in certificates {
        let alias = *alias;
        let issued = secrets.certificates.get(&alias).and_then(KeyPair::of_issued);
        let (pair, why) = match (issued, deployed.get(alias)) {
            (Some(issued), Some(deployed)) if issued == *deployed => (Some(issued), None),
            (Some(issued), deployed) => match sound(&issued, alias, certificate, now) {
                Ok(()) => (Some(issued), None),
                Err(why) => (deployed.cloned(), Some(why)),
            },
            (None, deployed) => (deployed.cloned(), None),
        };
        if let Some(pair) = pair {
            material = material.with(alias, pair);
        }
        refused = refused.or(why);
    }
    (material, refused)
}

/// Whether members and clients can use what was issued.
fn sound(
    pair: &KeyPair,
    alias: CertificateAlias,
    wanted: &Certificate,
    now: Timestamp,
) -> Result<(), Refusal> {
    let spec = &wanted.spec;
    let examined = examine_issued(alias, spec, &pair.certificate, &pair.key, &pair.ca, now);
    examined.map_err(|faults| {
        let message = format!(
            "The certificate in Secret {name} was given to no member; a member that has one goes on with it: {faults}. When \
             that is done, delete Secret {name}: cert-manager issues the certificate again",
            name = spec.secret_name,
        );
        Refusal::new(reasons::CERTIFICATE_REFUSED, message)
    })
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
            let why = lacking(world.certificate(name), secrets.certificates.get(&alias)).or_else(|| {
                let deployed = resolved.tls.material.get(alias).is_some();
                (!deployed).then(|| "what was issued can't be used".to_owned())
            })?;
            Some(format!("Certificate {name}: {why}"))
        })
}

fn lacking(certificate: Option<&Certificate>, secret: Option<&Secret>) -> Option<String> {
    let Some(certificate) = certificate else {
        return Some("being created".to_owned());
    };
    if !certificate.is_ready() {
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

/// cert-manager's own words about a Certificate that is not ready.
fn reported(certificate: &Certificate) -> Option<String> {
    let conditions = &certificate.status.as_ref()?.conditions;
    conditions
        .iter()
        .find(|condition| condition.type_ == "Ready")?
        .message
        .clone()
}
