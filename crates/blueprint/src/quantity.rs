//! Amounts as Kubernetes writes them.

use std::collections::BTreeMap;

use api_types::quantity::amount;
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// The memory limit in bytes; none when there is no limit, or it is no quantity.
pub(crate) fn memory_limit(resources: &ResourceRequirements) -> Option<i64> {
    amount(resources.limits.as_ref()?.get("memory")?)
}

/// A resource and how much of it.
pub(crate) fn amount_of(resource: &str, quantity: &str) -> (String, Quantity) {
    (resource.to_owned(), Quantity(quantity.to_owned()))
}

/// What is given, and the defaults of each resource about which nothing is given. A request and a limit of one resource belong
/// together: a default limit below a given request would be refused.
pub(crate) fn with_defaults(
    given: Option<&ResourceRequirements>,
    defaults: ResourceRequirements,
) -> ResourceRequirements {
    let Some(given) = given else { return defaults };
    let is_given = |name: &String| {
        let lists = [&given.requests, &given.limits].into_iter().flatten();
        lists.into_iter().any(|list| list.contains_key(name))
    };
    let filled = |list: &Option<BTreeMap<String, Quantity>>, defaults: Option<BTreeMap<String, Quantity>>| {
        let mut all = list.clone().unwrap_or_default();
        all.extend(defaults.into_iter().flatten().filter(|(name, _)| !is_given(name)));
        (!all.is_empty()).then_some(all)
    };
    ResourceRequirements {
        requests: filled(&given.requests, defaults.requests),
        limits: filled(&given.limits, defaults.limits),
        claims: given.claims.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_are_for_resources_that_nothing_is_said_about() {
        let parse = |text: serde_json::Value| serde_json::from_value::<ResourceRequirements>(text).unwrap();
        let defaults =
            json!({"requests": {"cpu": "1", "memory": "2"}, "limits": {"cpu": "3", "memory": "4"}});
        let table = [
            (json!({}), defaults.clone()),
            (
                json!({"limits": {"cpu": "9"}}),
                json!({"requests": {"memory": "2"}, "limits": {"cpu": "9", "memory": "4"}}),
            ),
            (
                json!({"requests": {"memory": "9"}}),
                json!({"requests": {"cpu": "1", "memory": "9"}, "limits": {"cpu": "3"}}),
            ),
            (
                json!({"requests": {"ephemeral-storage": "9"}}),
                json!({"requests": {"cpu": "1", "memory": "2", "ephemeral-storage": "9"}, "limits": {"cpu": "3", "memory": "4"}}),
            ),
            (
                json!({"requests": {"cpu": "8"}, "limits": {"memory": "9"}}),
                json!({"requests": {"cpu": "8"}, "limits": {"memory": "9"}}),
            ),
        ];
        for (given, expected) in table {
            let found = with_defaults(Some(&parse(given.clone())), parse(defaults.clone()));
            assert_eq!(serde_json::to_value(found).unwrap(), expected, "{given}");
        }
        assert_eq!(with_defaults(None, parse(defaults.clone())), parse(defaults));
    }
}
