//! The Patroni of this container, by its REST API.

use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use instance::{Patroni, PatroniError, PatroniTls};

/// Patroni's address in its own container.
const ADDRESS: &str = "127.0.0.1";
/// How long Patroni may take to respond.
const PATRONI_TIMEOUT: Duration = Duration::from_secs(3);

/// How the local Patroni is called.
#[derive(Clone, Debug, clap::Args)]
pub struct Calls {
    /// The name that Patroni's certificate is for, and its port, as `host:port`.
    #[arg(long = "patroni", env = "PATRONI_RESTAPI_CONNECT_ADDRESS")]
    pub patroni: String,
    /// CAs of members and operators (PEM).
    #[arg(long)]
    pub ca: PathBuf,
    /// Certificate of this member with its private key (PEM).
    #[arg(long)]
    pub identity: PathBuf,
}

/// Patroni can't be called.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// A file can't be read. The agent writes it before this process starts.
    #[error("cannot read {}", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// A file is of no use.
    #[error("the certificate of this member is of no use")]
    Certificate(#[from] instance::CertificateError),
    /// The address is none.
    #[error("{0:?} is no host and port; correct PATRONI_RESTAPI_CONNECT_ADDRESS")]
    Address(String),
    /// Patroni refuses, or does not respond.
    #[error(transparent)]
    Patroni(#[from] PatroniError),
}

impl Calls {
    /// The client, with the current certificates: they are renewed while this process lives.
    ///
    /// # Errors
    /// When a certificate can't be read or used.
    pub fn client(&self) -> Result<Patroni, CallError> {
        let read = |path: &PathBuf| fs::read(path).map_err(|error| CallError::File(path.clone(), error));
        let tls = PatroniTls::from_pem(&read(&self.ca)?, &read(&self.identity)?)?;
        let (host, port) = self.host_and_port()?;
        Ok(Patroni::new(ADDRESS, port, host, &tls, PATRONI_TIMEOUT)?)
    }

    /// Name of the member: the first label of its host name.
    pub fn member(&self) -> &str {
        self.patroni.split(['.', ':']).next().unwrap_or_default()
    }

    fn host_and_port(&self) -> Result<(&str, u16), CallError> {
        let parts = self.patroni.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        let parts = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        parts.ok_or_else(|| CallError::Address(self.patroni.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(patroni: &str) -> Calls {
        Calls {
            patroni: patroni.to_owned(),
            ca: "/no/ca.crt".into(),
            identity: "/no/member.pem".into(),
        }
    }

    #[test]
    fn host_and_port_come_of_what_patroni_tells_other_members() {
        let calls = calls("pg-0.pg-pods.shop.svc:8008");
        assert_eq!(calls.host_and_port().unwrap(), ("pg-0.pg-pods.shop.svc", 8008));
        assert_eq!(calls.member(), "pg-0");
    }

    #[test]
    fn an_address_that_is_none_is_named() {
        for text in ["", "pg-0", ":8008", "pg-0:http", "pg-0:99999"] {
            let error = calls(text).host_and_port().unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    #[test]
    fn a_certificate_that_is_not_there_is_named() {
        let error = calls("pg-0:8008").client().unwrap_err();
        assert!(error.to_string().contains("/no/ca.crt"), "{error}");
    }
}
