//! A primary hangs instead of ending.

use std::time::Duration;

use anyhow::Result;
use api_types::Postgres;
use api_types::condition;
use api_types::postgres::conditions::MEMBER_HANGS;
use api_types::reported::postgres::reasons::LOGINS_UNANSWERED;
use api_types::vocabulary::POSTGRES_CONTAINER;
use futures::FutureExt;
use tokio::time::Instant;

use super::row::{End, Row};
use super::scene::{Scene, Shape};
use super::{Fault, Stage};
use crate::poll::{self, Look};
use crate::{failover, members, shell, wait};

/// This family.
pub const FAULTS: &[Fault] = &[Fault {
    name: "primary-hangs",
    alone: false,
    run: |stage| primary_hangs(stage).boxed_local(),
}];

/// Until new sessions get in again.
const REPLACEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// Until the Postgres says why; a health check may be under way.
const REPORT_TIMEOUT: Duration = Duration::from_secs(30);

/// Sessions that are open go on, and no new one gets in.
async fn primary_hangs(stage: Stage) -> Result<Vec<Row>> {
    let scene = Scene::new(&stage.namespace, Shape::Synchronous, true).await?;
    let primary = members::primary(&stage.namespace, scene.database).await?;
    failover::synchronous_again(&stage.namespace, scene.database, &primary).await?;
    let trial = scene.measure("none").await?;
    let stop = ["sh", "-c", "kill -STOP $(head -1 $PGDATA/postmaster.pid)"];
    shell::output_of(&stage.namespace.pods(), &primary.name, POSTGRES_CONTAINER, &stop).await?;
    let begin = Instant::now();
    let reported = |postgres: &Postgres| {
        let conditions = postgres.status.iter().flat_map(|status| &status.conditions);
        let mut hangs = conditions.filter(|it| it.type_ == MEMBER_HANGS && it.is_true());
        hangs.any(|it| it.reason.as_deref() == Some(LOGINS_UNANSWERED))
    };
    wait::until(
        &stage.namespace.api(),
        scene.database,
        "MemberHangs",
        REPORT_TIMEOUT,
        reported,
    )
    .await?;
    let left = REPLACEMENT_TIMEOUT.saturating_sub(begin.elapsed());
    poll::until(
        "a new session on the primary",
        left,
        Duration::from_millis(500),
        || async {
            let asked =
                members::sql_on_primary(&stage.namespace, scene.database, "select pg_is_in_recovery()").await;
            Ok(match asked {
                Ok(answer) if answer == "f" => Look::Found(()),
                other => Look::NotYet(format!("{other:?}")),
            })
        },
    )
    .await?;
    let fault = format!(
        "primary's postmaster stopped; new sessions after {:.0} s",
        begin.elapsed().as_secs_f64()
    );
    let row = trial
        .judge(&fault, End::Successful, &[End::Successful], "")
        .await?;
    let well = |postgres: &Postgres| {
        let status = postgres.status.as_ref();
        status.is_some_and(|status| !condition::is_true(&status.conditions, MEMBER_HANGS))
    };
    wait::until(
        &stage.namespace.api(),
        scene.database,
        "no MemberHangs",
        failover::REJOIN_TIMEOUT,
        well,
    )
    .await?;
    Ok(vec![row])
}
