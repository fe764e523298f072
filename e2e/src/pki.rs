//! Certificates as they lie in Secrets.

use anyhow::{Context, Result};
use api_types::cert_manager::{Certificate, IssuerCondition};
use api_types::tls::CertificateAlias;
use api_types::{Postgres, names};
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::cluster::TestNamespace;
use crate::served::Served;

/// One of a database's certificate Secrets.
#[derive(Clone, Debug)]
pub struct CertificateSecret {
    /// `ca.crt`, PEM.
    pub ca: Vec<u8>,
    /// `tls.crt`, PEM.
    pub certificate: Vec<u8>,
    /// The leaf of `tls.crt`.
    pub leaf: Served,
}

impl CertificateSecret {
    /// What a Secret of cert-manager holds; it must have all three keys.
    pub fn of(secret: &Secret) -> Result<Self> {
        let key = |key: &str| {
            let value = secret.data.as_ref().and_then(|data| data.get(key));
            let value = value.with_context(|| format!("Secret {}: no {key}", secret.name_any()))?;
            Ok::<_, anyhow::Error>(value.0.clone())
        };
        let certificate = key("tls.crt")?;
        key("tls.key")?;
        Ok(Self {
            ca: key("ca.crt")?,
            leaf: Served::parse_pem(&certificate)?,
            certificate,
        })
    }
}

/// Reads the Secret `<db>-<alias>-cert`.
pub async fn certificate(
    namespace: &TestNamespace,
    database: &str,
    alias: CertificateAlias,
) -> Result<CertificateSecret> {
    let name = names::certificate(database, alias);
    CertificateSecret::of(&namespace.api().get(&name).await?)
}

/// The superuser's name and password.
pub async fn password(namespace: &TestNamespace, database: &str) -> Result<(String, String)> {
    let postgres: Postgres = namespace.api().get(database).await?;
    let name = postgres.auth_secret_name();
    let secret: Secret = namespace.api().get(&name).await?;
    let data = secret.data.unwrap_or_default();
    let key = |key: &str| -> Result<String> {
        let value = data
            .get(key)
            .with_context(|| format!("Secret {name}: no {key}"))?;
        Ok(String::from_utf8(value.0.clone())?)
    };
    Ok((key("username")?, key("password")?))
}

/// Has a Certificate issued anew: what cert-manager does when the time has come, and `cmctl renew` by hand.
pub async fn renew(namespace: &TestNamespace, name: &str) -> Result<()> {
    let api = namespace.api::<Certificate>();
    let certificate = api.get(name).await?;
    let mut conditions = certificate.status.context("a status")?.conditions;
    conditions.retain(|condition| condition.type_ != "Issuing");
    conditions.push(IssuerCondition {
        type_: "Issuing".to_owned(),
        status: "True".to_owned(),
        reason: Some("ManuallyTriggered".to_owned()),
        message: Some("renewal".to_owned()),
        ..IssuerCondition::default()
    });
    let patch = json!({ "status": { "conditions": conditions } });
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(&patch))
        .await?;
    Ok(())
}
