//! Runs one kube controller with spans, metrics, per-object backoff and graceful shutdown.

use std::{
    collections::HashSet,
    fmt::Debug,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use api_types::error_chain;
use futures::StreamExt;
use kube::{
    Resource,
    runtime::{
        controller::{self, Action, Controller},
        reflector::ObjectRef,
        utils::Backoff as WatchBackoff,
    },
};
use serde::de::DeserializeOwned;
use tracing::Instrument;

use crate::{Process, backoff::Backoff, metrics::ControllerMetrics};

/// How long one wait for a full cache may take.
const CACHE_WAIT_TIMEOUT: Duration = Duration::from_millis(100);

/// First delay after a failed watch.
const MIN_WATCH_RETRY_DELAY: Duration = Duration::from_millis(50);
/// Longest one.
const MAX_WATCH_RETRY_DELAY: Duration = Duration::from_millis(400);

/// When to retry after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Soon, then ever later: 5 ms doubling up to 30 s, until a success.
    Backoff,
    /// After this long.
    After(Duration),
    /// Only when something changes: the same attempt can't succeed.
    OnChange,
}

/// An error of a reconciliation: a person must act, or the controller retries. Waiting is not an error.
pub trait ReconcileError: std::error::Error + Send + Sync + 'static {
    /// One word of a closed set, for metrics.
    fn category(&self) -> &'static str;

    /// When to retry.
    fn retry(&self) -> Retry {
        Retry::Backoff
    }
}

/// Runs a controller until shutdown; reconciliations that are under way are let finish. Opens the gate
/// `cache of <controller>` when its main kind was first listed. `name` is the label in metrics and spans.
pub async fn run_controller<K, Ctx, E, Fut>(
    process: &Process,
    name: &'static str,
    controller: Controller<K>,
    context: Arc<Ctx>,
    reconcile: impl Fn(Arc<K>, Arc<Ctx>) -> Fut + Send + 'static,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    Ctx: Send + Sync + 'static,
    E: ReconcileError,
    Fut: Future<Output = Result<Action, E>> + Send + 'static,
{
    let gate = process.readiness.gate(format!("cache of {name}"));
    let store = controller.store();
    let synced = tokio::spawn(async move {
        // kube 5.0 wakes only the last of a store's waiters, and the controller waits for it too: so wait again.
        loop {
            match tokio::time::timeout(CACHE_WAIT_TIMEOUT, store.wait_until_ready()).await {
                Ok(Ok(())) => return gate.open(),
                Ok(Err(_)) => return,
                Err(_) => {}
            }
        }
    });
    let work = Arc::new(Work::<K>::new(process.metrics.controller(name)));
    let policy = work.clone();
    let stream = controller
        .trigger_backoff(BetweenWatches::default())
        .with_config(controller::Config::default().concurrency(process.concurrency))
        .graceful_shutdown_on(process.shutdown.clone().wait())
        .run(
            move |object: Arc<K>, context: Arc<Ctx>| {
                let (work, key) = (work.clone(), ObjectRef::from_obj(object.as_ref()));
                let span = tracing::info_span!("reconcile", controller = name, object = %key);
                let reconciling = reconcile(object, context);
                async move { work.measured(key, reconciling).await }.instrument(span)
            },
            move |object, error, _| policy.after(ObjectRef::from_obj(object.as_ref()), error),
            context,
        );
    let mut stream = std::pin::pin!(stream);
    while let Some(outcome) = stream.next().await {
        log(name, outcome.map(|_| ()));
    }
    synced.abort();
    tracing::info!(controller = name, "stopped");
}

/// Delays after a failed watch. kube keeps one delay for all watches of a controller, and listens to none of them until it is
/// over. When the API server restarts each of them fails, some more than once: with kube's default of up to 30 s a controller
/// would see nothing for minutes.
#[derive(Debug)]
struct BetweenWatches(Duration);

impl Default for BetweenWatches {
    fn default() -> Self {
        Self(MIN_WATCH_RETRY_DELAY)
    }
}

impl Iterator for BetweenWatches {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let now = self.0;
        self.0 = now.saturating_mul(2).min(MAX_WATCH_RETRY_DELAY);
        Some(now)
    }
}

impl WatchBackoff for BetweenWatches {
    fn reset(&mut self) {
        *self = Self::default();
    }
}

fn log<E: ReconcileError, Q: std::error::Error + 'static>(
    name: &str,
    outcome: Result<(), controller::Error<E, Q>>,
) {
    match outcome {
        Ok(()) => {}
        // Normal: it was deleted while it was queued.
        Err(controller::Error::ObjectNotFound(object)) => {
            tracing::debug!(controller = name, %object, "gone before its turn");
        }
        Err(controller::Error::ReconcilerFailed(error, object)) => {
            let (category, error) = (error.category(), error_chain(&error));
            tracing::warn!(controller = name, %object, category, error, "reconciliation failed");
        }
        Err(error) => tracing::warn!(
            controller = name,
            error = error_chain(&error),
            "watch failed, will be tried again"
        ),
    }
}

