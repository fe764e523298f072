//! Certificates: what cert-manager is asked for, and whether what it issued can be used.

use std::collections::BTreeSet;

use api_types::cert_manager::{Certificate, IssuerCondition};
use api_types::ops_request::TlsSettings;
use api_types::tls::CertificateAlias;
use instance::examine_issued;
use jiff::Timestamp;

use crate::effect::{Child, Effect};
use crate::moves::config;
use crate::operation::Operation;
use crate::step::{Needs, Progress};
use crate::world::{IssuedSecret, Observed, World};

/// Condition of a Certificate: its Secret is good.
const READY: &str = "Ready";
/// Condition of a Certificate: it is being issued; set by whoever wants it issued anew (as `cmctl renew` does).
pub const ISSUING: &str = "Issuing";

/// The Certificates of a database with these settings.
pub fn wanted(world: &World, settings: &TlsSettings) -> Needs<Vec<(CertificateAlias, Certificate)>> {
    if settings.tls.is_none() {
        return Ok(Vec::new());
    }
    Ok(blueprint::certificates(&config::resolved(world, settings)?))
}

/// Every Certificate is asked to be issued anew; done when each is being issued or was, since the operation began.
pub fn issue_anew(op: &Operation, world: &World, settings: &TlsSettings) -> Result<Progress, Progress> {
    let wanted = wanted(world, settings)?;
    let applied = apply(world, &wanted)?;
    Progress::of(applied).first()?;
    if let Some(plan) = remember_revisions(op, world, &wanted)? {
        return Ok(plan);
    }
    let mut effects = Vec::new();
    for (alias, certificate) in &wanted {
        let live = live(world, *alias, certificate)?;
        if revision(live) <= recorded(op, *alias) && !is_issuing(live) {
            effects.push(Effect::Issue(name(certificate)));
        }
    }
    Ok(Progress::of(effects))
}

/// The revisions before the operation, written down so that a rotation is never asked for twice.
fn remember_revisions(
    op: &Operation,
    world: &World,
    wanted: &[(CertificateAlias, Certificate)],
) -> Needs<Option<Progress>> {
    if wanted
        .iter()
        .all(|(alias, _)| op.plan.certificate_revisions.contains_key(alias.as_str()))
    {
        return Ok(None);
    }
    let mut plan = op.plan.clone();
    for (alias, certificate) in wanted {
        let now = revision(live(world, *alias, certificate)?);
        plan.certificate_revisions
            .entry(alias.as_str().to_owned())
            .or_insert(now);
    }
    Ok(Some(Progress::Choose(Box::new(plan))))
}

/// The Certificates are as wanted, issued, and their Secrets can be used. Done, or what is next.
pub fn synced(op: &Operation, world: &World, settings: &TlsSettings) -> Result<Progress, Progress> {
    let wanted = wanted(world, settings)?;
    let effects = apply(world, &wanted)?;
    Progress::of(effects).first()?;
    for (alias, certificate) in &wanted {
        check_issued(op, world, *alias, certificate)?;
    }
    Ok(Progress::Done)
}

/// Applies the Certificates that are not as these settings want them.
pub fn as_wanted(world: &World, settings: &TlsSettings) -> Needs<Vec<Effect>> {
    apply(world, &wanted(world, settings)?)
}

fn apply(world: &World, wanted: &[(CertificateAlias, Certificate)]) -> Needs<Vec<Effect>> {
    let mut effects = Vec::new();
    for (alias, certificate) in wanted {
        let live = match world.certificates.get(alias) {
            None | Some(Observed::Absent) => None,
            Some(other) => Some(&other.need(&title(certificate))?.metadata),
        };
        if runtime::needs_apply(live, &certificate.metadata) {
            effects.push(Effect::Apply(Box::new(Child::Certificate(certificate.clone()))));
        }
    }
    Ok(effects)
}

