//! KubeDB's rules for a Postgres, as far as its schema can't express them.

use std::collections::BTreeSet;

use api_types::names;
use api_types::postgres::{DeletionPolicy, StorageType, StreamingMode, WalLimitPolicy};
use api_types::quantity::amount;
use api_types::tls::{ClientAuthMode, SslMode};
use api_types::vocabulary as words;

use super::{Findings, ResolveInput, pod};

pub(super) fn check(input: &ResolveInput<'_>, findings: &mut Findings) {
    members(input, findings);
    agent(input, findings);
    storage(input, findings);
    deletion(input, findings);
    synchronous(input, findings);
    tls_modes(input, findings);
    wal(input, findings);
    election(input, findings);
    read_replicas(input, findings);
    pod::check(input, findings);
    numbers(input, findings);
}

fn members(input: &ResolveInput<'_>, findings: &mut Findings) {
    let replicas = input.replicas();
    if replicas < 1 {
        findings.add(
            "spec.replicas",
            format!("{replicas} members are none; write 1 or more"),
        );
    }
    let longest = names::pod(input.name(), (replicas - 1).max(0));
    if longest.len() > names::MAX_NAME {
        findings.add(
            "metadata.name",
            format!("a member would be called {longest}, which is longer than a host name may be; choose a shorter name"),
        );
    }
    let auth = input.spec.auth_secret.as_ref();
    findings.add_if(
        auth.is_some_and(|auth| auth.externally_managed == Some(true) && auth.name.is_empty()),
        "spec.authSecret.name",
        "an externally managed Secret needs a name; write the name of yours",
    );
}

/// Older catalogs name the database's image as the coordinator's, which nothing used; a Pod with it would never start.
fn agent(input: &ResolveInput<'_>, findings: &mut Findings) {
    let version = &input.inputs.version.spec;
    let image = &version.coordinator.image;
    if image.is_empty() || *image == version.db.image {
        let name = &input.spec.version;
        findings.add(
            "spec.version",
            format!(
                "the PostgresVersion {name} has no image of the config agent; upgrade the chart catalog, or name the image in its spec.coordinator.image"
            ),
        );
    }
}

fn storage(input: &ResolveInput<'_>, findings: &mut Findings) {
    if input.spec.storage_type == Some(StorageType::Ephemeral) {
        return;
    }
    let Some(claim) = &input.spec.storage else {
        findings.add(
            "spec.storage",
            "durable storage needs a claim; write spec.storage, or storageType: Ephemeral",
        );
        return;
    };
    let requests = claim
        .resources
        .as_ref()
        .and_then(|resources| resources.requests.as_ref());
    let size = requests
        .and_then(|requests| requests.get("storage"))
        .and_then(amount);
    findings.add_if(
        size.is_none_or(|bytes| bytes <= 0),
        "spec.storage.resources.requests.storage",
        "the claim asks for no space; write for example 1Gi",
    );
}

fn deletion(input: &ResolveInput<'_>, findings: &mut Findings) {
    let spec = &input.spec;
    let ephemeral = spec.storage_type == Some(StorageType::Ephemeral);
    findings.add_if(
        ephemeral && spec.deletion_policy == Some(DeletionPolicy::Halt),
        "spec.deletionPolicy",
        "ephemeral data can't be kept; write Delete or WipeOut",
    );
    findings.add_if(
        spec.halted == Some(true) && spec.deletion_policy == Some(DeletionPolicy::DoNotTerminate),
        "spec.halted",
        "a database that must not be terminated can't be halted; change deletionPolicy to Halt first",
    );
}

fn synchronous(input: &ResolveInput<'_>, findings: &mut Findings) {
    const FIELD: &str = "spec.synchronousReplicationConfig";
    let spec = &input.spec;
    let is_synchronous = spec.streaming_mode == Some(StreamingMode::Synchronous);
    let config = spec.synchronous_replication_config.clone();
    if !is_synchronous {
        findings.add_if(
            config.is_some(),
            FIELD,
            "it has a meaning with streamingMode: Synchronous only; write that, or remove it",
        );
        return;
    }
    let config = config.unwrap_or_default();
    let number = config.num_sync_replicas.unwrap_or(1);
    let named = &config.standby_names;
    let distinct: BTreeSet<&String> = named.iter().filter(|name| !name.is_empty()).collect();
    findings.add_if(
        config.use_wildcard == Some(true) && !named.is_empty(),
        FIELD,
        "useWildcard and standbyNames exclude each other; keep one",
    );
    findings.add_if(
        distinct.len() < named.len(),
        FIELD,
        "standbyNames has empty or equal names; write each member once",
    );
    findings.add_if(number < 1, FIELD, "numSyncReplicas must be 1 or more");
    let standbys = i32::try_from(named.len()).unwrap_or(i32::MAX);
    findings.add_if(
        !named.is_empty() && number > standbys,
        FIELD,
        "numSyncReplicas is larger than the number of standbyNames; name more standbys",
    );
    // A single member has no standby to wait for; Patroni turns the mode off until there is one.
    findings.add_if(
        named.is_empty() && input.replicas() > 1 && number >= input.replicas(),
        FIELD,
        "numSyncReplicas must be smaller than spec.replicas, because the primary does not confirm its own commits",
    );
}

