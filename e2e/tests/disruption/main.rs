//! What goes wrong around a database: operators killed, Pods and nodes lost, releases removed. These tests take away
//! what others stand on, so they run one after another.

mod charts;
mod failures;
mod killed;

use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::cluster::{TestNamespace, in_namespace};
use tokio::sync::Mutex;

/// Longest time until a database is Ready, although another test disturbs meanwhile.
const PROVISIONING_TIMEOUT: Duration = Duration::from_secs(240);

/// One test at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// As [`in_namespace`], and the body alone in this process. What is prepared before, and the end of the namespace, may meet
/// another test's disturbances, and come about all the same.
async fn alone<P, Prepared, F, Fut>(test: &str, prepare: P, body: F) -> Result<()>
where
    P: FnOnce(TestNamespace) -> Prepared,
    Prepared: Future<Output = Result<()>>,
    F: FnOnce(TestNamespace) -> Fut,
    Fut: Future<Output = Result<()>>,
{
    in_namespace(test, |namespace| async move {
        prepare(namespace.clone()).await.context("prepare")?;
        let _guard = ALONE.lock().await;
        body(namespace).await
    })
    .await
}

/// Nothing to prepare.
async fn as_it_is(_: TestNamespace) -> Result<()> {
    Ok(())
}
