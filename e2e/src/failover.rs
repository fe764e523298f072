//! What is waited for around the loss of a member.

use std::time::Duration;

use anyhow::Result;
use api_types::Postgres;
use api_types::postgres::{StreamingMode, SynchronousReplicationConfig};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;

use crate::cluster::TestNamespace;
use crate::members::{self, Member};
use crate::poll::{self, Look};
use crate::wait;

/// Patroni's time to live is 20 to 30 s; then the election.
const FAILOVER_TIMEOUT: Duration = Duration::from_secs(90);
/// Until a member that comes back has its place again.
pub const REJOIN_TIMEOUT: Duration = Duration::from_secs(120);

/// Commits wait for a standby, so that no acknowledged row may be lost, however a member goes.
pub fn synchronous(postgres: &mut Postgres) {
    postgres.spec.streaming_mode = Some(StreamingMode::Synchronous);
    postgres.spec.synchronous_replication_config = None::<SynchronousReplicationConfig>;
}

/// Waits until another Pod than this one is primary.
pub async fn another_primary_than(namespace: &TestNamespace, database: &str, old: &Member) -> Result<Member> {
    poll::until(
        "another primary",
        FAILOVER_TIMEOUT,
        Duration::from_secs(1),
        || async {
            let members = members::list(namespace, database).await?;
            let found = members
                .iter()
                .find(|m| m.is_primary() && m.uid != old.uid && m.ready);
            Ok(found
                .cloned()
                .map_or_else(|| Look::NotYet(format!("{members:?}")), Look::Found))
        },
    )
    .await
}

/// Longest time until standbys stream from a new primary: one that PostgreSQL leaves where it is is started anew after 30 s.
pub const STREAMING_TIMEOUT: Duration = Duration::from_secs(60);

/// Waits until both standbys of three members stream.
pub async fn all_stream(namespace: &TestNamespace, database: &str, within: Duration) -> Result<()> {
    let query = "select count(*) from pg_stat_replication where state = 'streaming'";
    poll::until(
        "two streaming standbys",
        within,
        Duration::from_secs(1),
        || async {
            let streaming = members::sql_on_primary(namespace, database, query).await?;
            Ok(if streaming == "2" {
                Look::Found(())
            } else {
                Look::NotYet(format!("{streaming} stream"))
            })
        },
    )
    .await
}

/// Until Patroni has noted who has every commit, it lets nobody take over: no row may be lost.
pub async fn synchronous_again(namespace: &TestNamespace, database: &str, primary: &Member) -> Result<()> {
    let api = namespace.api::<ConfigMap>();
    let name = format!("{database}-sync");
    let noted = |map: &ConfigMap| {
        let note = |key: &str| map.annotations().get(key).map(String::as_str);
        note("leader") == Some(primary.name.as_str()) && note("sync_standby").is_some_and(|s| !s.is_empty())
    };
    wait::until(&api, &name, "notes synchronous standbys", REJOIN_TIMEOUT, noted)
        .await
        .map(|_| ())
}
