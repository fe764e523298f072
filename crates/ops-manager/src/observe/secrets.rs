//! Secrets, each by its name. Only public facts leave this file, except the credentials that members require.

use std::collections::BTreeMap;

use api_types::ops_request::ConfigurationSettings;
use api_types::vocabulary::USER_CONF;
use api_types::{Postgres, roles};
use blueprint::{MembersTls, USERNAME, secret_text};
use instance::{Password, PatroniTls};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use runtime::error_chain;

use super::{Reader, is_owned_by};
use crate::member::Credentials;
use crate::world::Observed;

/// The Secret with the credentials that open the database; the auth Secret, which may have been edited since, where the
/// provisioner has not written it yet.
pub fn in_force(in_force: Observed<Secret>, auth: Observed<Secret>) -> Observed<Secret> {
    match in_force {
        Observed::Absent => auth,
        other => other,
    }
}

/// The operators' credentials for PostgreSQL.
pub fn credentials(issued: &Observed<MembersTls>) -> Option<Credentials> {
    let password = &issued.present()?.roles.operator.password;
    Some(Credentials {
        user: roles::OPERATOR.to_owned(),
        password: Password::new(password.clone()),
    })
}

/// The internal CA and the certificates that it issued. A Secret of that name that the database does not own is not
/// used.
pub fn members_tls(secret: Observed<Secret>, postgres: &Postgres) -> Observed<MembersTls> {
    secret.and_then(|secret| {
        let name = secret.name_any();
        if !is_owned_by(&secret.metadata, postgres) {
            return Observed::Unknown(format!("Secret {name} is not this database's"));
        }
        match MembersTls::of_secret(&secret) {
            Some(issued) => Observed::Present(issued),
            None => Observed::Unknown(format!(
                "Secret {name} lacks a key; the provisioner makes it again"
            )),
        }
    })
}

/// The operators' certificate for Patroni.
pub fn patroni_tls(issued: &Observed<MembersTls>) -> Observed<PatroniTls> {
    issued.as_ref().and_then(|issued| {
        match PatroniTls::from_pem(issued.ca.as_bytes(), issued.operator.as_bytes()) {
            Ok(tls) => Observed::Present(tls),
            Err(error) => Observed::Unknown(error_chain(&error)),
        }
    })
}

/// The superuser's name.
pub fn superuser(auth: &Observed<Secret>) -> Observed<String> {
    let name = |secret| secret_text(secret, USERNAME).unwrap_or_default().to_owned();
    auth.as_ref().map(name)
}

/// `user.conf` of the user's own Secret.
pub async fn user_conf(reader: &Reader<'_>, postgres: &Postgres) -> Observed<String> {
    let settings = ConfigurationSettings::of(&postgres.spec);
    let Some(name) = settings.secret() else {
        return Observed::Absent;
    };
    match user_conf_of(reader, name).await {
        // The spec names it: without it the configuration would silently change.
        Observed::Absent => {
            Observed::Unknown(format!("Secret {name} does not exist, or has no key {USER_CONF}"))
        }
        other => other,
    }
}

/// `user.conf` of these Secrets, by name; absent where there is no such Secret, or no such key in it.
pub async fn user_confs(reader: &Reader<'_>, names: &[String]) -> BTreeMap<String, Observed<String>> {
    let read = names
        .iter()
        .map(|name| async move { (name.clone(), user_conf_of(reader, name).await) });
    futures::future::join_all(read).await.into_iter().collect()
}

async fn user_conf_of(reader: &Reader<'_>, name: &str) -> Observed<String> {
    let secret = reader.look::<Secret>(name).await;
    secret.and_then(|secret| match secret_text(&secret, USER_CONF) {
        Some(content) => Observed::Present(content.to_owned()),
        None => Observed::Absent,
    })
}