fn tls_modes(input: &ResolveInput<'_>, findings: &mut Findings) {
    let has_tls = input.spec.tls.is_some();
    let disabled = input.ssl_mode == SslMode::Disable;
    findings.add_if(
        has_tls && disabled,
        "spec.sslMode",
        "disable contradicts spec.tls; write require, verify-ca or verify-full, or remove spec.tls",
    );
    findings.add_if(
        !has_tls && !disabled,
        "spec.sslMode",
        "without spec.tls only disable is possible; write spec.tls, or sslMode: disable",
    );
    findings.add_if(
        !has_tls && input.client_auth_mode == ClientAuthMode::Cert,
        "spec.clientAuthMode",
        "client certificates need TLS; write spec.tls, or clientAuthMode: scram",
    );
}

fn wal(input: &ResolveInput<'_>, findings: &mut Findings) {
    const FIELD: &str = "spec.replication";
    let Some(replication) = &input.spec.replication else {
        return;
    };
    findings.add_if(
        replication.wal_limit_policy == WalLimitPolicy::WALKeepSegment,
        FIELD,
        "walLimitPolicy WALKeepSegment ends with PostgreSQL 12; write WALKeepSize or ReplicationSlot",
    );
    let negative = |amount: Option<i32>, least: i32| amount.is_some_and(|amount| amount < least);
    findings.add_if(
        negative(replication.wal_keep_size, 0)
            || negative(replication.wal_keep_segment, 0)
            || negative(replication.max_slot_wal_keep_size, -1),
        FIELD,
        "amounts of WAL must not be negative (-1 means no limit for maxSlotWALKeepSize)",
    );
}

fn election(input: &ResolveInput<'_>, findings: &mut Findings) {
    let Some(election) = &input.spec.leader_election else {
        return;
    };
    let heartbeat = election.heartbeat_tick.unwrap_or(1);
    let ticks = election.election_tick.unwrap_or(10);
    findings.add_if(
        heartbeat < 1 || ticks <= heartbeat,
        "spec.leaderElection",
        "electionTick must be greater than heartbeatTick, and heartbeatTick at least 1",
    );
    findings.add_if(
        election.maximum_lag_before_failover.is_some_and(|lag| lag < 0),
        "spec.leaderElection.maximumLagBeforeFailover",
        "a lag is not negative; write a number of bytes",
    );
}

fn read_replicas(input: &ResolveInput<'_>, findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for (index, group) in input.spec.read_replicas.iter().enumerate() {
        let field = format!("spec.readReplicas[{index}]");
        if group.name.is_empty() || group.name == "arbiter" {
            findings.add(&field, "a group needs a name other than arbiter");
        }
        if !seen.insert(&group.name) {
            findings.add(&field, format!("the name {:?} occurs twice", group.name));
        }
        if group.replicas.is_some_and(|replicas| replicas < 1) {
            findings.add(&field, "replicas must be 1 or more");
        }
    }
}

fn numbers(input: &ResolveInput<'_>, findings: &mut Findings) {
    if let Some(health) = &input.spec.health_checker {
        let given = [
            health.period_seconds,
            health.timeout_seconds,
            health.failure_threshold,
        ];
        findings.add_if(
            given.into_iter().flatten().any(|number| number < 1),
            "spec.healthChecker",
            "periodSeconds, timeoutSeconds and failureThreshold must be 1 or more",
        );
    }
    let monitor = input
        .spec
        .monitor
        .as_ref()
        .and_then(|monitor| monitor.prometheus.as_ref());
    let port = monitor.and_then(|prometheus| prometheus.exporter.as_ref()?.port);
    findings.add_if(
        port.is_some_and(|port| {
            !(1..=65535).contains(&port) || port == words::POSTGRES_PORT || port == words::PATRONI_PORT
        }),
        "spec.monitor.prometheus.exporter.port",
        "no exporter can listen there; write for example 56790",
    );
}
