//! Live children with other certificates, for a database whose spec is not followed: nothing else in them changes.

use std::collections::BTreeMap;

use api_types::AppBinding;
use api_types::vocabulary::{BLUEPRINT_HASH, TRUST_CRT};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::ca_bundle::CaBundle;
use crate::hash;
use crate::material::TlsMaterial;
use crate::members_tls::MemberTls;

/// The live config Secret, with these CAs to trust and these certificates where there are any, and with what members show on
/// Patroni's REST API.
pub fn renewed_config(
    live: &Secret,
    tls: Option<(&CaBundle, &TlsMaterial)>,
    member_tls: Option<&MemberTls>,
) -> Secret {
    let mut data: BTreeMap<String, ByteString> = live.data.clone().unwrap_or_default();
    if let Some((trust, material)) = tls {
        data.insert(TRUST_CRT.to_owned(), ByteString(trust.to_pem().into_bytes()));
        data.extend(material.entries());
    }
    data.extend(member_tls.into_iter().flat_map(MemberTls::entries));
    hash::seal(Secret {
        metadata: as_built(&live.metadata),
        type_: live.type_.clone(),
        data: Some(data),
        ..Secret::default()
    })
}

/// The live AppBinding, with these CAs for clients.
pub fn renewed_app_binding(live: &AppBinding, trust: &CaBundle) -> AppBinding {
    let mut renewed = AppBinding {
        metadata: as_built(&live.metadata),
        spec: live.spec.clone(),
    };
    renewed.spec.client_config.ca_bundle = Some(STANDARD.encode(trust.to_pem()));
    hash::seal(renewed)
}

/// The part of the metadata that is ours; the rest is the server's.
fn as_built(live: &ObjectMeta) -> ObjectMeta {
    let mut annotations = live.annotations.clone().unwrap_or_default();
    annotations.remove(BLUEPRINT_HASH);
    ObjectMeta {
        name: live.name.clone(),
        namespace: live.namespace.clone(),
        labels: live.labels.clone(),
        annotations: Some(annotations),
        owner_references: live.owner_references.clone(),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn live() -> Secret {
        serde_json::from_value(json!({
            "metadata": {
                "name": "pg", "namespace": "shop", "resourceVersion": "7", "uid": "u",
                "annotations": {BLUEPRINT_HASH: "old", "kubedb.com/tls-phase": "Enforce"},
            },
            "type": "Opaque",
            "data": {"patroni.yml": "YQ==", "trust.crt": "b2xk"},
        }))
        .expect("a Secret")
    }

    #[test]
    fn a_renewed_config_keeps_all_but_certificates_and_trust() {
        let renewed = renewed_config(
            &live(),
            Some((&CaBundle::default(), &TlsMaterial::default())),
            None,
        );
        let data = renewed.data.as_ref().expect("data");
        assert_eq!(data["patroni.yml"].0, b"a");
        assert_eq!(data["trust.crt"].0, b"");
        assert_eq!(renewed.metadata.resource_version, None);
        assert_eq!(
            crate::recorded_phase(&renewed.metadata),
            Some(crate::TlsPhase::Enforce)
        );
        assert_ne!(crate::recorded_hash(&renewed.metadata), Some("old"));
    }

    #[test]
    fn renewing_twice_changes_nothing() {
        let (trust, material) = (CaBundle::default(), TlsMaterial::default());
        let members = MemberTls {
            ca: "the CA".into(),
            identity: "renewed".into(),
            roles: crate::roles::Roles::sample().of_member(),
        };
        let renew = |live: &Secret| renewed_config(live, Some((&trust, &material)), Some(&members));
        let once = renew(&live());
        assert_eq!(MemberTls::of_config(&once), Some(members.clone()));
        assert_eq!(renew(&once), once);
    }

    #[test]
    fn a_database_without_tls_keeps_its_trust() {
        let renewed = renewed_config(&live(), None, None);
        assert_eq!(renewed.data, live().data);
    }
}
