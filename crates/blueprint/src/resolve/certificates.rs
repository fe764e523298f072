//! `spec.tls`: which certificates there are, who signs them, and what cert-manager would refuse.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use api_types::names;
use api_types::tls::{CertificateAlias, CertificateSpec, IssuerRef, TlsConfig};
use api_types::vocabulary::CERT_MANAGER_GROUP;

use super::{Findings, ResolveInput};
use crate::duration;
use crate::resolved::ResolvedCertificate;

/// Aliases that KubeDB knows and that nothing is made for here.
pub(super) const UNUSED_ALIASES: [&str; 4] = ["archiver", "grpc-ca", "grpc-client", "grpc-server"];

/// cert-manager's limits (`Certificate.spec.duration` and `.renewBefore`).
const LEAST_DURATION: Duration = Duration::from_secs(3600);
const LEAST_RENEW_BEFORE: Duration = Duration::from_secs(300);
/// What cert-manager uses when no duration is given: 90 days.
const DEFAULT_DURATION: Duration = Duration::from_secs(90 * 24 * 3600);

pub(super) fn resolve(input: &ResolveInput<'_>, findings: &mut Findings) -> Vec<ResolvedCertificate> {
    let Some(tls) = &input.spec.tls else {
        return Vec::new();
    };
    check_aliases(tls, findings);
    let certificates: Vec<ResolvedCertificate> = CertificateAlias::ALL
        .into_iter()
        .filter_map(|alias| one(input.name(), tls, alias, findings))
        .collect();
    let secrets: BTreeSet<&str> = certificates.iter().map(|c| c.secret_name.as_str()).collect();
    findings.add_if(
        secrets.len() < certificates.len(),
        "spec.tls.certificates",
        "two certificates share one secretName; give each its own",
    );
    certificates
}

fn check_aliases(tls: &TlsConfig, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for certificate in &tls.certificates {
        let alias = certificate.alias.as_str();
        if CertificateAlias::parse(alias).is_none() && !UNUSED_ALIASES.contains(&alias) {
            findings.add(
                "spec.tls.certificates",
                format!("there is no certificate {alias:?}; write server, client or metrics-exporter"),
            );
        }
        if !seen.insert(alias) {
            findings.add(
                "spec.tls.certificates",
                format!("{alias:?} occurs twice; merge the two entries"),
            );
        }
    }
}

fn one(
    db: &str,
    tls: &TlsConfig,
    alias: CertificateAlias,
    findings: &mut Findings,
) -> Option<ResolvedCertificate> {
    let custom = tls.certificates.iter().find(|c| c.alias == alias.as_str());
    let custom = custom.cloned().unwrap_or_else(|| CertificateSpec {
        alias: alias.as_str().to_owned(),
        ..CertificateSpec::default()
    });
    check_custom(&custom, findings);
    let issuer = custom.issuer_ref.clone().or_else(|| tls.issuer_ref.clone());
    let Some(issuer) = issuer else {
        findings.add(
            "spec.tls.issuerRef",
            format!(
                "nobody signs the certificate {alias}; name an Issuer or ClusterIssuer",
                alias = alias.as_str()
            ),
        );
        return None;
    };
    check_issuer(&issuer, findings);
    let name = names::certificate(db, alias);
    let secret_name = custom.secret_name.clone().filter(|name| !name.is_empty());
    Some(ResolvedCertificate {
        alias,
        secret_name: secret_name.unwrap_or_else(|| name.clone()),
        name,
        issuer,
        custom,
    })
}

fn check_issuer(issuer: &IssuerRef, findings: &mut Findings) {
    const FIELD: &str = "spec.tls.issuerRef";
    let group = issuer.group();
    if group != CERT_MANAGER_GROUP {
        findings.add(
            FIELD,
            format!("issuers of the group {group:?} are not known; write apiGroup: {CERT_MANAGER_GROUP}"),
        );
    }
    if !["Issuer", "ClusterIssuer"].contains(&issuer.kind.as_str()) {
        let kind = &issuer.kind;
        findings.add(
            FIELD,
            format!("{kind:?} is no issuer; write kind: Issuer or kind: ClusterIssuer"),
        );
    }
    findings.add_if(
        issuer.name.is_empty(),
        FIELD,
        "the issuer has no name; write name: <issuer>",
    );
}

/// What cert-manager's webhook or its controllers would refuse.
fn check_custom(custom: &CertificateSpec, findings: &mut Findings) {
    let alias = &custom.alias;
    let field = |name: &str| format!("spec.tls.certificates[{alias}].{name}");
    let lifetime = check_duration(
        custom.duration.as_deref(),
        LEAST_DURATION,
        field("duration"),
        findings,
    );
    let renewal = check_duration(
        custom.renew_before.as_deref(),
        LEAST_RENEW_BEFORE,
        field("renewBefore"),
        findings,
    );
    let lifetime = lifetime.unwrap_or(DEFAULT_DURATION);
    if renewal.is_some_and(|renewal| renewal >= lifetime) {
        findings.add(
            field("renewBefore"),
            "it is not shorter than the certificate's duration; write less, for example a third of it",
        );
    }
    for address in custom
        .ip_addresses
        .iter()
        .filter(|a| a.parse::<IpAddr>().is_err())
    {
        findings.add(field("ipAddresses"), format!("{address:?} is no IP address"));
    }
    for name in custom.dns_names.iter().filter(|name| !is_dns_name(name)) {
        findings.add(field("dnsNames"), format!("{name:?} is no DNS name"));
    }
    if custom
        .secret_name
        .as_deref()
        .is_some_and(|name| !name.is_empty() && !is_object_name(name))
    {
        findings.add(field("secretName"), "no Secret can have this name");
    }
}

fn check_duration(
    text: Option<&str>,
    least: Duration,
    field: String,
    findings: &mut Findings,
) -> Option<Duration> {
    let text = text?;
    let parsed = duration::parse(text);
    match parsed {
        None => findings.add(field, format!("{text:?} is no duration; write for example 2160h")),
        Some(short) if short < least => findings.add(
            field,
            format!(
                "{text} is too short for cert-manager; write {} minutes or more",
                least.as_secs() / 60
            ),
        ),
        Some(_) => {}
    }
    parsed
}

/// Host name, with a wildcard in the first label at most.
fn is_dns_name(name: &str) -> bool {
    let name = name.strip_prefix("*.").unwrap_or(name);
    !name.is_empty()
        && name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// Name of a Secret (RFC 1123 subdomain).
fn is_object_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}
