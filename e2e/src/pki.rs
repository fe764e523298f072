//! Certificates as they lie in Secrets.

use anyhow::{Context, Result};
use api_types::names;
use api_types::tls::CertificateAlias;
use k8s_openapi::api::core::v1::Secret;

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

/// Reads the Secret `<db>-<alias>-cert`.
pub async fn certificate(
    namespace: &TestNamespace,
    database: &str,
    alias: CertificateAlias,
) -> Result<CertificateSecret> {
    let name = names::certificate(database, alias);
    let secret: Secret = namespace.api().get(&name).await?;
    let data = secret.data.unwrap_or_default();
    let key = |key: &str| {
        data.get(key)
            .map(|v| v.0.clone())
            .with_context(|| format!("Secret {name}: no {key}"))
    };
    let certificate = key("tls.crt")?;
    key("tls.key")?;
    Ok(CertificateSecret {
        ca: key("ca.crt")?,
        leaf: Served::parse_pem(&certificate)?,
        certificate,
    })
}

/// The superuser's name and password.
pub async fn password(namespace: &TestNamespace, database: &str) -> Result<(String, String)> {
    let name = names::auth_secret(database);
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
