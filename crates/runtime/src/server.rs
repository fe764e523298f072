//! The process' own HTTP server: /livez, /readyz and /metrics. Not for anything that needs authentication.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use tokio::net::TcpListener;

use crate::{Shutdown, metrics::Metrics};

/// What has to be true before the process is ready: every gate is open.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    gates: Arc<Mutex<BTreeMap<String, bool>>>,
}

/// One thing that the process waits for before it is ready.
#[derive(Clone, Debug)]
pub struct Gate {
    name: String,
    readiness: Readiness,
}

impl Readiness {
    /// Adds a closed gate; the name is what /readyz lists as missing, for example `cache of Postgres`.
    pub fn gate(&self, name: impl Into<String>) -> Gate {
        let gate = Gate {
            name: name.into(),
            readiness: self.clone(),
        };
        gate.set(false);
        gate
    }

    /// The names of the gates that are closed.
    pub fn missing(&self) -> Vec<String> {
        self.lock()
            .iter()
            .filter(|(_, open)| !**open)
            .map(|(name, _)| name.clone())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, bool>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gate {
    /// What this gate stands for is there.
    pub fn open(&self) {
        self.set(true);
    }

    /// What this gate stands for is gone again.
    pub fn close(&self) {
        self.set(false);
    }

    fn set(&self, open: bool) {
        self.readiness.lock().insert(self.name.clone(), open);
    }
}

/// The server could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is not ours or in use.
    #[error("cannot listen on {address}; choose another address with --listen")]
    Listen {
        /// Where we wanted to listen.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Accepting connections ended.
    #[error("the server for probes and metrics stopped")]
    Serve(#[source] std::io::Error),
}

#[derive(Clone)]
struct Served {
    readiness: Readiness,
    metrics: Metrics,
}

/// The routes of the server.
pub fn router(readiness: Readiness, metrics: Metrics) -> Router {
    Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics_text))
        .with_state(Served { readiness, metrics })
}

async fn readyz(State(served): State<Served>) -> (StatusCode, String) {
    let missing = served.readiness.missing();
    if missing.is_empty() {
        return (StatusCode::OK, "ok\n".to_owned());
    }
    let body = missing.iter().map(|name| format!("missing: {name}\n")).collect();
    (StatusCode::SERVICE_UNAVAILABLE, body)
}

async fn metrics_text(
    State(served): State<Served>,
) -> (StatusCode, [(&'static str, &'static str); 1], String) {
    let text_format = [("content-type", prometheus::TEXT_FORMAT)];
    match served.metrics.text() {
        Ok(text) => (StatusCode::OK, text_format, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, text_format, error.to_string()),
    }
}

/// Listens on `address`.
///
/// # Errors
/// When the address is not ours or in use.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServerError::Listen { address, source })
}

/// Serves until shutdown.
///
/// # Errors
/// When accepting connections ends.
pub async fn serve(listener: TcpListener, routes: Router, shutdown: Shutdown) -> Result<(), ServerError> {
    axum::serve(listener, routes)
        .with_graceful_shutdown(shutdown.wait())
        .await
        .map_err(ServerError::Serve)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Probes {
        address: SocketAddr,
    }

    impl Probes {
        async fn get(&self, path: &str) -> (u16, String) {
            // Every client of reqwest wants one, also for plain HTTP; another test may have set it.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let answer = reqwest::get(format!("http://{}{path}", self.address))
                .await
                .unwrap();
            (answer.status().as_u16(), answer.text().await.unwrap())
        }
    }

    #[tokio::test]
    async fn probes_and_metrics_answer_over_loopback() {
        let (trigger, shutdown) = Shutdown::new();
        let readiness = Readiness::default();
        let metrics = Metrics::new("petset", "0.1.0").unwrap();
        let listener = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let probes = Probes {
            address: listener.local_addr().unwrap(),
        };
        let server = tokio::spawn(serve(listener, router(readiness.clone(), metrics), shutdown));

        assert_eq!(probes.get("/livez").await, (200, "ok\n".to_owned()));
        assert_eq!(
            probes.get("/readyz").await.0,
            200,
            "no gates: a replica that is not the leader"
        );

        let gate = readiness.gate("cache of Postgres");
        assert_eq!(
            probes.get("/readyz").await,
            (503, "missing: cache of Postgres\n".to_owned())
        );
        gate.open();
        assert_eq!(probes.get("/readyz").await.0, 200);

        let (code, text) = probes.get("/metrics").await;
        assert_eq!(code, 200);
        assert!(text.contains("# TYPE sealwright_leader gauge"), "{text}");

        trigger.shut_down();
        server.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let first = listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = first.local_addr().unwrap();
        let error = listen(address).await.unwrap_err();
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    }
}
