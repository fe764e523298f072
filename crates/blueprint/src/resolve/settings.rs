//! The resolved settings, once the checks have found nothing.

use std::collections::BTreeMap;

use api_types::ops_request::TlsSettings;
use api_types::postgres::{
    CommitLevel, DeletionPolicy, StandbyMode, StorageType, StreamingMode, SyncMode, WalLimitPolicy,
};
use api_types::quantity::amount;
use api_types::vocabulary as words;
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::configuration::UserConfiguration;
use super::{DEFAULT_SUPERUSER, ResolveInput};
use crate::deployment_tools::inheritable_annotations;
use crate::labels;
use crate::pg::conf::Parameters;
use crate::pg::tuning::{self, Size};
use crate::pg::wal::WalBudget;
use crate::resolved::{
    Health, Monitor, PodSettings, Resolved, ResolvedCertificate, Storage, Streaming, Synchronous,
    WalRetention,
};

/// User and group of PostgreSQL in Debian's images.
const DEBIAN_USER: i64 = 999;
/// KubeDB's default of `maximumLagBeforeFailover`, in bytes: without `leaderElection`, and with one that leaves it out.
const LAG_WITHOUT_ELECTION: i64 = 67_108_864;
const LAG_WITH_ELECTION: i64 = 33_554_432;
/// The least that Patroni takes for `wal_keep_size`, in megabytes: one segment.
const LEAST_KEEP: i32 = 16;

/// The auth Secret that the members follow, or else the spec's.
fn auth_secret(input: &ResolveInput<'_>) -> String {
    if let Some(followed) = &input.inputs.live.auth {
        return followed.secret_name.clone();
    }
    input.inputs.postgres.auth_secret_name()
}

pub(super) fn resolve(
    input: &ResolveInput<'_>,
    configuration: UserConfiguration,
    certificates: Vec<ResolvedCertificate>,
) -> Resolved {
    let spec = &input.spec;
    let meta = &input.inputs.postgres.metadata;
    let version = &input.inputs.version.spec;
    let live = &input.inputs.live;
    let (service_account, makes_service_account) = service_account(input);
    let auth = spec.auth_secret.as_ref();
    let budget = WalBudget::of(volume(input));
    Resolved {
        name: input.name().to_owned(),
        namespace: meta.namespace.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        user_labels: labels::inheritable(&meta.labels.clone().unwrap_or_default()),
        annotations: copied_annotations(&meta.annotations.clone().unwrap_or_default()),
        version_name: spec.version.clone(),
        version: version.version.clone(),
        major: input.major,
        image: version.db.image.clone(),
        agent_image: version.coordinator.image.clone(),
        exporter_image: version.exporter.image.clone(),
        run_as_user: run_as_user(input),
        stash: version
            .stash
            .as_ref()
            .and_then(|stash| serde_json::to_value(stash).ok()),
        replicas: input.replicas(),
        halted: spec.halted == Some(true),
        deletion_policy: deletion_policy(input),
        username: live
            .superuser
            .clone()
            .unwrap_or_else(|| DEFAULT_SUPERUSER.to_owned()),
        auth_secret: auth_secret(input),
        credentials_revision: live.auth.as_ref().map(|auth| auth.revision),
        auth_externally_managed: auth.is_some_and(|auth| auth.externally_managed == Some(true)),
        service_account,
        makes_service_account,
        tls_settings: TlsSettings::of(&input.inputs.postgres.spec),
        ssl_mode: input.ssl_mode,
        client_auth_mode: input.client_auth_mode,
        storage: storage(input),
        standby_mode: spec.standby_mode.unwrap_or(StandbyMode::Hot),
        streaming: streaming(input),
        maximum_lag: maximum_lag(input),
        wal_retention: wal_retention(input, budget),
        slot_limit: slot_limit(input, budget),
        wal_budget: budget,
        tls: input.inputs.tls.clone(),
        member_tls: live.member_tls.clone(),
        certificates,
        monitor: monitor(input),
        restart_token: live.restart_token.clone(),
        health: health(input),
        user_conf: configuration.user_conf,
        inline_conf: configuration.inline_conf,
        user_parameters: configuration.parameters,
        tuned: tuned(input),
        parameters_not_used: configuration.not_used,
        configuration_refused: configuration.refused,
        resources: resources(input),
        pod: pod(input),
        service_templates: spec.service_templates.clone(),
    }
}

