//! `petset probe HOST:PORT`: probes whether a running controller is ready. The image has no shell and no curl, so the
//! chart's test uses the program itself.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest time for the response.
const PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// What the program does instead of being a controller.
#[derive(Debug, clap::Subcommand)]
pub enum Instead {
    /// Ask a running controller whether it is ready; the exit code tells.
    Probe {
        /// Its host and port.
        address: String,
    },
}

impl Instead {
    /// Does it, and prints why not.
    pub async fn run(self) -> ExitCode {
        let Self::Probe { address } = self;
        match probe(&address).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("petset: {error}");
                ExitCode::FAILURE
            }
        }
    }
}

/// Why a controller does not count as ready.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// No connection, or it broke.
    #[error("cannot ask {address}: {source}")]
    Connection {
        /// Host and port.
        address: String,
        /// What went wrong.
        source: io::Error,
    },
    /// Another response than 200.
    #[error("{address} is not ready: {answer}")]
    NotReady {
        /// Host and port.
        address: String,
        /// First line of the response.
        answer: String,
    },
}

/// Requests `/readyz` of `address` (`host:port`).
///
/// # Errors
/// [`ProbeError`], when there is no response within ten seconds, or another than 200.
pub async fn probe(address: &str) -> Result<(), ProbeError> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
    let asked = tokio::time::timeout(PROBE_TIMEOUT, ask(address))
        .await
        .map_err(late)
        .and_then(|answer| answer);
    let answer = asked.map_err(|source| ProbeError::Connection {
        address: address.to_owned(),
        source,
    })?;
    let status = answer.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) == Some("200") {
        return Ok(());
    }
    Err(ProbeError::NotReady {
        address: address.to_owned(),
        answer: status.to_owned(),
    })
}

async fn ask(address: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let question = format!("GET /readyz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(question.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    async fn answering(status: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = [0; 512];
            let _ = stream.read(&mut question).await.unwrap();
            stream
                .write_all(format!("HTTP/1.1 {status}\r\n\r\n").as_bytes())
                .await
                .unwrap();
        });
        address
    }

    #[tokio::test]
    async fn only_200_is_ready() {
        assert!(probe(&answering("200 OK").await).await.is_ok());
        let refused = probe(&answering("503 Service Unavailable").await)
            .await
            .unwrap_err()
            .to_string();
        assert!(
            refused.ends_with("is not ready: HTTP/1.1 503 Service Unavailable"),
            "{refused}"
        );
    }
}