/// What is known about the objects that a controller works on.
struct Work<K: Resource<DynamicType = ()>> {
    metrics: ControllerMetrics,
    backoff: Backoff<ObjectRef<K>>,
    /// Being reconciled, or failed and waiting for the next attempt. kube does not show what is queued behind those.
    open: Mutex<HashSet<ObjectRef<K>>>,
}

impl<K: Resource<DynamicType = ()>> Work<K> {
    fn new(metrics: ControllerMetrics) -> Self {
        Self {
            metrics,
            backoff: Backoff::default(),
            open: Mutex::default(),
        }
    }

    async fn measured<E: ReconcileError>(
        &self,
        key: ObjectRef<K>,
        reconciling: impl Future<Output = Result<Action, E>>,
    ) -> Result<Action, E> {
        self.change(|open| open.insert(key.clone()));
        let started = Instant::now();
        let outcome = reconciling.await;
        let category = outcome.as_ref().err().map(ReconcileError::category);
        self.metrics.ended(started.elapsed().as_secs_f64(), category);
        if outcome.is_ok() {
            self.backoff.reset(&key);
            self.change(|open| open.remove(&key));
        }
        outcome
    }

    fn after<E: ReconcileError>(&self, key: ObjectRef<K>, error: &E) -> Action {
        match error.retry() {
            Retry::Backoff => Action::requeue(self.backoff.failed(key)),
            Retry::After(delay) => Action::requeue(delay),
            Retry::OnChange => {
                self.backoff.reset(&key);
                self.change(|open| open.remove(&key));
                Action::await_change()
            }
        }
    }

    /// Changes the set of open objects and shows its new size.
    fn change(&self, change: impl FnOnce(&mut HashSet<ObjectRef<K>>) -> bool) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut open);
        self.metrics.depth(open.len());
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;
    use crate::Metrics;

    #[derive(Debug, thiserror::Error)]
    #[error("no")]
    struct No(Retry);

    impl ReconcileError for No {
        fn category(&self) -> &'static str {
            "no"
        }
        fn retry(&self) -> Retry {
            self.0
        }
    }

    fn key() -> ObjectRef<ConfigMap> {
        ObjectRef::new("pg").within("shop")
    }

    /// The provisioner has about a dozen watches, and each may fail more than once while an API server starts.
    #[test]
    fn failed_watches_delay_the_others_for_seconds_not_minutes() {
        let mut delays = BetweenWatches::default();
        let first: Vec<Duration> = delays.by_ref().take(3).collect();
        assert_eq!(first, [50, 100, 200].map(Duration::from_millis));
        let all: Duration = BetweenWatches::default().take(30).sum();
        assert!(all < Duration::from_secs(12), "{all:?}");
        delays.reset();
        assert_eq!(delays.next(), Some(MIN_WATCH_RETRY_DELAY));
    }

    fn depth(metrics: &Metrics) -> String {
        let text = metrics.text().unwrap();
        text.lines()
            .find(|l| l.starts_with("sealwright_reconcile_queue_depth"))
            .unwrap_or_default()
            .to_owned()
    }

    #[tokio::test]
    async fn failures_delay_the_next_attempt_until_a_success() {
        let metrics = Metrics::new("test", "0").unwrap();
        let work = Work::<ConfigMap>::new(metrics.controller("c"));
        for expected in [5, 10, 20] {
            let error = work
                .measured(key(), async { Err(No(Retry::Backoff)) })
                .await
                .unwrap_err();
            assert_eq!(
                work.after(key(), &error),
                Action::requeue(Duration::from_millis(expected))
            );
        }
        assert!(depth(&metrics).ends_with(" 1"), "it waits for its next attempt");
        work.measured(key(), async { Ok::<_, No>(Action::await_change()) })
            .await
            .unwrap();
        assert!(depth(&metrics).ends_with(" 0"));
        assert_eq!(
            work.after(key(), &No(Retry::Backoff)),
            Action::requeue(Duration::from_millis(5))
        );
    }

    #[tokio::test]
    async fn an_error_that_only_a_change_can_mend_is_not_retried() {
        let metrics = Metrics::new("test", "0").unwrap();
        let work = Work::<ConfigMap>::new(metrics.controller("c"));
        let error = work
            .measured(key(), async { Err(No(Retry::OnChange)) })
            .await
            .unwrap_err();
        assert_eq!(work.after(key(), &error), Action::await_change());
        assert!(depth(&metrics).ends_with(" 0"));
    }
}