/// Parameters computed from the size of a member.
pub(super) fn tuned(input: &ResolveInput<'_>) -> Parameters {
    let configuration = input.spec.configuration.as_ref();
    let Some(tuning) = configuration.and_then(|it| it.tuning.as_ref()) else {
        return Parameters::new();
    };
    let size = Size {
        resources: &resources(input),
        wal: WalBudget::of(volume(input)),
    };
    tuning::computed(tuning, &size)
}

/// `<db>`, which is ours to make; or the user's, which is made only when the caller knows that no other object has the
/// name.
fn service_account(input: &ResolveInput<'_>) -> (String, bool) {
    let template = input.spec.pod_template.as_ref();
    let named = template
        .and_then(|template| template.spec.as_ref()?.service_account_name.clone())
        .filter(|name| !name.is_empty());
    match named {
        Some(name) => (name, input.inputs.live.make_named_service_account),
        None => (input.name().to_owned(), true),
    }
}

/// Annotations that are about the application, not about this object: the AppBinding has them too.
fn copied_annotations(annotations: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut copied = inheritable_annotations(annotations);
    copied.retain(|key, _| !labels::is_owned(key));
    copied
}

fn deletion_policy(input: &ResolveInput<'_>) -> DeletionPolicy {
    if input.spec.halted == Some(true) {
        return DeletionPolicy::Halt;
    }
    input.spec.deletion_policy.unwrap_or(DeletionPolicy::Delete)
}

/// The Pod's user where the user of the database gives one, else the version's.
fn run_as_user(input: &ResolveInput<'_>) -> i64 {
    let template = input.spec.pod_template.as_ref();
    let pod = template.and_then(|template| template.spec.as_ref());
    let from_pod = pod.and_then(|pod| pod.security_context.as_ref()?.run_as_user);
    let version = input.inputs.version.spec.security_context.as_ref();
    from_pod
        .or_else(|| version.and_then(|context| context.run_as_user))
        .unwrap_or(DEBIAN_USER)
}

fn storage(input: &ResolveInput<'_>) -> Storage {
    match (input.spec.storage_type, &input.spec.storage) {
        (Some(StorageType::Ephemeral), _) | (_, None) => Storage::Ephemeral,
        (_, Some(claim)) => {
            if let Some(live) = &input.inputs.live.storage {
                return Storage::Durable(live.clone());
            }
            let mut claim = claim.clone();
            // A claim without access modes is refused by the API server.
            claim
                .access_modes
                .get_or_insert_with(|| vec!["ReadWriteOnce".to_owned()]);
            Storage::Durable(Box::new(claim))
        }
    }
}

fn streaming(input: &ResolveInput<'_>) -> Streaming {
    if input.spec.streaming_mode != Some(StreamingMode::Synchronous) {
        return Streaming::Asynchronous;
    }
    let config = input
        .spec
        .synchronous_replication_config
        .clone()
        .unwrap_or_default();
    Streaming::Synchronous(Synchronous {
        mode: config.mode.unwrap_or(SyncMode::Any),
        number: config.num_sync_replicas.unwrap_or(1),
        commit_level: config.commit_level.unwrap_or(CommitLevel::RemoteWrite),
        standby_names: config.standby_names,
    })
}

fn maximum_lag(input: &ResolveInput<'_>) -> i64 {
    match &input.spec.leader_election {
        None => LAG_WITHOUT_ELECTION,
        Some(election) => election.maximum_lag_before_failover.unwrap_or(LAG_WITH_ELECTION),
    }
}

