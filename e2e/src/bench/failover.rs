//! The primary's Pod is gone from one moment to the next.

use std::time::Duration;

use anyhow::Result;
use kube::api::DeleteParams;
use tokio::time::Instant;

use super::samples::Samples;
use crate::cluster::TestNamespace;
use crate::failover::{STREAMING_TIMEOUT, all_stream, synchronous_again};
use crate::members::{self, Member};
use crate::poll::{self, Look};
use crate::survive::scene::{Scene, Shape};
use crate::writer::{Choice, Writer};

const READY_TIMEOUT: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Returns how many rows were acknowledged. Commits wait for a standby, so that none of them may be lost.
pub(super) async fn measure(namespace: &TestNamespace, runs: usize, samples: &mut Samples) -> Result<usize> {
    if runs == 0 {
        return Ok(0);
    }
    let database = Scene::database(namespace, Shape::Synchronous, true).await?;
    let writer = Writer::start(namespace, database, Choice::MEASURING).await?;
    for _ in 0..runs {
        let primary = members::primary(namespace, database).await?;
        synchronous_again(namespace, database, &primary).await?;
        let mark = writer.mark().await?;
        let begin = Instant::now();
        let at_once = DeleteParams::default().grace_period(0);
        namespace.pods().delete(&primary.name, &at_once).await?;
        all_ready_without(namespace, database, &primary).await?;
        let ready = begin.elapsed();
        writer.wait_for_rows(writer.mark().await?).await?;
        let gap = writer.since(mark).await?.longest_gap;
        eprintln!("primary lost: writes again after {gap:.2?}, all ready after {ready:.2?}");
        samples.add(
            "primary's Pod deleted without grace, until all are ready",
            ready,
            Some(gap),
        );
        all_stream(namespace, database, STREAMING_TIMEOUT).await?;
    }
    writer.finish().await
}

/// Three ready members, none of them the Pod that was lost, and one of them primary.
async fn all_ready_without(namespace: &TestNamespace, database: &str, lost: &Member) -> Result<()> {
    poll::until("three ready members", READY_TIMEOUT, POLL_INTERVAL, || async {
        let members = members::list(namespace, database).await?;
        let ready = members.iter().filter(|m| m.ready && m.uid != lost.uid).count();
        Ok(if ready == 3 && members.iter().any(Member::is_primary) {
            Look::Found(())
        } else {
            Look::NotYet(format!("{members:?}"))
        })
    })
    .await
}
