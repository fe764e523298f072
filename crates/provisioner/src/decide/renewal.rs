//! A certificate that cert-manager renewed by itself reaches every member without a restart: the config Secret gets it (see
//! `tls`), the agents bring it, and the health task makes each member load it. If a member is outdated all the same, the
//! provisioner wakes kubelet.

use api_types::cert_manager::Certificate;
use api_types::names;
use api_types::reported::postgres::events;
use api_types::tls::CertificateAlias;
use api_types::vocabulary::{FILES_TOKEN, TRUST_CRT};
use blueprint::{
    CaBundle, KeyPair, MemberTls, TlsInputs, TlsMaterial, TlsPhase, recorded_hash, recorded_phase,
    secret_text,
};
use k8s_openapi::api::core::v1::{Pod, Secret};

use crate::child::Child;
use crate::decide::{Refusal, children, tls};
use crate::health::Renewal;
use crate::plan::{Action, Plan};
use crate::world::{SecretFacts, World};

/// Lets clients find the CAs that members trust in the Secret of the client certificate, as in the AppBinding.
pub fn publish(secrets: &SecretFacts, trust: &CaBundle, plan: &mut Plan) {
    let secret = secrets.certificates.get(&CertificateAlias::Client);
    if let Some(secret) = secret
        && let Some(patch) = blueprint::client_ca_patch(secret, trust)
    {
        plan.act(Action::PublishCa {
            secret: Box::new(secret.clone()),
            patch,
        });
    }
}

/// Wakes kubelet where a member serves another leaf than the deployed one or trusts less, and passes to the health task what a
/// member has to load.
pub fn plan(world: &World, tls: &TlsInputs, plan: &mut Plan) {
    if tls.phase == TlsPhase::Off {
        return;
    }
    let Some(config) = world.config_secret() else {
        return;
    };
    let server = tls.material.get(CertificateAlias::Server);
    let Some(fingerprint) = server.and_then(KeyPair::fingerprint) else {
        return;
    };
    let renewal = Renewal {
        fingerprint,
        trust: tls.trust.clone(),
    };
    // What is applied in this pass comes by the agents; kubelet is for those that it did not reach.
    if is_given(config, tls) {
        let token = recorded_hash(&config.metadata).unwrap_or_default().to_owned();
        for pod in stale(world, &renewal, &token) {
            plan.act(Action::TouchPod {
                pod,
                token: token.clone(),
            });
        }
    } else if let Some(note) = issued_anew(config, tls) {
        plan.tell(false, events::CERTIFICATES_RENEWED, note);
    }
    plan.renewal = Some(renewal);
}

/// Which certificates that members have are to be replaced by others.
fn issued_anew(config: &Secret, tls: &TlsInputs) -> Option<String> {
    let deployed = TlsMaterial::of_config(config);
    let anew: Vec<&str> = CertificateAlias::ALL
        .into_iter()
        .filter(|alias| match (deployed.get(*alias), tls.material.get(*alias)) {
            (Some(old), Some(new)) => old != new,
            _ => false,
        })
        .map(CertificateAlias::as_str)
        .collect();
    (!anew.is_empty()).then(|| {
        format!(
            "members get the certificates that cert-manager issued anew, and reload: {}",
            anew.join(", ")
        )
    })
}

/// Whether the config Secret has these certificates and CAs.
fn is_given(config: &Secret, tls: &TlsInputs) -> bool {
    TlsMaterial::of_config(config) == tls.material
        && secret_text(config, TRUST_CRT).unwrap_or_default() == tls.trust.to_pem()
}

/// The same while the spec is not followed, whatever the reason: certificates must not run out over an edit that waits. The
/// live children get the renewed certificates, and nothing else. Returns why a certificate is not deployed.
pub fn plan_for_what_runs(
    world: &World,
    secrets: &SecretFacts,
    members: Option<&MemberTls>,
    plan: &mut Plan,
) -> Option<Refusal> {
    let config = world.config_secret()?;
    let (tls, refused) = running_tls(world, secrets, config);
    let inputs = tls.as_ref().map(|tls| (&tls.trust, &tls.material));
    let renewed = blueprint::renewed_config(config, inputs, members);
    let mut changed = Vec::new();
    if renewed.data != config.data {
        changed.push(Child::Secret(renewed));
    }
    if let Some(tls) = &tls {
        changed.extend(app_binding(world, &tls.trust));
        publish(secrets, &tls.trust, plan);
    }
    children::apply(world, &changed, plan);
    if let Some(tls) = &tls {
        self::plan(world, tls, plan);
    }
    refused
}

/// The TLS of members that have to use TLS; none where they need not. Returns why a certificate is not deployed, too.
fn running_tls(
    world: &World,
    secrets: &SecretFacts,
    config: &Secret,
) -> (Option<TlsInputs>, Option<Refusal>) {
    if recorded_phase(&config.metadata) != Some(TlsPhase::Enforce) {
        return (None, None);
    }
    let chosen = match tls::choose(world, secrets, &running_certificates(world)) {
        Ok(chosen) => chosen,
        Err(refusal) => return (None, Some(refusal)),
    };
    let deployed = TlsMaterial::of_config(config);
    let renewed = chosen
        .material
        .iter()
        .fold(deployed, |all, (alias, pair)| all.with(alias, pair.clone()));
    let inputs = TlsInputs::of(TlsPhase::Enforce, chosen.trust, renewed);
    (Some(inputs), chosen.refused)
}

/// The live AppBinding with these CAs, if it has others.
fn app_binding(world: &World, trust: &CaBundle) -> Option<Child> {
    let live = world.app_binding()?;
    let wanted = blueprint::renewed_app_binding(live, trust);
    let is_same = live.spec.client_config.ca_bundle == wanted.spec.client_config.ca_bundle;
    (!is_same).then(|| Child::AppBinding(Box::new(wanted)))
}

/// The existing Certificates, whatever the spec has by now.
fn running_certificates(world: &World) -> Vec<(CertificateAlias, Certificate)> {
    let live = |alias| {
        let certificate = world.certificate(&names::certificate(world.name(), alias))?;
        Some((alias, certificate.clone()))
    };
    CertificateAlias::ALL.into_iter().filter_map(live).collect()
}

/// Pods that serve another leaf or trust less, and were not touched for it yet. A member that could not be probed is not
/// touched.
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
