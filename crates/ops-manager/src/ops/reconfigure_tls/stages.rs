//! The stages of a TLS change: what members are told, and how they are to answer then.

use api_types::ops_request::{TlsPlan, TlsSettings};
use api_types::tls::CertificateAlias;
use blueprint::{CaBundle, TlsInputs, TlsPhase, recorded_hash};

use super::plateau_phase;
use crate::moves::config::{self, Stage};
use crate::moves::proof::{self, Expectation, ExpectedTls, ExpectedTrust};
use crate::step::Needs;
use crate::world::{Observed, World};

/// Clients of the old and of the new settings are accepted, old and new CAs are trusted.
pub fn plateau(world: &World, plan: &TlsPlan) -> Needs<Stage> {
    // The settings that have TLS know its names; the modes in force are still the old ones.
    let settings = if plan.before.tls.is_some() {
        &plan.before
    } else {
        &plan.after
    };
    let trust = all_trust(world, &[&plan.before, &plan.after])?;
    let tls = inputs(plateau_phase(plan), trust);
    config::stage(world, settings, tls, None)
}

/// The new settings, still with every CA that anybody may need; Pods of this template carry the request's token.
pub fn committed(world: &World, plan: &TlsPlan, token: &str) -> Needs<Stage> {
    let trust = all_trust(world, &[&plan.after])?;
    config::stage(
        world,
        &plan.after,
        inputs(phase_at_work(&plan.after), trust),
        Some(token),
    )
}

/// What the provisioner builds from these settings while no operation runs.
pub fn steady(world: &World, settings: &TlsSettings) -> Needs<Stage> {
    let spec = config::proposed(world, settings)?.spec;
    config::stage(
        world,
        settings,
        TlsInputs::steady(&spec, issued_trust(world, settings)?),
        None,
    )
}

/// [`steady`], with the CAs besides that members are told to trust now.
pub fn overlap(world: &World, settings: &TlsSettings) -> Needs<Stage> {
    let trust = all_trust(world, &[settings])?;
    config::stage(world, settings, inputs(phase_at_work(settings), trust), None)
}

fn phase_at_work(settings: &TlsSettings) -> TlsPhase {
    if settings.tls.is_some() {
        TlsPhase::Enforce
    } else {
        TlsPhase::Off
    }
}

fn inputs(phase: TlsPhase, trust: CaBundle) -> TlsInputs {
    match phase {
        TlsPhase::Off => TlsInputs::default(),
        TlsPhase::Accept | TlsPhase::Enforce => {
            let app_binding_ca = (!trust.is_empty()).then(|| trust.to_pem());
            TlsInputs {
                phase,
                trust,
                app_binding_ca,
            }
        }
    }
}

/// What members are told to trust now, and the CAs of the Secrets of these settings.
fn all_trust(world: &World, settings: &[&TlsSettings]) -> Needs<CaBundle> {
    let mut trust = match &world.config {
        Observed::Absent => CaBundle::default(),
        other => other.need("the config Secret")?.trust.clone(),
    };
    for settings in settings {
        trust = trust.union(&issued_trust(world, settings)?);
    }
    Ok(trust)
}

/// The CAs of the Secrets of these settings, in the order of the aliases: what the provisioner lets members trust.
fn issued_trust(world: &World, settings: &TlsSettings) -> Needs<CaBundle> {
    if settings.tls.is_none() {
        return Ok(CaBundle::default());
    }
    let resolved = config::resolved(world, settings)?;
    let names: Vec<_> = CertificateAlias::ALL
        .iter()
        .map(|alias| resolved.certificate_secret(*alias))
        .collect();
    Ok(world.issued_cas(names.iter().map(String::as_str))?)
}

/// How a member answers that has read the configuration of the plateau.
pub fn expected_on_plateau(world: &World, plan: &TlsPlan, stage: &Stage) -> Needs<Expectation> {
    let phase = stage.resolved.tls.phase;
    let removes = plan.after.tls.is_none();
    Ok(Expectation {
        tls: match phase {
            TlsPhase::Off => ExpectedTls::None,
            // What is about to be taken away need not be in order.
            TlsPhase::Accept | TlsPhase::Enforce if removes => ExpectedTls::Any,
            TlsPhase::Accept | TlsPhase::Enforce => ExpectedTls::of_secret(world, &stage.resolved)?,
        },
        plaintext: (phase == TlsPhase::Accept).then_some(true),
        trust: if removes {
            ExpectedTrust::Any
        } else {
            ExpectedTrust::AtLeast(stage.resolved.tls.trust.clone())
        },
    })
}

/// How a member answers that follows this stage and nothing else.
pub fn expected_at_work(
    world: &World,
    stage: &Stage,
    trust: fn(CaBundle) -> ExpectedTrust,
) -> Needs<Expectation> {
    if stage.resolved.tls.phase == TlsPhase::Off {
        return Ok(Expectation {
            tls: ExpectedTls::None,
            plaintext: Some(true),
            trust: ExpectedTrust::Any,
        });
    }
    Ok(Expectation {
        tls: ExpectedTls::of_secret(world, &stage.resolved)?,
        plaintext: Some(false),
        trust: trust(stage.resolved.tls.trust.clone()),
    })
}

/// Whether every member serves the leaf that its Secret holds.
pub fn all_serve_issued(world: &World, stage: &Stage) -> Needs<bool> {
    if stage.resolved.tls.phase == TlsPhase::Off {
        return Ok(true);
    }
    let expected = Expectation {
        tls: ExpectedTls::of_secret(world, &stage.resolved)?,
        ..Expectation::default()
    };
    Ok(world
        .members
        .values()
        .all(|member| expected.check(member).is_ok()))
}

/// The token of everything that is projected into the Pods at this stage.
pub fn files_of(world: &World, stage: &Stage) -> String {
    let hash = recorded_hash(&stage.children.config_secret.metadata).unwrap_or_default();
    proof::files_token(world, &stage.resolved, hash)
}
