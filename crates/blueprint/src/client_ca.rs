//! The CAs that clients find in the Secret of the client certificate.
//!
//! cert-manager writes the CA of the newest certificate to its `ca.crt`. While members serve certificates of another CA, or
//! are about to, that is not enough to check them by. So `ca.crt` gets what the AppBinding's `caBundle` has, and what
//! cert-manager wrote is kept beside it; the next certificate that cert-manager writes replaces it.

use api_types::vocabulary::{ISSUED_CA_CRT, PUBLISHED_CA};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::ca_bundle::CaBundle;
use crate::material::{CA, secret_text};

/// The CA that cert-manager wrote into a certificate's Secret, PEM; `None` when there is none.
pub fn issued_ca(secret: &Secret) -> Option<&str> {
    let shown = secret_text(secret, CA)?;
    let annotations = secret.metadata.annotations.as_ref();
    let is_ours = annotations
        .and_then(|all| all.get(PUBLISHED_CA))
        .is_some_and(|hash| *hash == hash_of(shown));
    match secret_text(secret, ISSUED_CA_CRT).filter(|_| is_ours) {
        Some(issued) => Some(issued),
        None => Some(shown),
    }
}

/// The CAs that clients find in `ca.crt` now; empty when there are none that could be read.
pub fn shown_ca(secret: &Secret) -> CaBundle {
    let shown = secret_text(secret, CA).unwrap_or_default();
    CaBundle::from_pem(shown).unwrap_or_default()
}

/// What clients are to find: the CA that came with the certificate, then what else they need.
pub fn client_ca(issued: &CaBundle, needed: &CaBundle) -> CaBundle {
    issued.clone().union(needed)
}

/// The merge patch by which clients find these CAs in the client certificate's Secret; `None` when they do already, and when
/// cert-manager has not written a CA yet.
pub fn client_ca_patch(secret: &Secret, needed: &CaBundle) -> Option<Value> {
    let issued = issued_ca(secret)?;
    let parsed = CaBundle::from_pem(issued).ok()?;
    let wanted = client_ca(&parsed, needed);
    if shown_ca(secret) == wanted {
        return None;
    }
    if parsed == wanted {
        return Some(json!({
            "metadata": {"annotations": {PUBLISHED_CA: null}},
            "data": {CA: STANDARD.encode(issued), ISSUED_CA_CRT: null},
        }));
    }
    let pem = wanted.to_pem();
    Some(json!({
        "metadata": {"annotations": {PUBLISHED_CA: hash_of(&pem)}},
        "data": {CA: STANDARD.encode(&pem), ISSUED_CA_CRT: STANDARD.encode(issued)},
    }))
}

fn hash_of(pem: &str) -> String {
    hex::encode(Sha256::digest(pem.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(ders: &[&str]) -> CaBundle {
        let pem = |der: &&str| {
            let text = STANDARD.encode(der);
            format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
        };
        CaBundle::from_pem(&ders.iter().map(pem).collect::<String>()).expect("PEM")
    }

    fn issued_by(ca: &str) -> Secret {
        let mut secret = Secret::default();
        write(&mut secret, ca);
        secret
    }

    /// As cert-manager does: what it does not know stays.
    fn write(secret: &mut Secret, ca: &str) {
        let pem = bundle(&[ca]).to_pem().into_bytes();
        let data = secret.data.get_or_insert_default();
        data.insert(CA.into(), k8s_openapi::ByteString(pem));
    }

    fn patched(secret: &Secret, needed: &CaBundle) -> Secret {
        let patch = client_ca_patch(secret, needed).expect("a patch");
        let mut value = serde_json::to_value(secret).expect("JSON");
        json_patch::merge(&mut value, &patch);
        let patched = serde_json::from_value(value).expect("a Secret");
        assert_eq!(client_ca_patch(&patched, needed), None, "once is enough");
        patched
    }

    #[test]
    fn clients_find_both_cas_until_the_old_one_is_not_needed_any_more() {
        let before = issued_by("old");
        assert_eq!(client_ca_patch(&before, &bundle(&["old"])), None);

        let during = patched(&before, &bundle(&["old", "new"]));
        assert_eq!(shown_ca(&during), bundle(&["old", "new"]));
        assert_eq!(issued_ca(&during), Some(bundle(&["old"]).to_pem().as_str()));

        let mut reissued = during;
        write(&mut reissued, "new");
        assert_eq!(issued_ca(&reissued), Some(bundle(&["new"]).to_pem().as_str()));
        let both = patched(&reissued, &bundle(&["old", "new"]));
        assert_eq!(shown_ca(&both), bundle(&["new", "old"]), "its own comes first");

        let after = patched(&both, &bundle(&["new"]));
        assert_eq!(shown_ca(&after), bundle(&["new"]));
        assert_eq!(secret_text(&after, ISSUED_CA_CRT), None);
        assert_eq!(client_ca_patch(&after, &bundle(&["new"])), None);
    }

    #[test]
    fn a_secret_without_a_ca_is_left_alone() {
        assert_eq!(client_ca_patch(&Secret::default(), &bundle(&["new"])), None);
        assert_eq!(issued_ca(&Secret::default()), None);
    }

    #[test]
    fn a_bundle_that_somebody_else_wrote_counts_as_issued() {
        let mut secret = patched(&issued_by("old"), &bundle(&["new"]));
        write(&mut secret, "another");
        assert_eq!(issued_ca(&secret), Some(bundle(&["another"]).to_pem().as_str()));
    }
}
