//! The API server, reached as a Pod does.

use std::time::Duration;

use kube::{Client, Config};

/// How long the API server may take to respond, or to begin to.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(3);
/// Longer than the 290 s after which kube has the API server end a watch, so that a dead connection is noticed.
const READ_TIMEOUT: Duration = Duration::from_secs(295);

/// There is no way to the API server.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The Pod has no service account, or its files can't be read.
    #[error("cannot find the API server; the container needs the Pod's service account")]
    Config(#[from] kube::config::InferConfigError),
    /// The configuration is of no use.
    #[error("the configuration of the API server is of no use")]
    Client(#[from] kube::Error),
}

/// A client of its own.
///
/// # Errors
/// When the Pod's service account can't be used.
pub async fn client() -> Result<Client, ClientError> {
    let mut config = Config::infer().await?;
    // The delays here are shorter.
    config.default_retry = false;
    config.connect_timeout = Some(RESPONSE_TIMEOUT);
    config.read_timeout = Some(READ_TIMEOUT);
    Ok(Client::try_from(config)?)
}
