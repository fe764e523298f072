//! The states of a TLS change: what is deployed to members in each, and what a probe must find then.

use api_types::ops_request::{TlsPlan, TlsSettings};
use api_types::tls::CertificateAlias;
use blueprint::{CaBundle, TlsInputs, TlsMaterial, TlsPhase, recorded_hash};

use super::overlap_phase;
use crate::member::sql;
use crate::moves::children::{self, RenderedState};
use crate::operation::Operation;
use crate::step::StepResult;
use crate::tls::certificates::{self, Which};
use crate::tls::verification::{
    Expectation, ExpectedConfiguration, ExpectedTls, ExpectedTrust, TargetConfig,
};
use crate::tls::world as tls_world;
use crate::waiting::WaitingOn;
use crate::world::{ConfigSecret, Observed, World};

/// Members go on with what they have, and trust the new CA besides. Only for a change of TLS that stays.
pub fn trusting(world: &World, plan: &TlsPlan, new: &CaBundle) -> StepResult<RenderedState> {
    let issued = if new.is_empty() { &plan.after } else { &plan.before };
    let trust = all_trust(world, &[issued])?.union(new);
    state(
        world,
        &plan.before,
        TlsPhase::Enforce,
        trust,
        deployed(world)?,
        None,
    )
}

/// Clients of the old and of the new settings are accepted, old and new CAs are trusted, the new certificates are served.
/// Of the new certificates, these; of the others, what members have.
pub fn overlap_window(world: &World, plan: &TlsPlan, which: Which) -> StepResult<RenderedState> {
    // The settings that have TLS know its names; the modes in force are still the old ones.
    let settings = if plan.before.tls.is_some() {
        &plan.before
    } else {
        &plan.after
    };
    // What is about to be taken away need not be in order: members keep it.
    let (trust, material) = if plan.after.tls.is_some() {
        (
            all_trust(world, &[&plan.before, &plan.after])?,
            issued_or_deployed(world, &plan.after, which)?,
        )
    } else {
        (all_trust(world, &[])?, deployed(world)?)
    };
    let tls = TlsInputs {
        removing_tls: plan.after.tls.is_none(),
        ..TlsInputs::of(overlap_phase(plan), trust, material)
    };
    children::render(world, &children::with_tls(settings), tls, None)
}

/// Settings in force with the certificates that members have proven to serve, whatever was issued since. Should the config
/// Secret have lost them, it is what was issued, if that is good. Pods of a template with the token are of a new revision.
pub fn proven(
    op: &Operation,
    world: &World,
    settings: &TlsSettings,
    token: Option<&str>,
) -> StepResult<RenderedState> {
    let material = match &settings.tls {
        None => TlsMaterial::default(),
        Some(_) => deployed(world)?,
    };
    let is_lost = settings.tls.is_some() && material.get(CertificateAlias::Server).is_none();
    let (trust, material) = if is_lost {
        certificates::synced(op, world, settings)?.require_done()?;
        (all_trust(world, &[settings])?, issued_material(world, settings)?)
    } else {
        (all_trust(world, &[])?, material)
    };
    state(world, settings, phase_at_work(settings), trust, material, token)
}

/// Settings in force with the certificates issued last, still with every CA that any member or client may need.
pub fn overlap(world: &World, settings: &TlsSettings) -> StepResult<RenderedState> {
    let trust = all_trust(world, &[settings])?;
    let material = issued_material(world, settings)?;
    state(world, settings, phase_at_work(settings), trust, material, None)
}

/// What the provisioner builds from these settings while no operation runs.
pub fn steady(world: &World, settings: &TlsSettings) -> StepResult<RenderedState> {
    let material = issued_material(world, settings)?;
    let trust = material.authorities();
    state(world, settings, phase_at_work(settings), trust, material, None)
}

/// The settings with what members were given before the operation: where a failed change goes back to.
pub fn last_good(world: &World, settings: &TlsSettings) -> StepResult<RenderedState> {
    let material = match &tls_world::of(world)?.last_good {
        Observed::Absent => deployed(world)?,
        other => other
            .require("the Secret with the last good certificates")?
            .clone(),
    };
    let trust = all_trust(world, &[])?.union(&material.authorities());
    state(world, settings, phase_at_work(settings), trust, material, None)
}

fn state(
    world: &World,
    settings: &TlsSettings,
    phase: TlsPhase,
    trust: CaBundle,
    material: TlsMaterial,
    token: Option<&str>,
) -> StepResult<RenderedState> {
    children::render(
        world,
        &children::with_tls(settings),
        TlsInputs::of(phase, trust, material),
        token,
    )
}

fn phase_at_work(settings: &TlsSettings) -> TlsPhase {
    if settings.tls.is_some() {
        TlsPhase::Enforce
    } else {
        TlsPhase::Off
    }
}

fn config_secret(world: &World) -> StepResult<Option<&ConfigSecret>> {
    match &world.config {
        Observed::Absent => Ok(None),
        other => Ok(Some(other.require("the config Secret")?)),
    }
}

