//! Probes of the container `postgres`, served by Patroni.

use api_types::vocabulary::PATRONI_PORT_NAME;
use k8s_openapi::api::core::v1::{HTTPGetAction, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// How long a standby that does not stream goes on serving reads, in seconds: none streams while the primary is replaced, which
/// takes the lease and a little when its node is lost.
const STANDBY_FAILURE_THRESHOLD: i32 = 25;

/// Ready: the leader, or a standby that streams and is not too far behind. Runs every second, because Services and
/// restarts wait for it.
pub(crate) fn readiness() -> Probe {
    Probe {
        http_get: Some(get("/readiness")),
        period_seconds: Some(1),
        timeout_seconds: Some(3),
        failure_threshold: Some(STANDBY_FAILURE_THRESHOLD),
        ..Probe::default()
    }
}

/// Alive: Patroni's loop runs. It responds from the start on, so no startup probe is needed, and it does not depend on
/// PostgreSQL or the API server, which Patroni itself deals with.
pub(crate) fn liveness() -> Probe {
    Probe {
        http_get: Some(get("/liveness")),
        initial_delay_seconds: Some(10),
        period_seconds: Some(10),
        timeout_seconds: Some(5),
        failure_threshold: Some(6),
        ..Probe::default()
    }
}

fn get(path: &str) -> HTTPGetAction {
    HTTPGetAction {
        path: Some(path.to_owned()),
        port: IntOrString::String(PATRONI_PORT_NAME.to_owned()),
        // kubelet verifies no certificate and shows none, which Patroni requires only where something is changed.
        scheme: Some("HTTPS".to_owned()),
        ..HTTPGetAction::default()
    }
}
