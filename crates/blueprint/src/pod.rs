//! The Pod template of the members.

use std::collections::BTreeMap;

use api_types::vocabulary::{POSTGRES_CONTAINER, RESTART_TOKEN, SERVES_READS, SERVES_READS_LABEL};
use k8s_openapi::api::core::v1::{
    Affinity, PodAffinityTerm, PodAntiAffinity, PodSecurityContext, PodSpec, PodTemplateSpec,
    WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use crate::deployment_tools::inheritable_annotations;
use crate::overlay::overlay;
use crate::resolved::Resolved;
use crate::{containers, labels, volumes};

/// Seconds that PostgreSQL gets to write its shutdown checkpoint.
const GRACE_SECONDS: i64 = 60;

/// Annotation with the container that `kubectl exec` and `kubectl logs` use when none is named.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// The Pod template. It does not depend on the TLS switches, so a change of TLS alone makes no new revision.
pub(crate) fn template(resolved: &Resolved) -> PodTemplateSpec {
    PodTemplateSpec {
        metadata: Some(metadata(resolved)),
        spec: Some(spec(resolved)),
    }
}

fn metadata(resolved: &Resolved) -> ObjectMeta {
    let user = &resolved.pod.metadata;
    let mut all = labels::inheritable(&user.labels);
    all.extend(resolved.labels());
    all.insert(SERVES_READS_LABEL.to_owned(), SERVES_READS.to_owned());
    let mut annotations = inheritable_annotations(&user.annotations);
    annotations.remove(RESTART_TOKEN);
    annotations
        .entry(DEFAULT_CONTAINER.to_owned())
        .or_insert_with(|| POSTGRES_CONTAINER.to_owned());
    if let Some(token) = &resolved.restart_token {
        annotations.insert(RESTART_TOKEN.to_owned(), token.clone());
    }
    ObjectMeta {
        labels: Some(all),
        annotations: Some(annotations),
        ..ObjectMeta::default()
    }
}

fn spec(resolved: &Resolved) -> PodSpec {
    let user = &resolved.pod.spec;
    let postgres = containers::postgres(resolved);
    let mut all = vec![containers::agent(resolved, &postgres), postgres];
    all.extend(containers::exporter(resolved));
    all.extend(containers::additional(resolved));
    let mut mounted = volumes::volumes(resolved);
    mounted.extend(user.volumes.iter().cloned());
    PodSpec {
        active_deadline_seconds: user.active_deadline_seconds,
        affinity: affinity(resolved),
        // Set here, it overrides the service account.
        automount_service_account_token: Some(true),
        containers: all,
        dns_config: user.dns_config.clone(),
        dns_policy: user.dns_policy.clone(),
        enable_service_links: Some(user.enable_service_links.unwrap_or(false)),
        host_aliases: some(&user.host_aliases),
        host_ipc: user.host_ipc,
        host_network: user.host_network,
        host_pid: user.host_pid,
        host_users: user.host_users,
        image_pull_secrets: some(&user.image_pull_secrets),
        init_containers: some(&containers::init(resolved)),
        node_name: user.node_name.clone(),
        node_selector: some_map(&user.node_selector),
        os: user.os.clone(),
        overhead: some_map(&user.overhead),
        preemption_policy: user.preemption_policy.clone(),
        priority: user.priority,
        priority_class_name: user.priority_class_name.clone(),
        readiness_gates: some(&user.readiness_gates),
        runtime_class_name: user.runtime_class_name.clone(),
        scheduler_name: user.scheduler_name.clone(),
        security_context: Some(overlay(
            security_context(resolved.run_as_user),
            user.security_context.as_ref(),
        )),
        service_account_name: Some(resolved.service_account.clone()),
        set_hostname_as_fqdn: user.set_hostname_as_fqdn,
        share_process_namespace: user.share_process_namespace,
        termination_grace_period_seconds: Some(
            user.termination_grace_period_seconds.unwrap_or(GRACE_SECONDS),
        ),
        tolerations: some(&user.tolerations),
        topology_spread_constraints: some(&user.topology_spread_constraints),
        volumes: Some(mounted),
        ..PodSpec::default()
    }
}

/// The user's affinity, or else: members on different nodes where that is possible. A named PlacementPolicy decides alone.
fn affinity(resolved: &Resolved) -> Option<Affinity> {
    let user = &resolved.pod.spec;
    if user.affinity.is_some() || user.pod_placement_policy.is_some() {
        return user.affinity.clone();
    }
    let term = PodAffinityTerm {
        label_selector: Some(LabelSelector {
            match_labels: Some(resolved.selector()),
            ..LabelSelector::default()
        }),
        topology_key: "kubernetes.io/hostname".to_owned(),
        ..PodAffinityTerm::default()
    };
    Some(Affinity {
        pod_anti_affinity: Some(PodAntiAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![WeightedPodAffinityTerm {
                weight: 100,
                pod_affinity_term: term,
            }]),
            ..PodAntiAffinity::default()
        }),
        ..Affinity::default()
    })
}

/// All containers run as PostgreSQL's user; volumes belong to its group.
fn security_context(user: i64) -> PodSecurityContext {
    PodSecurityContext {
        fs_group: Some(user),
        // A large data folder is not walked through at every start.
        fs_group_change_policy: Some("OnRootMismatch".to_owned()),
        run_as_group: Some(user),
        run_as_non_root: Some(true),
        run_as_user: Some(user),
        seccomp_profile: Some(containers::runtime_default()),
        ..PodSecurityContext::default()
    }
}

fn some<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}

fn some_map<V: Clone>(map: &BTreeMap<String, V>) -> Option<BTreeMap<String, V>> {
    (!map.is_empty()).then(|| map.clone())
}