/// The certificates and keys that members are given now.
pub fn deployed(world: &World) -> StepResult<TlsMaterial> {
    Ok(config_secret(world)?
        .map(|config| config.material.clone())
        .unwrap_or_default())
}

/// The certificates issued for these settings, where `which` includes them; otherwise the deployed ones.
fn issued_or_deployed(world: &World, settings: &TlsSettings, which: Which) -> StepResult<TlsMaterial> {
    let (mut material, deployed) = (issued_material(world, settings)?, deployed(world)?);
    for (alias, pair) in deployed.iter().filter(|(alias, _)| !which.has(*alias)) {
        material = material.with(alias, pair.clone());
    }
    Ok(material)
}

/// The CAs that members are configured to trust now.
pub fn trusted(world: &World) -> StepResult<CaBundle> {
    Ok(config_secret(world)?
        .map(|config| config.trust.clone())
        .unwrap_or_default())
}

/// The CAs that members are configured to trust now, and the CAs of the Secrets of these settings.
fn all_trust(world: &World, settings: &[&TlsSettings]) -> StepResult<CaBundle> {
    let mut trust = trusted(world)?;
    for settings in settings {
        trust = trust.union(&issued_material(world, settings)?.authorities());
    }
    Ok(trust)
}

/// What the issuers gave for these settings.
fn issued_material(world: &World, settings: &TlsSettings) -> StepResult<TlsMaterial> {
    let mut material = TlsMaterial::default();
    if settings.tls.is_none() {
        return Ok(material);
    }
    let resolved = children::resolved(world, settings)?;
    for alias in CertificateAlias::ALL {
        let name = resolved.certificate_secret(alias);
        let pair = tls_world::of(world)?.issued(&name)?.pair.clone();
        material = material.with(alias, pair.ok_or(WaitingOn::SecretParts { secret: name })?);
    }
    Ok(material)
}

/// Whether what was issued for these settings comes of CAs of which members have certificates already: they and their
/// clients trust those, so there is nothing to wait for.
pub fn has_same_authorities(world: &World, settings: &TlsSettings) -> StepResult<bool> {
    let known = deployed(world)?.authorities();
    Ok(known.contains_all(&issued_material(world, settings)?.authorities()))
}

/// What a probe must find on a member that trusts the CAs of a state and serves the deployed certificates.
pub fn expected_to_trust(state: &RenderedState) -> Expectation {
    let tls = &state.resolved.tls;
    Expectation {
        tls: ExpectedTls::of(&tls.material),
        plaintext: None,
        trust: ExpectedTrust::AtLeast(tls.trust.clone()),
        configuration: configuration(state),
    }
}

/// What a probe must find on a member that has read the configuration of the overlap window.
pub fn expected_in_overlap_window(plan: &TlsPlan, state: &RenderedState) -> Expectation {
    let tls = &state.resolved.tls;
    let removes = plan.after.tls.is_none();
    Expectation {
        tls: match tls.phase {
            TlsPhase::Off => ExpectedTls::None,
            TlsPhase::Accept | TlsPhase::Enforce if removes => ExpectedTls::Any,
            TlsPhase::Accept | TlsPhase::Enforce => ExpectedTls::of(&tls.material),
        },
        plaintext: (tls.phase == TlsPhase::Accept).then_some(true),
        trust: if removes {
            ExpectedTrust::Any
        } else {
            ExpectedTrust::AtLeast(tls.trust.clone())
        },
        configuration: configuration(state),
    }
}

/// What a probe must find on a member that follows this state and nothing else.
pub fn expected_at_work(state: &RenderedState, trust: fn(CaBundle) -> ExpectedTrust) -> Expectation {
    let tls = &state.resolved.tls;
    if tls.phase == TlsPhase::Off {
        return Expectation {
            tls: ExpectedTls::None,
            plaintext: Some(true),
            trust: ExpectedTrust::Any,
            configuration: configuration(state),
        };
    }
    Expectation {
        tls: ExpectedTls::of(&tls.material),
        plaintext: Some(false),
        trust: trust(tls.trust.clone()),
        configuration: configuration(state),
    }
}

fn configuration(state: &RenderedState) -> Option<ExpectedConfiguration> {
    Some(ExpectedConfiguration {
        pg_hba: blueprint::pg_hba(&state.resolved),
        ssl_mode: blueprint::replication_ssl_mode(&state.resolved).to_owned(),
    })
}

/// Whether every member serves the leaf of this state; one that was not seen may not.
pub fn all_serve(world: &World, state: &RenderedState) -> bool {
    let tls = &state.resolved.tls;
    if tls.phase == TlsPhase::Off {
        return true;
    }
    let expected = Expectation {
        tls: ExpectedTls::of(&tls.material),
        ..Expectation::default()
    };
    world.all_seen().is_ok()
        && world
            .members()
            .values()
            .all(|member| expected.check(member).is_ok())
}

/// What members are given in this state; it is all in the config Secret.
pub fn target(state: &RenderedState) -> TargetConfig {
    let hash = recorded_hash(&state.children.config_secret.metadata);
    TargetConfig {
        token: hash.unwrap_or_default().to_owned(),
        files: sql::files_of(state),
    }
}
