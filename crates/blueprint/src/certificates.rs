//! The Certificates that cert-manager is asked for.

use crate::resolved::Resolved;
use api_types::cert_manager::Certificate;
use api_types::tls::CertificateAlias;

/// The Certificates of a database, by alias; empty without `spec.tls`.
pub fn certificates(_resolved: &Resolved) -> Vec<(CertificateAlias, Certificate)> {
    Vec::new()
}

pub(crate) fn server_dns_names(_resolved: &Resolved) -> Vec<String> {
    Vec::new()
}
