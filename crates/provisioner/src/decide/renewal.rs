//! A certificate that cert-manager renewed by itself reaches every member without a restart.
//!
//! The order keeps replication going when the CA changes too: members trust the new CA first (the config Secret is
//! applied before a Pod is touched, and both projections are proven before a member is told to reload), then they
//! serve the new leaf.

use api_types::tls::CertificateAlias;
use api_types::vocabulary::{FILES_TOKEN, TRUST_CRT};
use blueprint::{CaBundle, Resolved, TlsPhase};
use sha2::{Digest, Sha256};

use crate::decide::tls::LEAF;
use crate::health::Renewal;
use crate::plan::{Action, Plan};
use crate::world::{SecretFacts, World, secret_text};

/// Asks kubelet to look at once where a member serves another leaf than its Secret holds, and tells the health task what
/// to prove before it asks the member to reload.
pub fn plan(world: &World, secrets: &SecretFacts, resolved: &Resolved, plan: &mut Plan) {
    if resolved.tls.phase == TlsPhase::Off {
        return;
    }
    let Some(renewal) = expected(secrets, &resolved.tls.trust) else { return };
    let trusted = world.config_secret().and_then(|secret| secret_text(secret, TRUST_CRT));
    if trusted != Some(renewal.trust.as_str()) {
        // The config Secret is applied in this pass; the Pods are touched in the next.
        return;
    }
    let token = token(&renewal);
    for pod in stale(world, &renewal) {
        plan.act(Action::TouchPod { pod, token: token.clone() });
    }
    plan.renewal = Some(renewal);
}

fn expected(secrets: &SecretFacts, trust: &CaBundle) -> Option<Renewal> {
    let leaf = secret_text(secrets.certificates.get(&CertificateAlias::Server)?, LEAF)?;
    Some(Renewal { fingerprint: fingerprint(leaf)?, leaf: leaf.to_owned(), trust: trust.to_pem() })
}

/// SHA-256 of the first certificate's DER, hexadecimal.
pub fn fingerprint(pem: &str) -> Option<String> {
    let bundle = CaBundle::from_pem(pem).ok()?;
    bundle.ders().first().map(|der| hex::encode(Sha256::digest(der)))
}

/// Pods that serve another leaf and were not touched for this one yet. A member that could not be asked is left alone.
fn stale(world: &World, renewal: &Renewal) -> Vec<String> {
    let Some(report) = &world.health else { return Vec::new() };
    let token = token(renewal);
    let touched = |pod: &k8s_openapi::api::core::v1::Pod| {
        pod.metadata.annotations.as_ref().and_then(|map| map.get(FILES_TOKEN)) == Some(&token)
    };
    let serves_another = |name: &str| {
        let served = report.members.get(name).and_then(|member| member.served.as_ref());
        served.is_some_and(|served| served.fingerprint != renewal.fingerprint)
    };
    let pods = world.pods.iter().filter(|pod| !touched(pod) && pod.metadata.deletion_timestamp.is_none());
    pods.filter_map(|pod| pod.metadata.name.clone()).filter(|name| serves_another(name)).collect()
}

/// Value of the annotation: names the files that shall be projected.
fn token(renewal: &Renewal) -> String {
    let digest = Sha256::digest(format!("{}{}", renewal.leaf, renewal.trust));
    hex::encode(&digest[..8])
}
