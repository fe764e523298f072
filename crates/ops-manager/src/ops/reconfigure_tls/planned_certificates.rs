//! What happens to every certificate: names added and dropped, old and new issuer.

use api_types::cert_manager::{Certificate, CertificateSpec, IssuerReference};
use api_types::ops_request::{CertificateAction, PlannedCertificate, TlsSettings};
use api_types::tls::{CertificateAlias, IssuerRef};
use kube::ResourceExt;

use crate::effect::{Child, Effect};
use crate::step::StepResult;
use crate::tls::certificates;
use crate::tls::effect::TlsEffect;
use crate::tls::world as tls_world;
use crate::world::World;

/// The certificates of the settings that the database is to have, and those that it loses.
pub fn of(rotates: bool, world: &World, after: &TlsSettings) -> StepResult<Vec<PlannedCertificate>> {
    let tls = tls_world::of(world)?;
    let applied = certificates::as_wanted(world, after)?;
    let mut all = Vec::new();
    for (alias, wanted) in certificates::wanted(world, after)? {
        let live = tls.certificates.get(&alias).and_then(|live| live.present());
        let is_applied = applied
            .iter()
            .any(|effect| is_certificate(effect, &wanted.name_any()));
        let action = match live {
            None => CertificateAction::Issue,
            Some(_) if rotates => CertificateAction::IssueAnew,
            Some(live) if is_applied && needs_another(&live.spec, &wanted.spec) => {
                CertificateAction::IssueAnew
            }
            Some(_) => CertificateAction::Keep,
        };
        all.push(row(alias, action, live, Some(&wanted)));
    }
    for effect in certificates::obsolete(world, after)? {
        let Effect::Tls(TlsEffect::DeleteCertificate(name)) = effect else {
            continue;
        };
        for (alias, live) in &tls.certificates {
            if let Some(live) = live.present().filter(|live| live.name_any() == name) {
                all.push(row(*alias, CertificateAction::Delete, Some(live), None));
            }
        }
    }
    Ok(all)
}

fn is_certificate(effect: &Effect, name: &str) -> bool {
    let Effect::Apply(child) = effect else {
        return false;
    };
    matches!(&**child, Child::Certificate(certificate) if certificate.name_any() == name)
}

/// The time of renewal and the encoding of the key are nothing that cert-manager reissues a certificate for
/// (cert-manager, `pkg/util/pki`: `RequestMatchesSpec`).
fn needs_another(live: &CertificateSpec, wanted: &CertificateSpec) -> bool {
    let as_issued = |spec: &CertificateSpec| CertificateSpec {
        renew_before: None,
        private_key: None,
        ..spec.clone()
    };
    as_issued(live) != as_issued(wanted)
}

fn row(
    alias: CertificateAlias,
    action: CertificateAction,
    live: Option<&Certificate>,
    wanted: Option<&Certificate>,
) -> PlannedCertificate {
    let names = |certificate: Option<&Certificate>| certificate.map(|it| names(&it.spec)).unwrap_or_default();
    let (before, after) = (names(live), names(wanted));
    let without = |these: &[String], those: &[String]| -> Vec<String> {
        these
            .iter()
            .filter(|name| !those.contains(name))
            .cloned()
            .collect()
    };
    let issuer = |certificate: Option<&Certificate>| certificate.map(|it| issuer(&it.spec.issuer_ref));
    PlannedCertificate {
        alias: alias.as_str().to_owned(),
        name: live.or(wanted).map(ResourceExt::name_any).unwrap_or_default(),
        action,
        names_added: without(&after, &before),
        names_dropped: without(&before, &after),
        old_issuer: issuer(live),
        new_issuer: issuer(wanted),
    }
}

/// Subject alternative names of every kind.
fn names(spec: &CertificateSpec) -> Vec<String> {
    let CertificateSpec {
        dns_names,
        ip_addresses,
        uris,
        email_addresses,
        ..
    } = spec;
    [dns_names, ip_addresses, uris, email_addresses]
        .into_iter()
        .flatten()
        .cloned()
        .collect()
}

fn issuer(reference: &IssuerReference) -> IssuerRef {
    IssuerRef {
        api_group: reference.group.clone(),
        kind: reference.kind.clone().unwrap_or_else(|| "Issuer".to_owned()),
        name: reference.name.clone(),
    }
}
