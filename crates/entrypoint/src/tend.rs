//! The requests to Patroni's REST API: to check for standbys at once, and to restart a standby that stands still.

use std::time::Duration;

use api_types::error_chain;
use tokio::sync::mpsc::Receiver;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::local::{CallError, Calls};
use crate::standstill::{Standstill, behind};

/// Seconds between two checks of a standby.
const STANDBY_POLL_INTERVAL: Duration = Duration::from_secs(4);
/// Least time between two wakes of Patroni's loop; changes of Pods come several at once.
const WAKE_DEBOUNCE: Duration = Duration::from_millis(300);
/// Longest time that PostgreSQL takes to restart.
const RESTART_TIMEOUT: Duration = Duration::from_secs(120);

/// A member's Pod went, came back or changed its role, and this one is the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerChanged;

/// Wakes Patroni's loop for each change, so that it checks whether commits wait for a standby that is gone. Without this it
/// checks in its next loop, some seconds later. It ends with the sender.
pub async fn wake_for_peers(calls: Calls, mut changes: Receiver<PeerChanged>) {
    let mut free = Instant::now();
    while changes.recv().await.is_some() {
        sleep_until(free).await;
        // The same wake covers changes that came meanwhile.
        while changes.try_recv().is_ok() {}
        free = Instant::now() + WAKE_DEBOUNCE;
        if let Err(error) = wake(&calls).await {
            tracing::debug!(
                error = error_chain(&error),
                "Patroni's loop was not woken; it turns by itself"
            );
        }
    }
}

/// Makes Patroni's loop turn at once.
///
/// # Errors
/// When Patroni does not take it.
pub async fn wake(calls: &Calls) -> Result<(), CallError> {
    Ok(calls.client()?.wake().await?)
}

/// Restarts PostgreSQL where it stands still as a standby. It never returns.
pub async fn free_standby(name: String, calls: Calls) {
    let begun = Instant::now();
    let mut standstill = Standstill::default();
    let mut looks = interval(STANDBY_POLL_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        if let Err(error) = look(&name, &calls, &mut standstill, begun.elapsed()).await {
            // Patroni starts or ends; or it is busy.
            tracing::debug!(
                error = error_chain(&error),
                "Patroni does not say how this member is"
            );
        }
    }
}

async fn look(
    name: &str,
    calls: &Calls,
    standstill: &mut Standstill,
    now: Duration,
) -> Result<(), CallError> {
    let patroni = calls.client()?;
    let own = patroni.status().await?;
    // A standby that streams, and a primary, need no second call.
    let candidate = own.role == "replica" && own.replication_state.as_deref() != Some("streaming");
    let seen = if candidate {
        behind(&own, name, &patroni.cluster().await?)
    } else {
        None
    };
    if standstill.restarts(seen, now) {
        tracing::warn!(
            ?seen,
            "this standby stands still and does not stream: restarting PostgreSQL"
        );
        patroni.restart(false, RESTART_TIMEOUT).await?;
    }
    Ok(())
}
