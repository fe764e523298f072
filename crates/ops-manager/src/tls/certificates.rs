//! Certificates: what cert-manager has to issue, and whether what it issued can be used.

use std::collections::BTreeSet;

use api_types::cert_manager::{Certificate, IssuerCondition};
use api_types::ops_request::TlsSettings;
use api_types::tls::CertificateAlias;
use instance::examine_issued;
use jiff::Timestamp;

use crate::effect::{Child, Effect};
use crate::moves::children;
use crate::operation::Operation;
use crate::step::{Progress, StepResult};
use crate::tls::effect::TlsEffect;
use crate::tls::world::{self as tls_world, IssuedSecret};
use crate::waiting::{CertificateState, WaitingOn};
use crate::world::{Observed, World};

/// Condition of a Certificate: its Secret is good.
const READY: &str = "Ready";
/// Condition of a Certificate: it is being issued. A client sets it to have the certificate reissued (as `cmctl renew`
/// does).
pub const ISSUING: &str = "Issuing";

/// Some of a database's certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// All but that of the clients.
    AllButTheClients,
}

impl Which {
    /// Whether a certificate is among them.
    pub fn has(self, alias: CertificateAlias) -> bool {
        self == Self::All || alias != CertificateAlias::Client
    }
}

/// The Certificates of a database with these settings.
pub fn wanted(world: &World, settings: &TlsSettings) -> StepResult<Vec<(CertificateAlias, Certificate)>> {
    if settings.tls.is_none() {
        return Ok(Vec::new());
    }
    Ok(blueprint::certificates(&children::resolved(world, settings)?))
}

/// These Certificates are to be reissued; done when each is being issued or was, since the operation began.
pub fn reissue(op: &Operation, world: &World, settings: &TlsSettings, which: Which) -> StepResult {
    let wanted = these(world, settings, which)?;
    let applied = apply(world, &wanted)?;
    Progress::of(applied).require_done()?;
    if let Some(plan) = remember_revisions(op, world, &wanted)? {
        return Ok(plan);
    }
    let mut effects = Vec::new();
    for (alias, certificate) in &wanted {
        let live = live(world, *alias, certificate)?;
        if revision(live) <= recorded(op, *alias) && !is_issuing(live) {
            effects.push(TlsEffect::Issue(name(certificate)).into());
        }
    }
    Ok(Progress::of(effects))
}

/// The revisions before the operation, recorded so that a rotation is never requested twice.
fn remember_revisions(
    op: &Operation,
    world: &World,
    wanted: &[(CertificateAlias, Certificate)],
) -> StepResult<Option<Progress>> {
    if wanted
        .iter()
        .all(|(alias, _)| op.progress.certificate_revisions.contains_key(alias.as_str()))
    {
        return Ok(None);
    }
    let mut progress = op.progress.clone();
    for (alias, certificate) in wanted {
        let now = revision(live(world, *alias, certificate)?);
        progress
            .certificate_revisions
            .entry(alias.as_str().to_owned())
            .or_insert(now);
    }
    Ok(Some(Progress::Choose(Box::new(progress))))
}

/// All Certificates are as wanted, issued, and their Secrets can be used. Done, or what is next.
pub fn synced(op: &Operation, world: &World, settings: &TlsSettings) -> StepResult {
    these_synced(op, world, settings, Which::All)
}

/// As [`synced`], of some.
pub fn these_synced(op: &Operation, world: &World, settings: &TlsSettings, which: Which) -> StepResult {
    let wanted = these(world, settings, which)?;
    let effects = apply(world, &wanted)?;
    Progress::of(effects).require_done()?;
    for (alias, certificate) in &wanted {
        check_issued(op, world, *alias, certificate)?;
    }
    Ok(Progress::Done)
}

fn these(
    world: &World,
    settings: &TlsSettings,
    which: Which,
) -> StepResult<Vec<(CertificateAlias, Certificate)>> {
    let mut wanted = wanted(world, settings)?;
    wanted.retain(|(alias, _)| which.has(*alias));
    Ok(wanted)
}

/// Applies the Certificates that are not as these settings want them.
pub fn as_wanted(world: &World, settings: &TlsSettings) -> StepResult<Vec<Effect>> {
    apply(world, &wanted(world, settings)?)
}

fn apply(world: &World, wanted: &[(CertificateAlias, Certificate)]) -> StepResult<Vec<Effect>> {
    let mut effects = Vec::new();
    for (alias, certificate) in wanted {
        let live = match tls_world::of(world)?.certificates.get(alias) {
            None | Some(Observed::Absent) => None,
            Some(other) => Some(&other.require(&title(certificate))?.metadata),
        };
        if runtime::needs_apply(live, &certificate.metadata) {
            effects.push(Effect::Apply(Box::new(Child::Certificate(certificate.clone()))));
        }
    }
    Ok(effects)
}

fn check_issued(
    op: &Operation,
    world: &World,
    alias: CertificateAlias,
    wanted: &Certificate,
) -> StepResult<()> {
    let live = live(world, alias, wanted)?;
    if let Some(why) = failure(live, op.began) {
        return Err(Progress::Impossible(format!(
            "{} could not be issued: {why}",
            title(wanted)
        )));
    }
    if is_issuing(live) {
        return Err(waits_for(wanted, CertificateState::Issuing));
    }
    let ready = find(live, READY).filter(|condition| condition.status == "True");
    let Some(ready) = ready else {
        let why = find(live, READY)
            .and_then(|condition| condition.message.clone())
            .unwrap_or_default();
        return Err(waits_for(wanted, CertificateState::NotReady(why)));
    };
    if ready
        .observed_generation
        .is_some_and(|seen| Some(seen) < live.metadata.generation)
    {
        return Err(waits_for(wanted, CertificateState::NotObserved));
    }
    let before = op.progress.certificate_revisions.get(alias.as_str());
    if before.is_some_and(|before| revision(live) <= *before) {
        return Err(waits_for(wanted, CertificateState::OldRevision));
    }
    let secret = tls_world::of(world)?.issued(&wanted.spec.secret_name)?;
    check_secret(secret, alias, wanted, world.now)
}

