//! A certificate that cert-manager renewed by itself reaches every member without a restart.
//!
//! The order keeps replication going when the CA changes too: the config Secret with the additional CA is applied before
//! a Pod is touched, so a member that sees the new leaf sees the CA to trust as well.

use api_types::tls::CertificateAlias;
use api_types::vocabulary::{FILES_TOKEN, TRUST_CRT};
use blueprint::{CaBundle, Resolved, TlsPhase};
use k8s_openapi::api::core::v1::Pod;
use sha2::{Digest, Sha256};

use crate::decide::tls::LEAF;
use crate::health::Renewal;
use crate::plan::{Action, Plan};
use crate::world::{SecretFacts, World, secret_text};

/// Asks kubelet to look at once where a member serves another leaf than its Secret holds, and tells the health task what
/// a member has to be asked to take up.
pub fn plan(world: &World, secrets: &SecretFacts, resolved: &Resolved, plan: &mut Plan) {
    if resolved.tls.phase == TlsPhase::Off {
        return;
    }
    let trust = &resolved.tls.trust;
    let trusted = world
        .config_secret()
        .and_then(|secret| secret_text(secret, TRUST_CRT));
    if trusted != Some(trust.to_pem().as_str()) {
        // The config Secret is applied in this pass; the Pods are touched in the next.
        return;
    }
    let server = secrets.certificates.get(&CertificateAlias::Server);
    let Some(fingerprint) = server.and_then(|secret| fingerprint(secret_text(secret, LEAF)?)) else {
        return;
    };
    let token = token(&fingerprint, trust);
    let renewal = Renewal {
        fingerprint,
        changes_trust: trust.len() > 1,
    };
    for pod in stale(world, &renewal, &token) {
        plan.act(Action::TouchPod {
            pod,
            token: token.clone(),
        });
    }
    plan.renewal = Some(renewal);
}

/// SHA-256 of the first certificate's DER, hexadecimal.
pub fn fingerprint(pem: &str) -> Option<String> {
    let bundle = CaBundle::from_pem(pem).ok()?;
    bundle.ders().first().map(|der| hex::encode(Sha256::digest(der)))
}

/// Pods that serve another leaf and were not touched for this one yet. A member that could not be asked is left alone.
fn stale(world: &World, renewal: &Renewal, token: &str) -> Vec<String> {
    let Some(report) = &world.health else {
        return Vec::new();
    };
    let touched = |pod: &Pod| {
        let annotations = pod.metadata.annotations.as_ref();
        annotations
            .and_then(|map| map.get(FILES_TOKEN))
            .is_some_and(|value| value == token)
    };
    let serves_another = |name: &str| {
        let served = report.members.get(name).and_then(|member| member.served.as_ref());
        served.is_some_and(|served| served.fingerprint != renewal.fingerprint)
    };
    let pods = world
        .pods
        .iter()
        .filter(|pod| !touched(pod) && pod.metadata.deletion_timestamp.is_none());
    pods.filter_map(|pod| pod.metadata.name.clone())
        .filter(|name| serves_another(name))
        .collect()
}

/// Value of the annotation: names the files that shall be projected.
fn token(fingerprint: &str, trust: &CaBundle) -> String {
    let digest = Sha256::digest(format!("{fingerprint}{}", trust.to_pem()));
    hex::encode(&digest[..8])
}