fn check_issued(op: &Operation, world: &World, alias: CertificateAlias, wanted: &Certificate) -> Needs<()> {
    let live = live(world, alias, wanted)?;
    if let Some(why) = failure(live, op.began) {
        return Err(Progress::Impossible(format!(
            "{} could not be issued: {why}",
            title(wanted)
        )));
    }
    if is_issuing(live) {
        return Err(Progress::Wait(format!(
            "waits for cert-manager to issue {}",
            title(wanted)
        )));
    }
    let ready = find(live, READY).filter(|condition| condition.status == "True");
    let Some(ready) = ready else {
        let why = find(live, READY)
            .and_then(|condition| condition.message.clone())
            .unwrap_or_default();
        return Err(Progress::Wait(format!(
            "waits for {} to be Ready: {why}",
            title(wanted)
        )));
    };
    if ready
        .observed_generation
        .is_some_and(|seen| Some(seen) < live.metadata.generation)
    {
        return Err(Progress::Wait(format!(
            "waits for cert-manager to see the change of {}",
            title(wanted)
        )));
    }
    let before = op.plan.certificate_revisions.get(alias.as_str());
    if before.is_some_and(|before| revision(live) <= *before) {
        return Err(Progress::Wait(format!(
            "waits for a new revision of {}",
            title(wanted)
        )));
    }
    let secret = world.issued(&wanted.spec.secret_name)?;
    check_secret(secret, alias, wanted, world.now)
}

/// Whether a Secret holds what its Certificate asks for, and members and clients can use it. cert-manager has said that
/// it is done, so what is wrong now stays wrong.
fn check_secret(
    secret: &IssuedSecret,
    alias: CertificateAlias,
    wanted: &Certificate,
    now: Timestamp,
) -> Needs<()> {
    let name = &wanted.spec.secret_name;
    let asked = &wanted.spec.issuer_ref.name;
    if secret.issuer.as_ref().is_some_and(|issuer| issuer != asked) {
        return Err(Progress::Wait(format!(
            "waits for a certificate of issuer {asked} in Secret {name}"
        )));
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
pub fn obsolete(world: &World, settings: &TlsSettings) -> Needs<Vec<Effect>> {
    let kept: BTreeSet<_> = wanted(world, settings)?
        .into_iter()
        .map(|(alias, _)| alias)
        .collect();
    let mut effects = Vec::new();
    for (alias, certificate) in &world.certificates {
        if kept.contains(alias) || *certificate == Observed::Absent {
            continue;
        }
        let certificate = certificate.need(&format!("the {} Certificate", alias.as_str()))?;
        if is_ours(world, certificate) {
            effects.push(Effect::DeleteCertificate(name(certificate)));
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

fn live<'a>(world: &'a World, alias: CertificateAlias, wanted: &Certificate) -> Needs<&'a Certificate> {
    Ok(world
        .certificates
        .get(&alias)
        .unwrap_or(&Observed::Absent)
        .need(&title(wanted))?)
}

/// Why cert-manager gave up on a Certificate during this operation.
fn failure(certificate: &Certificate, began: Option<Timestamp>) -> Option<String> {
    let failed_at = certificate.status.as_ref()?.last_failure_time.as_ref()?.0;
    let condition = find(certificate, ISSUING)?;
    let during = began.is_none_or(|began| failed_at >= began);
    (condition.status == "False" && during).then(|| condition.message.clone().unwrap_or_default())
}

/// Whether cert-manager says that the Certificate, as it is now, is issued.
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
    op.plan
        .certificate_revisions
        .get(alias.as_str())
        .copied()
        .unwrap_or(i64::MIN)
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
        let mut world = World::default();
        let mut left_over = |observed| {
            world.certificates.insert(CertificateAlias::Server, observed);
            obsolete(&world, &TlsSettings::default())
        };
        assert_eq!(left_over(Observed::Absent), Ok(Vec::new()));
        let waits = left_over(Observed::Unknown("timed out".into()));
        assert!(
            matches!(&waits, Err(Progress::Wait(why)) if why.contains("timed out")),
            "{waits:?}"
        );
    }
}
