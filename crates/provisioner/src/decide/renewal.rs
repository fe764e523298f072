//! A certificate that cert-manager renewed by itself reaches every member without a restart: the config Secret gets it
//! (see `tls`), kubelet is asked to bring it at once, and the health task asks each member to take it up.

use api_types::tls::CertificateAlias;
use api_types::vocabulary::{FILES_TOKEN, TRUST_CRT};
use blueprint::{KeyPair, Material, Resolved, TlsPhase, recorded_hash, secret_text};
use k8s_openapi::api::core::v1::Pod;

use crate::health::Renewal;
use crate::plan::{Action, Plan};
use crate::world::World;

/// Asks kubelet to look at once where a member serves another leaf than it is given or trusts less, and tells the health task what a
/// member has to be asked to take up.
pub fn plan(world: &World, resolved: &Resolved, plan: &mut Plan) {
    if resolved.tls.phase == TlsPhase::Off {
        return;
    }
    let Some(config) = world.config_secret() else {
        return;
    };
    let material = Material::of_config(config);
    let trust = secret_text(config, TRUST_CRT).unwrap_or_default();
    if material != resolved.tls.material || trust != resolved.tls.trust.to_pem() {
        // The config Secret is applied in this pass; the Pods are touched in the next.
        return;
    }
    let server = material.get(CertificateAlias::Server);
    let Some(fingerprint) = server.and_then(KeyPair::fingerprint) else {
        return;
    };
    let token = recorded_hash(&config.metadata).unwrap_or_default().to_owned();
    let renewal = Renewal {
        fingerprint,
        trust: resolved.tls.trust.clone(),
    };
    for pod in stale(world, &renewal, &token) {
        plan.act(Action::TouchPod {
            pod,
            token: token.clone(),
        });
    }
    plan.renewal = Some(renewal);
}

/// Pods that serve another leaf or trust less, and were not touched for it yet. A member that could not be asked is left
/// alone.
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
    let is_behind = |name: &str| {
        let member = report.members.get(name);
        member.is_some_and(|member| renewal.is_missed_by(member.served.as_ref(), member.trusted.as_ref()))
    };
    let pods = world
        .pods
        .iter()
        .filter(|pod| !touched(pod) && pod.metadata.deletion_timestamp.is_none());
    pods.filter_map(|pod| pod.metadata.name.clone())
        .filter(|name| is_behind(name))
        .collect()
}
