//! The config Secret: everything the members are told but passwords.

use crate::labels;
use crate::resolved::Resolved;
use crate::tls::TlsPhase;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Annotation of the config Secret: the [`TlsPhase`] it was written for.
pub const TLS_PHASE: &str = "kubedb.com/tls-phase";

/// The phase that a live config Secret was written for, if it says.
pub fn recorded_phase(meta: &ObjectMeta) -> Option<TlsPhase> {
    meta.annotations.as_ref()?.get(TLS_PHASE)?.parse().ok()
}

pub(crate) fn secret(resolved: &Resolved) -> Secret {
    Secret {
        metadata: labels::child(resolved, resolved.config_secret_name()),
        ..Secret::default()
    }
}
