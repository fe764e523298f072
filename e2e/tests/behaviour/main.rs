//! How Sealwright behaves in operations and around them: pauses, bad requests, deletion, metrics, and what the
//! documentation shows. These tests leave the operators and the nodes alone, and may run side by side, in the order of their
//! names: the longest are among the first.

mod agent;
mod all_commands;
mod all_operations;
mod bad_requests;
mod capture;
mod deletion;
mod edited;
mod expansion;
mod members_tls;
mod metrics;
mod mounted;
mod pause;
mod plan;
mod plugin;
mod reconfigure;
mod renewal;
mod resize;
mod rotate_auth;
mod scaling;
mod standby;
mod update_version;
mod versions;
mod volume;

use std::time::Duration;

use anyhow::Result;
use api_types::Postgres;
use e2e::cluster::TestNamespace;
use e2e::{manifests, requests, wait};

/// Longest time until a database is Ready.
const PROVISIONING_TIMEOUT: Duration = Duration::from_secs(180);
/// How long to look whether something happens that must not.
const NOTHING_HAPPENS: Duration = Duration::from_secs(5);
/// The single-member database of these tests.
const DATABASE: &str = "standalone";

/// A Ready single-member database, and issuers that are Ready.
async fn standalone(namespace: &TestNamespace) -> Result<Postgres> {
    manifests::apply(namespace, manifests::STANDALONE).await?;
    requests::issuers(namespace).await?;
    wait::database_ready(&namespace.api(), DATABASE, PROVISIONING_TIMEOUT).await
}

/// A Ready three-member database of this name that had TLS from its birth, and issuers that are Ready.
async fn born_with_tls(namespace: &TestNamespace, name: &str) -> Result<Postgres> {
    requests::issuers(namespace).await?;
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |postgres| {
        postgres.spec.tls = Some(manifests::plain_tls());
    })
    .await?;
    wait::database_ready(&namespace.api(), name, PROVISIONING_TIMEOUT).await
}
