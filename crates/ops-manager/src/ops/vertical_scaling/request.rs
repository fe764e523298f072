//! What a request for other resources contains, and what of it nothing acts on.

use std::collections::BTreeMap;

use api_types::ops_request::{
    MODE_IN_PLACE, MODE_RESTART, PodResources, PostgresOpsRequestSpec, ResourceSettings,
    VerticalScalingRequest,
};
use api_types::quantity::{amount, is_same, thousandths};
use blueprint::{Resolved, exporter_resources};
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// Fewer bytes of memory are a mistake: `512m` is half a byte.
const LEAST_MEMORY: i64 = 4 << 20;
/// More thousandths of a processor are a mistake: `500Mi` is half a billion of them.
const MOST_PROCESSORS: i64 = 4096 * 1000;

type Amounts = Option<BTreeMap<String, Quantity>>;

/// Checks the request alone.
///
/// # Errors
/// A message that names what to change in it.
pub fn check(spec: &PostgresOpsRequestSpec) -> Result<(), String> {
    let scaling = section(spec);
    for mode in [&spec.mode, &scaling.mode].into_iter().flatten() {
        if ![MODE_IN_PLACE, MODE_RESTART].contains(&mode.as_str()) {
            return Err(format!(
                "mode {mode:?} is not known; write {MODE_RESTART} or {MODE_IN_PLACE}"
            ));
        }
    }
    let asked: Vec<_> = asked(&scaling).into_iter().flatten().collect();
    if asked.is_empty() {
        return Err(
            "spec.verticalScaling asks for nothing that the members have; write the new requests and limits in \
             postgres.resources, or in exporter.resources"
                .into(),
        );
    }
    asked
        .iter()
        .try_for_each(|(container, resources)| amounts_are_plausible(container, resources))
}

/// The fields of the spec afterwards.
///
/// # Errors
/// A message that names what to change in the request.
pub fn target(
    spec: &PostgresOpsRequestSpec,
    found: &ResourceSettings,
    now: &Resolved,
) -> Result<ResourceSettings, String> {
    let scaling = section(spec);
    let [postgres, exporter] = asked(&scaling);
    let mut after = found.clone();
    if let Some((container, asked)) = postgres {
        let merged = merged(&now.resources, asked);
        requests_fit_limits(container, &merged)?;
        // What is in force without being written stays unwritten.
        if merged != now.resources {
            after.postgres = Some(merged);
        }
    } else if now.monitor.is_none() {
        return Err(
            "spec.verticalScaling has exporter only, and the Postgres has no exporter: write spec.monitor into the Postgres \
             first, or postgres into the request"
                .into(),
        );
    }
    if let (Some((container, asked)), Some(in_force)) = (exporter, exporter_resources(now)) {
        let merged = merged(&in_force, asked);
        requests_fit_limits(container, &merged)?;
        if merged != in_force {
            after.exporter = Some(merged);
        }
    }
    Ok(after)
}

/// The parts of the request that nothing acts on, each in a few words.
pub fn not_acted_on(
    spec: &PostgresOpsRequestSpec,
    has_exporter: bool,
    not_in_place: Option<&str>,
) -> Vec<String> {
    let scaling = section(spec);
    let in_place = not_in_place.map(|why| format!("mode InPlace: {why}, so the Pods are restarted"));
    let places = |resources: &Option<PodResources>| {
        let resources = resources.as_ref();
        resources.is_some_and(|it| it.node_selection_policy.is_some() || it.topology.is_some())
    };
    let all = [
        (spec.memory_policy.is_some(), "memoryPolicy"),
        (
            places(&scaling.postgres),
            "postgres.nodeSelectionPolicy and topology (spec.podTemplate of the Postgres places Pods)",
        ),
        (
            scaling.coordinator.is_some(),
            "coordinator (there is no such container)",
        ),
        (scaling.arbiter.is_some(), "arbiter (there is none)"),
        (!scaling.read_replicas.is_empty(), "readReplicas (there are none)"),
        (
            scaling.exporter.is_some() && !has_exporter,
            "exporter (the Postgres has no spec.monitor)",
        ),
    ];
    let others = all.into_iter().filter(|(is_there, _)| *is_there);
    let others = others.map(|(_, words)| words.to_owned());
    in_place.into_iter().chain(others).collect()
}

