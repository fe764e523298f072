//! The provisioner makes the Role of a database's Pods. The API server refuses a Role with a right that its maker has
//! not, so the chart must give the provisioner all of them.

mod world;

use std::collections::BTreeSet;

use k8s_openapi::api::rbac::v1::PolicyRule;
use provisioner::child::Child;
use provisioner::plan::Action;
use serde_json::json;

/// The chart's rights, cluster-wide ones and those in the namespaces of databases.
const CHART: &str = include_str!("../../../charts/provisioner/templates/rbac.yaml");

/// Verbs that the chart gives for a resource. A rule's resources and verbs are lines of their own.
fn verbs_of(resource: &str) -> BTreeSet<&str> {
    let lines: Vec<&str> = CHART.lines().map(str::trim).collect();
    let about = |line: &str| line == format!("resources: [{resource}]");
    let rules = lines.windows(2).filter(|pair| about(pair[0]));
    let verbs = rules.filter_map(|pair| pair[1].strip_prefix("verbs: [")?.strip_suffix(']'));
    verbs.flat_map(|list| list.split(", ")).collect()
}

#[test]
fn the_provisioner_has_every_right_that_it_gives_to_pods() {
    let plan = provisioner::decide::decide(&world::fresh(json!({})));
    let rules = plan.actions.iter().find_map(|action| match action {
        Action::Apply(Child::Role(role)) => role.rules.clone(),
        _ => None,
    });
    let rules: Vec<PolicyRule> = rules.expect("a Role");
    assert!(rules.len() >= 3, "{rules:?}");
    for rule in rules {
        for resource in rule.resources.iter().flatten() {
            let has = verbs_of(resource);
            for verb in &rule.verbs {
                assert!(
                    has.contains(verb.as_str()),
                    "{verb} {resource}: the chart gives {has:?}"
                );
            }
        }
    }
}

/// Rights to Secrets come by a RoleBinding, so that one has to be in force before the Role is made.
#[test]
fn nothing_is_applied_before_the_provisioner_has_its_rights_to_secrets() {
    let mut world = world::fresh(json!({}));
    world.secrets = provisioner::world::Secrets::Denied;
    let plan = provisioner::decide::decide(&world);
    assert!(
        plan.actions
            .iter()
            .any(|action| matches!(action, Action::GrantSecrets))
    );
    assert!(
        !plan
            .actions
            .iter()
            .any(|action| matches!(action, Action::Apply(_)))
    );
}
