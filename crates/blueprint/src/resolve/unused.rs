//! What a user wrote, that is kept, and that nothing acts on yet.

use api_types::Postgres;
use api_types::postgres::{FromNamespaces, PostgresSpec, StandbyMode};
use api_types::vocabulary as words;
use k8s_openapi::api::core::v1::Container;

use super::certificates::UNUSED_ALIASES;
use crate::containers::KUBEDB_CONTAINERS;

/// Fields that the user set, that are kept, and that nothing acts on yet: the path and the reason, sorted by place.
pub fn unsupported_fields(postgres: &Postgres) -> Vec<String> {
    let spec = postgres.spec.upgraded();
    let mut found = Vec::new();
    topology(&spec, &mut found);
    data(&spec, &mut found);
    operation(&spec, &mut found);
    pods(&spec, &mut found);
    // Gone from a spec that was brought to `v1`.
    note(
        &mut found,
        postgres.spec.coordinator.is_some(),
        "spec.coordinator",
        "there is no coordinator",
    );
    found
}

fn note(found: &mut Vec<String>, is_set: bool, field: &str, reason: &str) {
    if is_set {
        found.push(format!("{field}: {reason}"));
    }
}

fn topology(spec: &PostgresSpec, found: &mut Vec<String>) {
    note(
        found,
        spec.standby_mode == Some(StandbyMode::Warm),
        "spec.standbyMode",
        "standbys always serve reads",
    );
    let names = spec
        .synchronous_replication_config
        .as_ref()
        .map(|config| &config.standby_names);
    note(
        found,
        names.is_some_and(|names| !names.is_empty()),
        "spec.synchronousReplicationConfig.standbyNames",
        "Patroni chooses among all standbys",
    );
    let is_single = spec.replicas.unwrap_or(1) <= 1;
    let as_it_is = if is_single { "Standalone" } else { "Cluster" };
    note(
        found,
        spec.mode.as_deref().is_some_and(|mode| mode != as_it_is),
        "spec.mode",
        "the number of replicas decides",
    );
    note(
        found,
        spec.remote_replica.is_some(),
        "spec.remoteReplica",
        "remote replicas are not made",
    );
    note(
        found,
        spec.arbiter.is_some(),
        "spec.arbiter",
        "Patroni needs no tie-breaker",
    );
    note(
        found,
        !spec.read_replicas.is_empty(),
        "spec.readReplicas",
        "read replica groups are not made",
    );
    note(
        found,
        spec.distributed == Some(true),
        "spec.distributed",
        "one cluster only",
    );
    let Some(election) = &spec.leader_election else {
        return;
    };
    let timers = election.period.is_some()
        || election.election_tick.is_some()
        || election.heartbeat_tick.is_some()
        || election.transfer_leadership_interval.is_some()
        || election.transfer_leadership_timeout.is_some()
        || election.lease_duration_seconds.is_some()
        || election.renew_deadline_seconds.is_some()
        || election.retry_period_seconds.is_some();
    note(
        found,
        timers,
        "spec.leaderElection",
        "Patroni has timers of its own; maximumLagBeforeFailover is used",
    );
}

fn data(spec: &PostgresSpec, found: &mut Vec<String>) {
    let init = spec.init.as_ref();
    note(
        found,
        init.is_some_and(|init| init.script.is_some()),
        "spec.init.script",
        "scripts are not run",
    );
    note(
        found,
        init.is_some_and(|init| init.archiver.is_some()),
        "spec.init.archiver",
        "restores are not made",
    );
    note(
        found,
        init.is_some_and(|init| init.wait_for_initial_restore == Some(true)),
        "spec.init.waitForInitialRestore",
        "restores are not made",
    );
    note(
        found,
        spec.archiver.is_some(),
        "spec.archiver",
        "WAL is not archived",
    );
    note(
        found,
        spec.enforce_fs_group == Some(true),
        "spec.enforceFsGroup",
        "volumes get their group from the Pod's fsGroup",
    );
    let replication = spec.replication.as_ref();
    note(
        found,
        replication.is_some_and(|r| r.force_failover_accepting_data_loss_after.is_some()),
        "spec.replication.forceFailoverAcceptingDataLossAfter",
        "a standby that is too far behind is never promoted",
    );
}