/// Whether the containers are to get the resources while they run.
pub fn is_in_place(spec: &PostgresOpsRequestSpec) -> bool {
    let modes = [spec.mode.clone(), section(spec).mode];
    modes.into_iter().flatten().any(|mode| mode == MODE_IN_PLACE)
}

fn section(spec: &PostgresOpsRequestSpec) -> VerticalScalingRequest {
    spec.vertical_scaling.clone().unwrap_or_default()
}

/// The requested resources, with the name in the section: of `postgres`, of `exporter`.
fn asked(scaling: &VerticalScalingRequest) -> [Option<(&'static str, &ResourceRequirements)>; 2] {
    let postgres = scaling.postgres.as_ref().and_then(|it| it.resources.as_ref());
    let exporter = scaling.exporter.as_ref().and_then(|it| it.resources.as_ref());
    let something = |resources: &&ResourceRequirements| **resources != ResourceRequirements::default();
    [
        postgres.filter(something).map(|it| ("postgres", it)),
        exporter.filter(something).map(|it| ("exporter", it)),
    ]
}

fn amounts_are_plausible(container: &str, resources: &ResourceRequirements) -> Result<(), String> {
    if resources.claims.iter().flatten().next().is_some() {
        return Err(format!(
            "spec.verticalScaling.{container}.resources.claims is not acted on; take it out"
        ));
    }
    for (list, amounts) in [("requests", &resources.requests), ("limits", &resources.limits)] {
        for (name, quantity) in amounts.iter().flatten() {
            is_plausible(name, quantity)
                .map_err(|why| format!("spec.verticalScaling.{container}.resources.{list}.{name}: {why}"))?;
        }
    }
    requests_fit_limits(container, resources)
}

fn is_plausible(name: &str, quantity: &Quantity) -> Result<(), String> {
    let text = &quantity.0;
    let Some(thousandths) = thousandths(quantity) else {
        return Err(format!("{text:?} is no amount; write for example 500m or 2Gi"));
    };
    if thousandths <= 0 {
        return Err(format!("{text} is nothing; write what the container is to have"));
    }
    match name {
        "memory" if amount(quantity).is_none_or(|bytes| bytes < LEAST_MEMORY) => Err(format!(
            "{text} is less memory than a process needs; write for example 512Mi or 2Gi"
        )),
        "cpu" if thousandths > MOST_PROCESSORS => Err(format!(
            "{text} are more processors than a node has; write for example 500m or 2"
        )),
        _ => Ok(()),
    }
}

/// The API server refuses a Pod whose request exceeds its limit.
fn requests_fit_limits(container: &str, resources: &ResourceRequirements) -> Result<(), String> {
    let limits = resources.limits.iter().flatten();
    for (name, limit) in limits {
        let request = resources.requests.as_ref().and_then(|all| all.get(name));
        if let Some(request) = request
            && thousandths(request) > thousandths(limit)
        {
            return Err(format!(
                "the request of {name} of the container {container} would be {}, more than its limit of {}; write \
                 limits.{name} too, or a smaller request",
                request.0, limit.0
            ));
        }
    }
    Ok(())
}

/// The requested resources over those in force. An amount that only differs in spelling stays.
fn merged(now: &ResourceRequirements, asked: &ResourceRequirements) -> ResourceRequirements {
    let over = |now: &Amounts, asked: &Amounts| {
        let mut all = now.clone().unwrap_or_default();
        for (name, quantity) in asked.iter().flatten() {
            if !all.get(name).is_some_and(|found| is_same(found, quantity)) {
                all.insert(name.clone(), quantity.clone());
            }
        }
        (!all.is_empty()).then_some(all)
    };
    ResourceRequirements {
        requests: over(&now.requests, &asked.requests),
        limits: over(&now.limits, &asked.limits),
        claims: now.claims.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(section: &str) -> PostgresOpsRequestSpec {
        let text =
            format!("{{databaseRef: {{name: pg}}, type: VerticalScaling, verticalScaling: {section}}}");
        serde_yaml::from_str(&text).expect("a request")
    }

    fn resources(yaml: &str) -> ResourceRequirements {
        serde_yaml::from_str(yaml).expect("resources")
    }

    #[test]
    fn a_request_that_makes_no_sense_is_refused_with_what_to_write() {
        for (section, words) in [
            ("{}", "postgres.resources"),
            ("{postgres: {}}", "postgres.resources"),
            ("{postgres: {resources: {}}}", "postgres.resources"),
            (
                "{coordinator: {resources: {limits: {cpu: 1}}}}",
                "nothing that the members have",
            ),
            (
                "{arbiter: {resources: {limits: {cpu: 1}}}}",
                "nothing that the members have",
            ),
            (
                "{postgres: {resources: {limits: {memory: 512m}}}}",
                "spec.verticalScaling.postgres.resources.limits.memory: 512m is less memory",
            ),
            (
                "{postgres: {resources: {limits: {cpu: 500Mi}}}}",
                "write for example 500m or 2",
            ),
            ("{postgres: {resources: {requests: {cpu: 0}}}}", "0 is nothing"),
            (
                "{exporter: {resources: {requests: {cpu: -1}}}}",
                "exporter.resources.requests.cpu: -1 is nothing",
            ),
            (
                "{postgres: {resources: {requests: {cpu: much}}}}",
                "\"much\" is no amount",
            ),
            (
                "{postgres: {resources: {requests: {memory: 2Gi}, limits: {memory: 2000Mi}}}}",
                "the request of memory of the container postgres would be 2Gi, more than its limit of 2000Mi",
            ),
            (
                "{postgres: {resources: {claims: [{name: gpu}], limits: {cpu: 1}}}}",
                "claims is not acted on",
            ),
            (
                "{mode: Later, postgres: {resources: {limits: {cpu: 1}}}}",
                "write Restart or InPlace",
            ),
        ] {
            let refused = check(&spec(section)).expect_err(section);
            assert!(refused.contains(words), "{section}: {refused}");
        }
        for good in [
            "{postgres: {resources: {requests: {memory: 1Gi, cpu: '1'}, limits: {memory: 1Gi, cpu: '1'}}}}",
            "{mode: InPlace, postgres: {resources: {limits: {cpu: 700m}}}, coordinator: {resources: {limits: {cpu: 1}}}}",
            "{exporter: {resources: {limits: {memory: 300Mi}}}}",
        ] {
            assert_eq!(check(&spec(good)), Ok(()), "{good}");
        }
    }

    #[test]
    fn what_is_not_named_stays_and_what_is_the_same_is_not_rewritten() {
        let now = resources("{requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 1Gi}}");
        for (asked, expected) in [
            (
                "{limits: {memory: 2Gi}}",
                "{requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 2Gi}}",
            ),
            (
                "{requests: {cpu: '0.5', memory: 1024Mi}, limits: {cpu: 2}}",
                "{requests: {cpu: 500m, memory: 1Gi}, limits: {cpu: 2, memory: 1Gi}}",
            ),
            (
                "{}",
                "{requests: {cpu: 500m, memory: 1Gi}, limits: {memory: 1Gi}}",
            ),
        ] {
            assert_eq!(merged(&now, &resources(asked)), resources(expected), "{asked}");
        }
        let raised = merged(&now, &resources("{requests: {memory: 2Gi}}"));
        let refused = requests_fit_limits("postgres", &raised).expect_err("no limit was raised");
        assert!(refused.contains("write limits.memory too"), "{refused}");
    }

    #[test]
    fn what_nothing_acts_on_is_named() {
        let all = "{mode: InPlace, postgres: {topology: {key: a, value: b}, resources: {limits: {cpu: 1}}}, \
                   coordinator: {}, arbiter: {}, exporter: {}, readReplicas: [{name: a}]}";
        let named = not_acted_on(&spec(all), false, Some("it is impossible")).join("; ");
        for word in [
            "InPlace",
            "topology",
            "coordinator",
            "arbiter",
            "exporter",
            "readReplicas",
        ] {
            assert!(named.contains(word), "{word}: {named}");
        }
        let mut newer = spec("{postgres: {resources: {limits: {cpu: 1}}}, exporter: {}}");
        assert_eq!(not_acted_on(&newer, true, None), Vec::<String>::new());
        assert!(!is_in_place(&newer));
        newer.mode = Some(MODE_IN_PLACE.into());
        assert!(is_in_place(&newer), "KubeDB's newer spelling");
    }
}
