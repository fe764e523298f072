//! Secrets, each by its name. Only public facts leave this file, but for the credentials that members want to hear.

use std::collections::BTreeMap;

use api_types::vocabulary::USER_CONF;
use api_types::{Postgres, names};
use blueprint::CaBundle;
use instance::{CertificateError, Password, chain_of_pem, facts_of_pem, key_matches};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Reader;
use crate::member::Credentials;
use crate::world::{IssuedSecret, Observed};

/// Annotation by which cert-manager notes the issuer on a Secret.
const ISSUER_NAME: &str = "cert-manager.io/issuer-name";

/// The content of a key as text.
pub fn text<'a>(secret: &'a Secret, key: &str) -> Option<&'a str> {
    std::str::from_utf8(&secret.data.as_ref()?.get(key)?.0).ok()
}

/// Name of the Secret with the superuser's credentials.
pub fn auth_name(postgres: &Postgres) -> String {
    let named = postgres
        .spec
        .auth_secret
        .as_ref()
        .map(|secret| secret.name.clone());
    named
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| names::auth_secret(&postgres.name_any()))
}

/// What Patroni and PostgreSQL want to hear.
pub fn credentials(auth: &Observed<Secret>) -> Option<Credentials> {
    let secret = auth.present()?;
    let password = Password::new(text(secret, "password")?);
    Some(Credentials {
        user: text(secret, "username")?.to_owned(),
        password,
    })
}

/// The superuser's name.
pub fn superuser(auth: &Observed<Secret>) -> Observed<String> {
    match auth {
        Observed::Absent => Observed::Absent,
        Observed::Unknown(why) => Observed::Unknown(why.clone()),
        Observed::Present(secret) => {
            Observed::Present(text(secret, "username").unwrap_or_default().to_owned())
        }
    }
}

/// `user.conf` of the user's own Secret.
pub async fn user_conf(reader: &Reader<'_>, postgres: &Postgres) -> Observed<String> {
    let spec = &postgres.spec;
    let configured = spec
        .configuration
        .as_ref()
        .and_then(|configuration| configuration.secret_name.clone());
    let old_spelling = || {
        spec.config_secret
            .as_ref()
            .map(|reference| reference.name.clone())
    };
    let Some(name) = configured.or_else(old_spelling).filter(|name| !name.is_empty()) else {
        return Observed::Absent;
    };
    match reader.look::<Secret>(&name).await {
        Observed::Present(secret) => match text(&secret, USER_CONF) {
            Some(content) => Observed::Present(content.to_owned()),
            None => Observed::Unknown(format!("Secret {name} has no key {USER_CONF}")),
        },
        // The spec names it: without it the configuration would silently change.
        Observed::Absent => Observed::Unknown(format!("Secret {name} does not exist")),
        Observed::Unknown(why) => Observed::Unknown(why),
    }
}

/// Facts of the issued certificates, by the names of their Secrets.
pub async fn issued(reader: &Reader<'_>, secrets: &[String]) -> BTreeMap<String, Observed<IssuedSecret>> {
    let looked = secrets.iter().map(|name| async move {
        let secret = reader.look::<Secret>(name).await;
        let facts = match secret {
            Observed::Absent => Observed::Absent,
            Observed::Unknown(why) => Observed::Unknown(why),
            Observed::Present(secret) => Observed::Present(facts(&secret)),
        };
        (name.clone(), facts)
    });
    futures::future::join_all(looked).await.into_iter().collect()
}

/// What can be told about a Secret of a certificate.
pub fn facts(secret: &Secret) -> IssuedSecret {
    let mut facts = IssuedSecret {
        resource_version: secret.metadata.resource_version.clone().unwrap_or_default(),
        issuer: secret.annotations().get(ISSUER_NAME).cloned(),
        ..IssuedSecret::default()
    };
    facts.fault = read_into(&mut facts, secret).err();
    facts
}

