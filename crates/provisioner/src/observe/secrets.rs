//! Secrets, each by its name.

use std::collections::BTreeMap;

use api_types::cert_manager::Issuer;
use api_types::ops_request::ConfigurationSettings;
use api_types::postgres::DeletionPolicy;
use api_types::tls::CertificateAlias;
use api_types::vocabulary::{CERT_MANAGER_GROUP, USER_CONF};
use api_types::{Postgres, names};
use blueprint::material::LEAF;
use blueprint::{TlsPhase, recorded_phase, secret_text};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use runtime::{ApplyError, ObjectId};

use super::Reader;
use super::children::absent_with_its_kind;
use crate::child::Child;
use crate::error::Error;
use crate::world::{SecretFacts, Secrets, UserConf};

/// The Secrets' facts and the config Secret. The Certificates among the live children name the Secrets that they are
/// issued into.
pub async fn read(reader: &Reader<'_>, live: &[Child]) -> Result<(Secrets, Option<Secret>), Error> {
    match facts(reader, live).await {
        Ok((facts, config)) => Ok((Secrets::Read(Box::new(facts)), config)),
        Err(Error::Api(ApplyError::Forbidden { .. })) => denied(reader).await,
        Err(error) => Err(error),
    }
}

/// In a namespace that is going, access can't be had any more, and nothing of it can be kept: as good as no Secrets.
async fn denied(reader: &Reader<'_>) -> Result<(Secrets, Option<Secret>), Error> {
    if reader.is_deleting() && is_going(reader).await? {
        return Ok((Secrets::Read(Box::default()), None));
    }
    Ok((Secrets::Denied, None))
}

async fn is_going(reader: &Reader<'_>) -> Result<bool, Error> {
    let api: Api<Namespace> = Api::all(reader.client.clone());
    let namespace = api.get_opt(&reader.namespace).await.map_err(|source| {
        let object = ObjectId {
            kind: "Namespace".into(),
            namespace: String::new(),
            name: reader.namespace.clone(),
        };
        ApplyError::new("read", object, source)
    })?;
    Ok(namespace.is_none_or(|namespace| namespace.metadata.deletion_timestamp.is_some()))
}

async fn facts(reader: &Reader<'_>, live: &[Child]) -> Result<(SecretFacts, Option<Secret>), Error> {
    let auth_name = reader.postgres.auth_secret_name();
    let config_name = names::config_secret(
        &reader.name,
        reader.postgres.metadata.uid.as_deref().unwrap_or_default(),
    );
    let in_force_name = names::auth_in_force(&reader.name);
    let members_tls_name = names::members_tls_secret(&reader.name);
    let (auth, in_force, config, members_tls, user_conf) = tokio::try_join!(
        async { Ok::<_, Error>(reader.get::<Secret>(&auth_name).await?) },
        async { Ok(reader.get::<Secret>(&in_force_name).await?) },
        async { Ok(reader.get::<Secret>(&config_name).await?) },
        async { Ok(reader.get::<Secret>(&members_tls_name).await?) },
        user_conf(reader),
    )?;
    let phase = config
        .as_ref()
        .and_then(|secret| recorded_phase(&secret.metadata))
        .unwrap_or(TlsPhase::Off);
    let has_tls = reader.postgres.spec.tls.is_some() || phase != TlsPhase::Off;
    let (certificates, issuing_ca, auth_is_shared) = tokio::try_join!(
        certificates(reader, live, has_tls),
        issuing_ca(reader),
        is_shared(reader, &auth_name),
    )?;
    Ok((
        SecretFacts {
            auth,
            members_tls,
            in_force,
            user_conf,
            certificates,
            issuing_ca,
            auth_is_shared,
        },
        config,
    ))
}

async fn user_conf(reader: &Reader<'_>) -> Result<UserConf, Error> {
    let settings = ConfigurationSettings::of(&reader.postgres.spec);
    let Some(name) = settings.secret() else {
        return Ok(UserConf::NotNamed);
    };
    let Some(secret) = reader.get::<Secret>(name).await? else {
        return Ok(UserConf::Missing(name.to_owned()));
    };
    Ok(match secret_text(&secret, USER_CONF) {
        Some(text) => UserConf::Content(text.to_owned()),
        None => UserConf::WithoutKey(name.to_owned()),
    })
}

async fn certificates(
    reader: &Reader<'_>,
    live: &[Child],
    has_tls: bool,
) -> Result<BTreeMap<CertificateAlias, Secret>, Error> {
    if !has_tls {
        return Ok(BTreeMap::new());
    }
    let read = CertificateAlias::ALL.map(|alias| async move {
        let name = certificate_secret(reader, live, alias);
        let secret = reader.get::<Secret>(&name).await?;
        Ok::<_, Error>(secret.map(|secret| (alias, secret)))
    });
    let found = futures::future::try_join_all(read).await?;
    Ok(found.into_iter().flatten().collect())
}

/// The issuer's key is in the same Secret; only the certificate is kept.
async fn issuing_ca(reader: &Reader<'_>) -> Result<Option<String>, Error> {
    let tls = reader.postgres.spec.tls.as_ref();
    let named = tls.and_then(|tls| tls.issuer_ref.as_ref());
    let Some(named) = named.filter(|issuer| issuer.kind == "Issuer" && issuer.group() == CERT_MANAGER_GROUP)
    else {
        return Ok(None);
    };
    let issuer = absent_with_its_kind(reader.get::<Issuer>(&named.name).await)?;
    let Some(ca) = issuer.and_then(|issuer| issuer.spec.ca) else {
        return Ok(None);
    };
    let secret = reader.get::<Secret>(&ca.secret_name).await?;
    Ok(secret.and_then(|secret| secret_text(&secret, LEAF).map(str::to_owned)))
}

/// Where the live Certificate has its Secret; before there is one, where the spec wants it.
fn certificate_secret(reader: &Reader<'_>, live: &[Child], alias: CertificateAlias) -> String {
    let certificate = names::certificate(&reader.name, alias);
    let kept = live.iter().find_map(|child| match child {
        Child::Certificate(live) if child.name() == certificate => Some(live.spec.secret_name.clone()),
        _ => None,
    });
    if let Some(kept) = kept.filter(|name| !name.is_empty()) {
        return kept;
    }
    let custom = reader.postgres.spec.tls.iter().flat_map(|tls| &tls.certificates);
    let named = custom
        .filter(|it| it.alias == alias.as_str())
        .find_map(|it| it.secret_name.clone());
    named.filter(|name| !name.is_empty()).unwrap_or(certificate)
}

/// Whether another database of the namespace uses the same auth Secret; only checked when it may have to go.
async fn is_shared(reader: &Reader<'_>, auth_name: &str) -> Result<bool, Error> {
    if !reader.is_deleting() || reader.postgres.spec.policy_of_deletion() != Some(DeletionPolicy::WipeOut) {
        return Ok(false);
    }
    let found = reader.api::<Postgres>().list(&ListParams::default()).await;
    let peers = found.map_err(|source| reader.unreadable::<Postgres>("*", source))?;
    Ok(peers
        .iter()
        .any(|peer| peer.name_any() != reader.name && peer.auth_secret_name() == auth_name))
}