/// Whether a Secret holds what its Certificate specifies, and members and clients can use it. cert-manager has reported
/// that it is done, so what is wrong now stays wrong.
fn check_secret(
    secret: &IssuedSecret,
    alias: CertificateAlias,
    wanted: &Certificate,
    now: Timestamp,
) -> StepResult<()> {
    let name = &wanted.spec.secret_name;
    let asked = &wanted.spec.issuer_ref.name;
    if secret.issuer.as_ref().is_some_and(|issuer| issuer != asked) {
        let (secret, issuer) = (name.clone(), asked.clone());
        return Err(WaitingOn::IssuedBy { secret, issuer }.into());
    }
    let refused = |why: String| {
        Err(Progress::Impossible(format!(
            "the certificate in Secret {name} was not given to any member: {why}. Then create the request again"
        )))
    };
    let Some(pair) = &secret.pair else {
        return refused("it lacks ca.crt, tls.crt or tls.key; use an issuer that publishes its CA".into());
    };
    examine_issued(alias, &wanted.spec, &pair.certificate, &pair.key, &pair.ca, now).or_else(refused)
}

/// Certificates that a database with these settings does not have.
pub fn obsolete(world: &World, settings: &TlsSettings) -> StepResult<Vec<Effect>> {
    let kept: BTreeSet<_> = wanted(world, settings)?
        .into_iter()
        .map(|(alias, _)| alias)
        .collect();
    let mut effects = Vec::new();
    for (alias, certificate) in &tls_world::of(world)?.certificates {
        if kept.contains(alias) || *certificate == Observed::Absent {
            continue;
        }
        let certificate = certificate.require(&format!("the {} Certificate", alias.as_str()))?;
        if is_ours(world, certificate) {
            effects.push(TlsEffect::DeleteCertificate(name(certificate)).into());
        }
    }
    Ok(effects)
}

fn is_ours(world: &World, certificate: &Certificate) -> bool {
    let uid = world.postgres.present().and_then(|pg| pg.metadata.uid.as_ref());
    certificate
        .metadata
        .owner_references
        .iter()
        .flatten()
        .any(|owner| Some(&owner.uid) == uid)
}

fn live<'a>(world: &'a World, alias: CertificateAlias, wanted: &Certificate) -> StepResult<&'a Certificate> {
    Ok(tls_world::of(world)?
        .certificates
        .get(&alias)
        .unwrap_or(&Observed::Absent)
        .require(&title(wanted))?)
}

/// Why cert-manager gave up on a Certificate during this operation.
fn failure(certificate: &Certificate, began: Option<Timestamp>) -> Option<String> {
    let failed_at = certificate.status.as_ref()?.last_failure_time.as_ref()?.0;
    let condition = find(certificate, ISSUING)?;
    let during = began.is_none_or(|began| failed_at >= began);
    (condition.status == "False" && during).then(|| condition.message.clone().unwrap_or_default())
}

/// Whether cert-manager reports that the current Certificate is issued.
pub fn is_issued(certificate: &Certificate) -> bool {
    certificate.is_ready() && !is_issuing(certificate)
}

/// Whether a Certificate is being issued.
pub fn is_issuing(certificate: &Certificate) -> bool {
    find(certificate, ISSUING).is_some_and(|condition| condition.status == "True")
}

fn find<'a>(certificate: &'a Certificate, type_: &str) -> Option<&'a IssuerCondition> {
    certificate
        .status
        .as_ref()?
        .conditions
        .iter()
        .find(|condition| condition.type_ == type_)
}

fn revision(certificate: &Certificate) -> i64 {
    certificate
        .status
        .as_ref()
        .and_then(|status| status.revision)
        .unwrap_or(0)
}

fn recorded(op: &Operation, alias: CertificateAlias) -> i64 {
    op.progress
        .certificate_revisions
        .get(alias.as_str())
        .copied()
        .unwrap_or(i64::MIN)
}

fn waits_for(certificate: &Certificate, state: CertificateState) -> Progress {
    let certificate = title(certificate);
    WaitingOn::Certificate { certificate, state }.into()
}

fn name(certificate: &Certificate) -> String {
    certificate.metadata.name.clone().unwrap_or_default()
}

fn title(certificate: &Certificate) -> String {
    format!(
        "Certificate {}",
        certificate.metadata.name.as_deref().unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_that_could_not_be_read_is_not_taken_for_gone() {
        let left_over = |observed| {
            let tls = tls_world::TlsWorld {
                certificates: [(CertificateAlias::Server, observed)].into(),
                ..Default::default()
            };
            let world = World {
                tls: Some(tls),
                ..World::default()
            };
            obsolete(&world, &TlsSettings::default())
        };
        assert_eq!(left_over(Observed::Absent), Ok(Vec::new()));
        let waits = left_over(Observed::Unknown("timed out".into()));
        assert!(
            matches!(&waits, Err(Progress::Wait(on)) if on.to_string().contains("timed out")),
            "{waits:?}"
        );
    }
}
