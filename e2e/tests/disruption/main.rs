//! What goes wrong around a database: operators killed, Pods and nodes lost, releases removed. These tests take away
//! what others stand on, so they run one after another.

mod charts;
mod failures;
mod killed;

use std::future::Future;
use std::time::Duration;

use anyhow::Result;
use e2e::cluster::{TestNamespace, in_namespace};
use tokio::sync::Mutex;

/// Longest time until a database is Ready.
const PROVISIONING: Duration = Duration::from_secs(180);

/// One test at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// As [`in_namespace`], and alone in this process.
async fn alone<F, Fut>(test: &str, body: F) -> Result<()>
where
    F: FnOnce(TestNamespace) -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let _guard = ALONE.lock().await;
    in_namespace(test, body).await
}
