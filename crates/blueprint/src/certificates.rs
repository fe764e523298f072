//! The Certificates that cert-manager has to issue.
//!
//! Valid by cert-manager's own webhook: a common name of at most 64 characters, known usages, an issuer with kind and group.

use api_types::cert_manager::{Certificate, CertificateSpec, IssuerReference, PrivateKey};
use api_types::names;
use api_types::tls::{CertificateAlias, IssuerRef};

use crate::hash;
use crate::labels;
use crate::resolved::{Resolved, ResolvedCertificate};

/// Longest common name (RFC 5280, `ub-common-name`).
const MAX_COMMON_NAME: usize = 64;

const SIGNATURE: &str = "digital signature";
const ENCIPHERMENT: &str = "key encipherment";
const SERVER_AUTH: &str = "server auth";
const CLIENT_AUTH: &str = "client auth";

/// The Certificates of a database, by alias; empty without `spec.tls`.
pub fn certificates(resolved: &Resolved) -> Vec<(CertificateAlias, Certificate)> {
    resolved
        .certificates
        .iter()
        .map(|wanted| (wanted.alias, hash::seal(certificate(resolved, wanted))))
        .collect()
}

fn certificate(resolved: &Resolved, wanted: &ResolvedCertificate) -> Certificate {
    let custom = &wanted.custom;
    let (common_name, dns_names, ip_addresses) = identity(resolved, wanted.alias);
    Certificate {
        metadata: labels::child(resolved, &wanted.name),
        spec: CertificateSpec {
            secret_name: wanted.secret_name.clone(),
            issuer_ref: issuer_reference(&wanted.issuer),
            common_name: Some(common_name),
            subject: custom.subject.clone(),
            duration: custom.duration.clone(),
            renew_before: custom.renew_before.clone(),
            dns_names: union(dns_names, &custom.dns_names),
            ip_addresses: union(ip_addresses, &custom.ip_addresses),
            uris: union(Vec::new(), &custom.uris),
            email_addresses: union(Vec::new(), &custom.email_addresses),
            usages: usages(wanted.alias),
            private_key: Some(private_key(custom)),
        },
        status: None,
    }
}

/// KubeDB's API has a field for the encoding only. A key of this kind is made in a millisecond, where RSA takes cert-manager
/// most of the time of a rotation, and it makes every handshake cheaper; every client that supports TLS 1.2 supports it.
fn private_key(custom: &api_types::tls::CertificateSpec) -> PrivateKey {
    PrivateKey {
        algorithm: Some("ECDSA".to_owned()),
        size: Some(256),
        encoding: custom.private_key.as_ref().and_then(|key| key.encoding),
    }
}

/// Common name, DNS names and IP addresses before the user's.
fn identity(resolved: &Resolved, alias: CertificateAlias) -> (String, Vec<String>, Vec<String>) {
    match alias {
        CertificateAlias::Server => (
            server_common_name(resolved),
            own_server_dns_names(resolved),
            vec!["127.0.0.1".to_owned()],
        ),
        // PostgreSQL's method `cert` wants the role's name as common name.
        CertificateAlias::Client => (resolved.username.clone(), Vec::new(), Vec::new()),
        CertificateAlias::MetricsExporter => {
            let stats = names::stats_service(&resolved.name);
            let ns = &resolved.namespace;
            let dns = vec![stats.clone(), format!("{stats}.{ns}.svc"), "localhost".to_owned()];
            (resolved.username.clone(), dns, Vec::new())
        }
    }
}

/// `<db>.<namespace>.svc` where it fits; clients verify the DNS names, not this.
fn server_common_name(resolved: &Resolved) -> String {
    let name = format!("{}.{}.svc", resolved.name, resolved.namespace);
    if name.len() <= MAX_COMMON_NAME {
        name
    } else {
        resolved.name.clone()
    }
}

/// All DNS names of the server certificate.
pub(crate) fn server_dns_names(resolved: &Resolved) -> Vec<String> {
    let custom = resolved
        .certificates
        .iter()
        .find(|certificate| certificate.alias == CertificateAlias::Server)
        .map_or(&[][..], |certificate| &certificate.custom.dns_names);
    union(own_server_dns_names(resolved), custom)
}

/// The Services' names in every form that a client in the cluster writes, the members' names, and the Pod itself.
fn own_server_dns_names(resolved: &Resolved) -> Vec<String> {
    let db = &resolved.name;
    let ns = &resolved.namespace;
    let governing = resolved.governing_domain();
    let mut dns = service_names(db, ns);
    dns.extend(service_names(&names::standby_service(db), ns));
    dns.push(format!("*.{governing}"));
    dns.push(format!("*.{governing}.cluster.local"));
    dns.push(format!("*.{db}.{ns}.svc"));
    dns.push("localhost".to_owned());
    dns
}

fn service_names(service: &str, ns: &str) -> Vec<String> {
    vec![
        service.to_owned(),
        format!("{service}.{ns}"),
        format!("{service}.{ns}.svc"),
        format!("{service}.{ns}.svc.cluster.local"),
    ]
}

fn usages(alias: CertificateAlias) -> Vec<String> {
    let words: &[&str] = match alias {
        CertificateAlias::Client => &[SIGNATURE, ENCIPHERMENT, CLIENT_AUTH],
        CertificateAlias::Server | CertificateAlias::MetricsExporter => {
            &[SIGNATURE, ENCIPHERMENT, SERVER_AUTH, CLIENT_AUTH]
        }
    };
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// An issuer as cert-manager names it.
pub fn issuer_reference(issuer: &IssuerRef) -> IssuerReference {
    IssuerReference {
        name: issuer.name.clone(),
        kind: Some(issuer.kind.clone()),
        group: Some(issuer.group().to_owned()),
    }
}

/// Ours, then what the user has besides; each once.
fn union(mut own: Vec<String>, users: &[String]) -> Vec<String> {
    for name in users {
        if !own.contains(name) {
            own.push(name.clone());
        }
    }
    own
}
