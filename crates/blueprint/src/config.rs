//! The config Secret: the whole configuration of the members except the user's passwords, and the deployed
//! certificates.
//!
//! It is one object, so that a configuration and the files that it names change together.

use std::collections::BTreeMap;

use api_types::vocabulary as words;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::material::TlsMaterial;
use crate::members_tls::MemberTls;
use crate::pg::{patroni, roles};
use crate::resolved::Resolved;
use crate::tls::TlsPhase;
use crate::{hash, labels};

/// Annotation of the config Secret: the [`TlsPhase`] it was written for.
pub const TLS_PHASE: &str = "kubedb.com/tls-phase";

/// Annotation of the Secret with the last good material: UID of the request that kept it.
pub const LAST_GOOD_OF: &str = "kubedb.com/last-good-of";

/// What members were given before the request of this UID gave them something else, to go back to.
pub fn last_good(resolved: &Resolved, material: &TlsMaterial, request: &str) -> Secret {
    let mut metadata = labels::child(resolved, api_types::names::last_good_secret(&resolved.name));
    metadata.annotations = Some(BTreeMap::from([(LAST_GOOD_OF.to_owned(), request.to_owned())]));
    hash::seal(Secret {
        metadata,
        type_: Some("Opaque".to_owned()),
        data: Some(material.entries().collect()),
        ..Secret::default()
    })
}

/// The phase that a live config Secret was written for, if it is annotated.
pub fn recorded_phase(meta: &ObjectMeta) -> Option<TlsPhase> {
    meta.annotations.as_ref()?.get(TLS_PHASE)?.parse().ok()
}

/// What makes the roles of ours in the database.
fn roles(resolved: &Resolved) -> Vec<(String, ByteString)> {
    let script = resolved.member_tls.as_ref();
    let script = script.map(|members| roles::script(&members.roles, resolved.major));
    let entry = |key: &str, text: &str| (key.to_owned(), ByteString(text.as_bytes().to_vec()));
    vec![
        entry(words::ROLES_SQL, script.as_deref().unwrap_or_default()),
        entry(words::ROLES_SH, roles::CALLBACK),
        entry(words::INITDB, roles::INITDB),
    ]
}

/// A Secret and no ConfigMap, because users write what they like into their configuration.
pub(crate) fn secret(resolved: &Resolved) -> Secret {
    let mut metadata = labels::child(resolved, resolved.config_secret_name());
    metadata.annotations = Some(BTreeMap::from([(
        TLS_PHASE.to_owned(),
        resolved.tls.phase.to_string(),
    )]));
    // `data`, not `stringData`: the latter is write-only, so a reader could not compare it.
    let entry = |key: &str, text: String| (key.to_owned(), ByteString(text.into_bytes()));
    let mut data = BTreeMap::from([
        entry(words::PATRONI_YML, patroni::local_configuration(resolved)),
        entry(words::USER_CONF, resolved.user_conf.clone().unwrap_or_default()),
        entry(
            words::INLINE_CONF,
            resolved.inline_conf.clone().unwrap_or_default(),
        ),
        entry(words::TRUST_CRT, resolved.tls.trust.to_pem()),
    ]);
    data.extend(roles(resolved));
    data.extend(resolved.tls.material.entries());
    data.extend(resolved.member_tls.iter().flat_map(MemberTls::entries));
    Secret {
        metadata,
        type_: Some("Opaque".to_owned()),
        data: Some(data),
        ..Secret::default()
    }
}