fn operation(spec: &PostgresSpec, found: &mut Vec<String>) {
    let auth = spec.auth_secret.as_ref();
    note(
        found,
        auth.is_some_and(|auth| {
            auth.secret_store_name.is_some()
                || auth.api_group.as_deref().is_some_and(|g| !g.is_empty())
                || auth.kind != "Secret"
        }),
        "spec.authSecret",
        "only Secrets of Kubernetes are read",
    );
    let operator = spec.monitor.as_ref().and_then(|monitor| monitor.agent.as_deref());
    note(
        found,
        operator == Some("prometheus.io/operator"),
        "spec.monitor.agent",
        "no ServiceMonitor is made; scrape the Service for stats",
    );
    let prometheus = spec
        .monitor
        .as_ref()
        .and_then(|monitor| monitor.prometheus.as_ref());
    note(
        found,
        operator != Some("prometheus.io/operator")
            && prometheus.is_some_and(|it| it.service_monitor.is_some()),
        "spec.monitor.prometheus.serviceMonitor",
        "no ServiceMonitor is made; scrape the Service for stats",
    );
    note(
        found,
        spec.license.is_some(),
        "spec.license",
        "no image needs one",
    );
    note(
        found,
        narrows_schemas(spec),
        "spec.allowedSchemas",
        "schema objects are not served",
    );
    note(
        found,
        spec.auto_ops
            .as_ref()
            .is_some_and(|ops| ops.disabled != Some(true)),
        "spec.autoOps",
        "no operation is requested automatically",
    );
    let certificates = spec.tls.iter().flat_map(|tls| &tls.certificates);
    for certificate in certificates.filter(|c| UNUSED_ALIASES.contains(&c.alias.as_str())) {
        let field = format!("spec.tls.certificates[{}]", certificate.alias);
        note(found, true, &field, "no such certificate is made");
    }
}

fn pods(spec: &PostgresSpec, found: &mut Vec<String>) {
    let Some(pod) = spec
        .pod_template
        .as_ref()
        .and_then(|template| template.spec.as_ref())
    else {
        return;
    };
    const FIELD: &str = "spec.podTemplate.spec";
    for container in pod.containers.iter().chain(&pod.init_containers) {
        if KUBEDB_CONTAINERS.contains(&container.name.as_str()) {
            let field = format!("{FIELD}.containers[{}]", container.name);
            note(found, true, &field, "Patroni does its work");
        }
    }
    for name in [words::POSTGRES_CONTAINER, words::AGENT_CONTAINER] {
        let named = pod.containers.iter().find(|c| c.name == name);
        note(
            found,
            named.is_some_and(changes_the_command),
            &format!("{FIELD}.containers[{name}]"),
            "image, command and args are the version's",
        );
    }
    note(
        found,
        !pod.ephemeral_containers.is_empty(),
        &format!("{FIELD}.ephemeralContainers"),
        "a Pod can't be created with them; use kubectl debug",
    );
    note(
        found,
        pod.restart_policy
            .as_deref()
            .is_some_and(|policy| policy != "Always"),
        &format!("{FIELD}.restartPolicy"),
        "members are always restarted",
    );
}

fn changes_the_command(container: &Container) -> bool {
    container.image.is_some() || container.command.is_some() || container.args.is_some()
}

/// Whether it has more than the schema's default, `namespaces: {from: Same}`.
fn narrows_schemas(spec: &PostgresSpec) -> bool {
    let Some(allowed) = &spec.allowed_schemas else {
        return false;
    };
    let from = allowed.namespaces.as_ref().and_then(|namespaces| namespaces.from);
    allowed.selector.is_some() || from.is_some_and(|from| from != FromNamespaces::Same)
}
