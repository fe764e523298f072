//! The watch of the database's Pods at the API server.

use std::pin::pin;
use std::time::Duration;

use api_types::error_chain;
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, watcher};
use kube::runtime::{WatchStreamExt, utils::Backoff};
use tokio::sync::mpsc::Sender;
use tokio::time::{sleep, timeout};

use crate::api;
use crate::args::OwnPod;
use crate::pods::{self, Change, Look, Pods};

/// First delay after a watch that failed.
const MIN_WATCH_RETRY_DELAY: Duration = Duration::from_millis(100);
/// Longest delay between two attempts.
const MAX_WATCH_RETRY_DELAY: Duration = Duration::from_secs(2);

/// What the rest of the process learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Our own Pod is gone.
    Gone,
    /// A member went, came back or changed its role, and this one is the primary.
    PeerOfPrimary,
}

/// Watches until the own Pod is gone. Whatever goes wrong is logged once and tried again.
pub async fn follow(own: OwnPod, news: Sender<News>) {
    let mut delay = Delay::default();
    let client = loop {
        match api::client().await {
            Ok(client) => break client,
            Err(error) => {
                tracing::warn!(
                    error = error_chain(&error),
                    "cannot make a client of the API server"
                );
                sleep(delay.longer()).await;
            }
        }
    };
    let pods_api: Api<PartialObjectMeta<Pod>> = Api::namespaced(client, &own.namespace);
    let config = watcher::Config::default().labels(&own.selector);
    let mut events = pin!(watcher(pods_api.clone(), config).backoff(delay));
    let mut pods = Pods::new(&own.name, &own.uid);
    let mut is_failing = false;
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(
                        error = error_chain(&error),
                        "cannot watch the database's Pods; trying again"
                    );
                }
                continue;
            }
        };
        if std::mem::take(&mut is_failing) {
            tracing::info!("the database's Pods are watched again");
        }
        let told = match pods.apply(event) {
            Change::None => continue,
            Change::PeerOfPrimary => News::PeerOfPrimary,
            Change::OwnIsAbsent if is_gone(&pods_api, &own).await => News::Gone,
            Change::OwnIsAbsent => continue,
        };
        // Without a receiver the process is ending.
        if news.send(told).await.is_err() || told == News::Gone {
            return;
        }
    }
}

/// Retries until the API server has reported whether our Pod exists.
async fn is_gone(api: &Api<PartialObjectMeta<Pod>>, own: &OwnPod) -> bool {
    let mut delay = Delay::default();
    loop {
        match look(api, &own.name).await {
            Look::Unknown => sleep(delay.longer()).await,
            look => return pods::is_gone(&look, &own.uid),
        }
    }
}

async fn look(api: &Api<PartialObjectMeta<Pod>>, name: &str) -> Look {
    match timeout(api::RESPONSE_TIMEOUT, api.get(name)).await {
        Ok(Ok(pod)) => Look::Uid(pod.metadata.uid.unwrap_or_default()),
        Ok(Err(kube::Error::Api(status))) if status.code == 404 => Look::NotFound,
        Ok(Err(kube::Error::Api(status))) if status.code == 401 => Look::Unauthorized,
        Ok(Err(_)) | Err(_) => Look::Unknown,
    }
}

/// Delays that double up to [`MAX_WATCH_RETRY_DELAY`].
#[derive(Clone, Copy, Debug, Default)]
struct Delay(Duration);

impl Delay {
    fn longer(&mut self) -> Duration {
        self.0 = self
            .0
            .saturating_mul(2)
            .clamp(MIN_WATCH_RETRY_DELAY, MAX_WATCH_RETRY_DELAY);
        self.0
    }
}

impl Iterator for Delay {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(self.longer())
    }
}

impl Backoff for Delay {
    fn reset(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_two_seconds_and_begin_again_after_a_success() {
        let mut delay = Delay::default();
        let seen: Vec<u128> = delay.by_ref().take(7).map(|it| it.as_millis()).collect();
        assert_eq!(seen, [100, 200, 400, 800, 1600, 2000, 2000]);
        delay.reset();
        assert_eq!(delay.next(), Some(MIN_WATCH_RETRY_DELAY));
    }
}