fn read_into(facts: &mut IssuedSecret, secret: &Secret) -> Result<(), String> {
    let crt = text(secret, "tls.crt")
        .filter(|pem| !pem.is_empty())
        .ok_or("it has no tls.crt")?;
    let of_crt = |error: CertificateError| format!("its tls.crt: {error}");
    let chain = chain_of_pem(crt.as_bytes()).map_err(of_crt)?;
    let leaf = facts_of_pem(crt.as_bytes()).map_err(of_crt)?;
    facts.fingerprint = leaf.fingerprint;
    facts.names = leaf
        .dns_names
        .into_iter()
        .chain(leaf.ip_addresses.iter().map(ToString::to_string))
        .collect();
    let ca = text(secret, "ca.crt").filter(|pem| !pem.is_empty());
    let ca = ca.ok_or("it has no ca.crt; use an issuer that publishes its CA")?;
    facts.ca = CaBundle::from_pem(ca).map_err(|error| format!("its ca.crt: {error}"))?;
    check_issuer(&chain, &facts.ca)?;
    let key = text(secret, "tls.key")
        .filter(|pem| !pem.is_empty())
        .ok_or("it has no tls.key")?;
    match key_matches(crt.as_bytes(), key.as_bytes()) {
        // A kind of key that is not known here is for PostgreSQL to judge.
        Ok(()) | Err(CertificateError::Key(_)) => Ok(()),
        Err(error) => Err(format!("its tls.key: {error}")),
    }
}

/// The end of the chain names one of the CAs as its issuer.
fn check_issuer(chain: &[Vec<u8>], ca: &CaBundle) -> Result<(), String> {
    let last = chain.last().ok_or("its tls.crt has no certificate")?;
    let (_, last) =
        X509Certificate::from_der(last).map_err(|_| "its tls.crt is no X.509 certificate".to_owned())?;
    let subjects = crate::moves::proof::subjects_of(ca);
    if subjects.contains(last.issuer().as_raw()) || subjects.contains(last.subject().as_raw()) {
        return Ok(());
    }
    Err("its tls.crt was not issued by its ca.crt".into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::ByteString;
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

    use super::*;

    fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA")
    }

    fn leaf(ca: &CertifiedIssuer<'static, KeyPair>) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let names = vec!["pg.demo.svc".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).expect("parameters");
        (
            params.signed_by(&key, ca).expect("a certificate").pem(),
            key.serialize_pem(),
        )
    }

    fn secret(crt: &str, key: &str, ca: &str) -> Secret {
        let data = [("tls.crt", crt), ("tls.key", key), ("ca.crt", ca)];
        let data = data.map(|(name, text)| (name.to_owned(), ByteString(text.as_bytes().to_vec())));
        Secret {
            data: Some(BTreeMap::from(data)),
            ..Secret::default()
        }
    }

    #[test]
    fn a_good_secret_has_no_fault() {
        let ca = authority("one");
        let (crt, key) = leaf(&ca);
        let facts = facts(&secret(&crt, &key, &ca.pem()));
        assert_eq!(facts.fault, None);
        assert_eq!(facts.fingerprint.len(), 64);
        assert!(facts.names.contains("pg.demo.svc") && facts.names.contains("127.0.0.1"));
    }

    #[test]
    fn half_written_and_foreign_secrets_are_told_apart() {
        let (one, two) = (authority("one"), authority("two"));
        let (crt, key) = leaf(&one);
        let (_, other_key) = leaf(&one);
        let fault = |crt: &str, key: &str, ca: &str| facts(&secret(crt, key, ca)).fault.unwrap_or_default();
        assert!(fault(&crt, &other_key, &one.pem()).contains("does not belong"));
        assert!(fault(&crt, &key, &two.pem()).contains("not issued by"));
        assert!(fault(&crt, &key, "").contains("no ca.crt"));
        assert!(fault("", &key, &one.pem()).contains("no tls.crt"));
        assert!(fault(&crt, "", &one.pem()).contains("no tls.key"));
    }
}