/// Bytes of a member's volume. A live claim keeps its size when the spec has more: a request carries that out.
fn volume(input: &ResolveInput<'_>) -> Option<i64> {
    let Storage::Durable(claim) = storage(input) else {
        return None;
    };
    let requests = claim.resources?.requests?;
    let asked = requests.get("storage").and_then(amount)?;
    Some(input.inputs.live.volume.map_or(asked, |live| live.min(asked)))
}

fn wal_retention(input: &ResolveInput<'_>, budget: WalBudget) -> WalRetention {
    let Some(replication) = &input.spec.replication else {
        return WalRetention::KeepSize(budget.keep);
    };
    match replication.wal_limit_policy {
        WalLimitPolicy::WALKeepSize => {
            let asked = replication.wal_keep_size.map(|asked| asked.max(LEAST_KEEP));
            WalRetention::KeepSize(asked.unwrap_or(budget.keep))
        }
        // `rules` refuses it.
        WalLimitPolicy::WALKeepSegment => WalRetention::KeepSize(budget.keep),
        WalLimitPolicy::ReplicationSlot => WalRetention::Slots,
    }
}

/// Megabytes that slots may hold: those of standbys, and those that applications make.
fn slot_limit(input: &ResolveInput<'_>, budget: WalBudget) -> i32 {
    let replication = input.spec.replication.as_ref();
    replication
        .and_then(|replication| replication.max_slot_wal_keep_size)
        .unwrap_or(budget.slots)
}

fn monitor(input: &ResolveInput<'_>) -> Option<Monitor> {
    let monitor = input.spec.monitor.as_ref()?;
    let exporter = monitor
        .prometheus
        .as_ref()
        .and_then(|prometheus| prometheus.exporter.clone());
    let exporter = exporter.unwrap_or_default();
    Some(Monitor {
        agent: monitor
            .agent
            .clone()
            .unwrap_or_else(|| "prometheus.io".to_owned()),
        port: exporter.port.unwrap_or(words::EXPORTER_PORT),
        args: exporter.args,
        env: exporter.env,
        resources: exporter.resources,
        security_context: exporter.security_context,
    })
}

fn health(input: &ResolveInput<'_>) -> Health {
    let given = input.spec.health_checker.clone().unwrap_or_default();
    Health {
        period_seconds: given.period_seconds.unwrap_or(10),
        timeout_seconds: given.timeout_seconds.unwrap_or(10),
        failure_threshold: given.failure_threshold.unwrap_or(1),
        write_check: given.disable_write_check != Some(true),
    }
}

/// The user's, or KubeDB's defaults: 500m and 1Gi requested, memory limited to 1Gi.
pub(super) fn resources(input: &ResolveInput<'_>) -> ResourceRequirements {
    let template = input.spec.pod_template.as_ref();
    let containers = template.and_then(|template| Some(&template.spec.as_ref()?.containers));
    let given = containers
        .into_iter()
        .flatten()
        .find(|container| container.name == words::POSTGRES_CONTAINER)
        .and_then(|container| container.resources.clone());
    given
        .filter(|resources| *resources != ResourceRequirements::default())
        .unwrap_or_else(|| {
            let amount = |name: &str, amount: &str| (name.to_owned(), Quantity(amount.to_owned()));
            ResourceRequirements {
                requests: Some([amount("cpu", "500m"), amount("memory", "1Gi")].into()),
                limits: Some([amount("memory", "1Gi")].into()),
                ..ResourceRequirements::default()
            }
        })
}

fn pod(input: &ResolveInput<'_>) -> PodSettings {
    let Some(template) = input.spec.pod_template.clone() else {
        return PodSettings::default();
    };
    let mut spec = template.spec.unwrap_or_default();
    spec.pod_placement_policy = spec.pod_placement_policy.filter(|policy| !policy.name.is_empty());
    PodSettings {
        metadata: template.metadata.unwrap_or_default(),
        controller: template.controller.unwrap_or_default(),
        spec,
    }
}
