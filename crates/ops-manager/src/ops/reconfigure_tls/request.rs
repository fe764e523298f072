//! What a `ReconfigureTLS` may contain, whatever the state of the database.

use std::collections::BTreeSet;

use api_types::ops_request::{Drain, TlsRequest, TlsRestart};
use api_types::tls::{CertificateAlias, ClientAuthMode, IssuerRef, SslMode};
use api_types::vocabulary::CERT_MANAGER_GROUP;
use jiff::SignedDuration;

use crate::operation::Operation;

/// Refuses what contradicts itself or names what there isn't.
///
/// # Errors
/// A message that names what to change.
pub fn check(tls: &TlsRequest) -> Result<(), String> {
    check_not_empty(tls)?;
    if is_set(tls.remove) {
        check_removal(tls)?
    } else {
        check_modes(tls)?
    }
    check_certificates(tls)?;
    check_durations(tls)?;
    issuers(tls).try_for_each(check_issuer)
}

/// The request's own section. Validated with the request: it is there.
pub fn of(op: &Operation) -> &TlsRequest {
    static NOTHING: TlsRequest = TlsRequest {
        issuer_ref: None,
        certificates: Vec::new(),
        rotate_certificates: None,
        rotate_grpc_certificates: None,
        remove: None,
        ssl_mode: None,
        client_auth_mode: None,
        restart: None,
        drain: None,
        ca_overlap: None,
    };
    op.spec.tls.as_ref().unwrap_or(&NOTHING)
}

/// How members are to take the change up.
pub fn restart(op: &Operation) -> TlsRestart {
    of(op).restart.unwrap_or_default()
}

/// Time in which a Pod that mounts the Secret gets the new bundle: kubelet syncs a Pod every 60 to 90 s, and reads a Secret
/// that is at most 60 s old when its watch is behind (Kubernetes, "Mounted Secrets are updated automatically").
const DEFAULT_CA_OVERLAP: SignedDuration = SignedDuration::from_mins(2);

/// How long applications have at least to take the bundle with the old and the new CA.
pub fn ca_overlap(op: &Operation) -> SignedDuration {
    let written = of(op).ca_overlap.as_deref();
    written
        .and_then(|text| text.parse().ok())
        .unwrap_or(DEFAULT_CA_OVERLAP)
}

/// How sessions end that the new settings do not admit.
pub fn drain(op: &Operation) -> Drain {
    of(op).drain.clone().unwrap_or_default()
}

/// Whether a switch is on; absent is off.
pub fn is_set(switch: Option<bool>) -> bool {
    switch.unwrap_or(false)
}

fn check_not_empty(tls: &TlsRequest) -> Result<(), String> {
    let asks_for_something = tls.issuer_ref.is_some()
        || !tls.certificates.is_empty()
        || is_set(tls.rotate_certificates)
        || is_set(tls.remove)
        || tls.ssl_mode.is_some()
        || tls.client_auth_mode.is_some();
    match (asks_for_something, is_set(tls.rotate_grpc_certificates)) {
        (true, _) => Ok(()),
        (false, true) => Err("spec.tls.rotateGrpcCertificates has nothing to rotate: those are certificates of KubeDB's \
             coordinator, which this database does not have; for the database's own set rotateCertificates: true"
            .into()),
        (false, false) => Err("spec.tls asks for nothing; set issuerRef to add TLS or change the issuer, certificates, \
             rotateCertificates: true, remove: true, sslMode or clientAuthMode"
            .into()),
    }
}

fn check_removal(tls: &TlsRequest) -> Result<(), String> {
    let contradiction = |field: &str| {
        Err(format!(
            "spec.tls.remove contradicts spec.tls.{field}; write two requests, or take one of the fields out"
        ))
    };
    if tls.issuer_ref.is_some() {
        return contradiction("issuerRef");
    }
    if !tls.certificates.is_empty() {
        return contradiction("certificates");
    }
    if is_set(tls.rotate_certificates) {
        return contradiction("rotateCertificates");
    }
    if tls.ssl_mode.is_some_and(|mode| mode != SslMode::Disable) {
        return contradiction("sslMode");
    }
    if tls.client_auth_mode == Some(ClientAuthMode::Cert) {
        return Err("spec.tls.clientAuthMode can't be cert when TLS is removed: there is no certificate to show without \
             TLS; write md5 or scram"
            .into());
    }
    Ok(())
}

fn check_modes(tls: &TlsRequest) -> Result<(), String> {
    if tls.ssl_mode == Some(SslMode::Disable) {
        return Err("spec.tls.sslMode disable takes TLS away, which is only done together with remove: true; add that, or \
             write another mode"
            .into());
    }
    Ok(())
}

