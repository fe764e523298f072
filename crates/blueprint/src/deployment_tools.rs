//! Labels and annotations by which deployment tools recognise, compare and prune the objects that they made.
//!
//! A child with its Postgres' mark seems to be made by the tool: Argo CD, Flux 1, kapp, `kubectl apply --prune` and Rancher
//! delete objects that carry their label and are not among their manifests.

use std::collections::BTreeMap;

use api_types::vocabulary::PRUNE_GUARDS;

/// Domains of such keys, subdomains included: Argo CD, Helm, Flux, kustomize and cli-utils, kapp and other tools of Carvel,
/// ApplySets of kubectl and the add-on manager of Kubernetes, Rancher's Fleet and Wrangler (k3s), OLM, Config Sync and kpt, Pulumi,
/// werf, Skaffold, Tanka, Crossplane, Spinnaker, KubeVela, Open Cluster Management.
const DOMAINS: [&str; 24] = [
    "addonmanager.kubernetes.io",
    "applyset.kubernetes.io",
    "argoproj.io",
    "carvel.dev",
    "cattle.io",
    "cli-utils.sigs.k8s.io",
    "config.k8s.io",
    "config.kubernetes.io",
    "configmanagement.gke.io",
    "configsync.gke.io",
    "crossplane.io",
    "fluxcd.io",
    "helm.sh",
    "k14s.io",
    "kpt.dev",
    "oam.dev",
    "open-cluster-management.io",
    "operators.coreos.com",
    "pulumi.com",
    "skaffold.dev",
    "spinnaker.io",
    "tanka.dev",
    "weave.works",
    "werf.io",
];

/// Such keys of domains that have other keys too, or of no domain.
const KEYS: [&str; 4] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "olm.owner",
    "olm.owner.kind",
    "olm.owner.namespace",
];

/// Whether a deployment tool keeps its books by this label or annotation.
pub(crate) fn is_mark(key: &str) -> bool {
    let domain = key.split_once('/').map_or("", |(domain, _)| domain);
    KEYS.contains(&key) || DOMAINS.iter().any(|known| is_within(domain, known))
}

/// Whether a domain is this one or a subdomain of it.
pub(crate) fn is_within(domain: &str, parent: &str) -> bool {
    domain
        .strip_suffix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// A user's annotations without the marks of deployment tools.
pub(crate) fn inheritable_annotations(annotations: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    annotations
        .iter()
        .filter(|(key, _)| !is_mark(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// [`PRUNE_GUARDS`] as annotations.
pub fn prune_guards() -> BTreeMap<String, String> {
    PRUNE_GUARDS
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_tools_are_told_from_what_users_write() {
        let marks = [
            "argocd.argoproj.io/instance",
            "argocd.argoproj.io/tracking-id",
            "argocd.argoproj.io/sync-wave",
            "argocd.argoproj.io/hook",
            "helm.sh/chart",
            "helm.sh/hook",
            "meta.helm.sh/release-name",
            "kustomize.toolkit.fluxcd.io/name",
            "helm.toolkit.fluxcd.io/namespace",
            "fluxcd.io/sync-gc-mark",
            "kapp.k14s.io/app",
            "config.k8s.io/owning-inventory",
            "internal.config.kubernetes.io/path",
            "applyset.kubernetes.io/part-of",
            "objectset.rio.cattle.io/hash",
            "olm.owner",
            "kubectl.kubernetes.io/last-applied-configuration",
        ];
        for key in marks {
            assert!(is_mark(key), "{key}");
        }
        let users = [
            "team",
            "app",
            "app.kubernetes.io/part-of",
            "nothelm.sh/chart",
            "helm.sh.example.com/chart",
            "example.com/helm.sh",
            "kubectl.kubernetes.io/default-container",
            "kubectl.kubernetes.io/restartedAt",
            "prometheus.io/scrape",
            "service.beta.kubernetes.io/aws-load-balancer-type",
            "cluster-autoscaler.kubernetes.io/safe-to-evict",
        ];
        for key in users {
            assert!(!is_mark(key), "{key}");
        }
    }
}
