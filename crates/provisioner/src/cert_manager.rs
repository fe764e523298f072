//! Certificates are watched from when they can be: a cluster may have no cert-manager, or get it later.

use std::future::Future;
use std::time::Duration;

use api_types::cert_manager::Certificate;
use futures::{Stream, StreamExt, stream};
use kube::Api;
use kube::api::ListParams;
use kube::runtime::watcher;
use runtime::error_chain;
use tokio::time::{MissedTickBehavior, interval};

use crate::watch_filter::changes;

/// How often the provisioner checks for cert-manager.
const CERT_MANAGER_POLL_INTERVAL: Duration = Duration::from_secs(10);

/// [`changes`] of Certificates; nothing until the API server has Certificates.
pub fn certificates(
    api: Api<Certificate>,
    config: watcher::Config,
) -> impl Stream<Item = Result<Certificate, watcher::Error>> + Send + 'static {
    stream::once(async move {
        let first = ListParams::default().limit(1);
        once_it_succeeds(CERT_MANAGER_POLL_INTERVAL, || api.list_metadata(&first)).await;
        changes(api, config)
    })
    .flatten()
}

/// Returns when `look`, run at once and then `every` so often, has succeeded. Logs once why it has not.
async fn once_it_succeeds<F, Fut, T, E>(every: Duration, look: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    E: std::error::Error + 'static,
{
    let mut looks = interval(every);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told = false;
    loop {
        looks.tick().await;
        let Err(error) = look().await else { return };
        if !told {
            tracing::warn!(
                error = error_chain(&error),
                "Certificates can't be watched yet; databases with TLS need cert-manager"
            );
            told = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fmt::Error;
    use std::future::ready;

    use super::*;

    #[tokio::test]
    async fn what_can_not_be_watched_yet_is_looked_for_until_it_can() {
        let looks = Cell::new(0);
        once_it_succeeds(Duration::from_millis(1), || {
            looks.set(looks.get() + 1);
            ready(if looks.get() < 4 { Err(Error) } else { Ok(()) })
        })
        .await;
        assert_eq!(looks.get(), 4);
    }
}