fn check_certificates(tls: &TlsRequest) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    for certificate in &tls.certificates {
        let alias = certificate.alias.as_str();
        if CertificateAlias::parse(alias).is_none() {
            let known: Vec<_> = CertificateAlias::ALL.iter().map(|alias| alias.as_str()).collect();
            return Err(format!(
                "spec.tls.certificates has the alias {alias:?}, which a Postgres does not have; write one of {}",
                known.join(", ")
            ));
        }
        if !seen.insert(alias) {
            return Err(format!(
                "spec.tls.certificates has the alias {alias} twice; write one entry"
            ));
        }
    }
    Ok(())
}

fn check_durations(tls: &TlsRequest) -> Result<(), String> {
    let timeout = tls.drain.as_ref().and_then(|drain| drain.timeout.as_deref());
    let given = [
        ("drain.timeout", timeout),
        ("caOverlap", tls.ca_overlap.as_deref()),
    ];
    for (field, text) in given {
        if let Some(text) = text.filter(|text| text.parse::<SignedDuration>().is_err()) {
            return Err(format!(
                "spec.tls.{field} {text:?} is no duration; write for example 30s or 5m"
            ));
        }
    }
    Ok(())
}

fn issuers(tls: &TlsRequest) -> impl Iterator<Item = &IssuerRef> {
    tls.issuer_ref.iter().chain(
        tls.certificates
            .iter()
            .filter_map(|certificate| certificate.issuer_ref.as_ref()),
    )
}

fn check_issuer(issuer: &IssuerRef) -> Result<(), String> {
    let group = issuer.group();
    if group != CERT_MANAGER_GROUP {
        return Err(format!(
            "issuerRef {} is of the API group {group:?}, which is not known here; write {CERT_MANAGER_GROUP:?}",
            issuer.name
        ));
    }
    if !matches!(issuer.kind.as_str(), "Issuer" | "ClusterIssuer") {
        return Err(format!(
            "issuerRef {} is of the kind {:?}; write Issuer or ClusterIssuer",
            issuer.name, issuer.kind
        ));
    }
    if issuer.name.is_empty() {
        return Err("issuerRef has no name; write the name of an Issuer or ClusterIssuer".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(yaml: &str) -> String {
        check(&serde_yaml::from_str(yaml).expect("a request")).expect_err("refused")
    }

    fn accepted(yaml: &str) {
        assert_eq!(
            check(&serde_yaml::from_str(yaml).expect("a request")),
            Ok(()),
            "{yaml}"
        );
    }

    #[test]
    fn documented_requests_are_accepted() {
        accepted(
            "{sslMode: verify-full, clientAuthMode: cert, issuerRef: {name: pg-issuer, kind: Issuer, apiGroup: cert-manager.io}, certificates: [{alias: client, subject: {organizations: [postgres]}}]}",
        );
        accepted("{rotateCertificates: true}");
        accepted("{issuerRef: {name: pg-new-issuer, kind: Issuer, apiGroup: cert-manager.io}}");
        accepted("{issuerRef: {name: pg-new-issuer, kind: ClusterIssuer}}");
        accepted("{clientAuthMode: md5, remove: true}");
        accepted("{remove: true, sslMode: disable}");
        accepted("{rotateCertificates: true, rotateGrpcCertificates: true}");
    }

    #[test]
    fn removal_contradicts_whatever_needs_tls() {
        assert!(refused("{remove: true, issuerRef: {name: i, kind: Issuer}}").contains("issuerRef"));
        assert!(refused("{remove: true, certificates: [{alias: server}]}").contains("certificates"));
        assert!(refused("{remove: true, rotateCertificates: true}").contains("rotateCertificates"));
        assert!(refused("{remove: true, sslMode: require}").contains("sslMode"));
        assert!(refused("{remove: true, clientAuthMode: cert}").contains("md5 or scram"));
    }

    #[test]
    fn requests_for_nothing_say_what_there_is() {
        assert!(refused("{}").contains("asks for nothing"));
        assert!(refused("{remove: false}").contains("asks for nothing"));
        assert!(refused("{rotateGrpcCertificates: true}").contains("rotateCertificates: true"));
        assert!(refused("{sslMode: disable}").contains("remove: true"));
    }

    #[test]
    fn what_there_is_not_is_named() {
        assert!(refused("{certificates: [{alias: archiver}]}").contains("server, client, metrics-exporter"));
        assert!(refused("{certificates: [{alias: server}, {alias: server}]}").contains("twice"));
        assert!(
            refused("{issuerRef: {name: i, kind: Issuer, apiGroup: acme.example}}")
                .contains("cert-manager.io")
        );
        assert!(refused("{issuerRef: {name: i, kind: Secret}}").contains("ClusterIssuer"));
        assert!(
            refused("{certificates: [{alias: server, issuerRef: {name: i, kind: Issuer, apiGroup: x}}]}")
                .contains("API group")
        );
    }
}
