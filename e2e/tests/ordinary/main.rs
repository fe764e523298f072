//! Ordinary inputs of ordinary users: nothing is lost, nobody is locked out, nothing is silently ignored. One file for each
//! kind of input. Every test writes what a user would write and reads what `kubectl describe` shows of the Postgres or the
//! request.

mod born;
mod certificates;
mod checks;
mod combinations;
mod credentials;
mod names;
mod parameters;
mod platform;
mod roles;
mod rows;
mod slots;
mod stale;
mod table;

use std::time::{Duration, Instant};

use anyhow::Result;
use api_types::{Postgres, condition};
use e2e::cluster::TestNamespace;
use e2e::wait;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

/// Longest time until a database is Ready.
const PROVISIONING_TIMEOUT: Duration = Duration::from_secs(180);
/// Longest time until the Postgres reports the cause.
const REPORT_TIMEOUT: Duration = Duration::from_secs(30);

/// Waits until a condition of this type and status has this reason; returns its message.
async fn reported(
    namespace: &TestNamespace,
    database: &str,
    type_: &str,
    status: &str,
    reason: &str,
) -> Result<String> {
    let began = Instant::now();
    let found = |postgres: &Postgres| {
        let conditions = postgres
            .status
            .as_ref()
            .map(|status| status.conditions.as_slice());
        condition::find(conditions.unwrap_or_default(), type_)
            .filter(|it| it.status == status && it.reason.as_deref() == Some(reason))
            .map(|it| it.message.clone().unwrap_or_default())
    };
    let what = format!("{type_}={status}, reason {reason}");
    let holds = |postgres: &Postgres| found(postgres).is_some();
    let postgres = wait::until(&namespace.api(), database, &what, REPORT_TIMEOUT, holds).await?;
    let message = found(&postgres).unwrap_or_default();
    table::said(&what, &message, began.elapsed())?;
    Ok(message)
}

/// Edits fields of the spec of a Postgres, as `kubectl edit` does.
async fn edit(namespace: &TestNamespace, database: &str, spec: Value) -> Result<()> {
    let patch = Patch::Merge(json!({ "spec": spec }));
    namespace
        .api::<Postgres>()
        .patch(database, &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

/// Waits until a database is Ready that was not, after its cause was mended.
async fn healed(namespace: &TestNamespace, database: &str) -> Result<()> {
    let began = Instant::now();
    wait::database_ready(&namespace.api(), database, PROVISIONING_TIMEOUT).await?;
    table::healed(began.elapsed())
}
