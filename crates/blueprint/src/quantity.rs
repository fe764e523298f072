//! Amounts as Kubernetes writes them.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// Suffixes and what they multiply by; the longest match comes first.
const SUFFIXES: [(&str, f64); 13] = [
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
    ("m", 0.001),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
];

/// The amount in whole units (bytes for memory); none when it is no quantity.
pub fn amount(quantity: &Quantity) -> Option<i64> {
    bytes(quantity)
}

/// The memory limit in bytes; none when there is no limit, or it is no quantity.
pub(crate) fn memory_limit(resources: &ResourceRequirements) -> Option<i64> {
    bytes(resources.limits.as_ref()?.get("memory")?)
}

/// The amount in thousandths of a unit, as processors are counted; none when it is no quantity.
pub fn thousandths(quantity: &Quantity) -> Option<i64> {
    whole((number(quantity)? * 1000.0).round())
}

/// The same, by the unit that it has for memory.
pub(crate) fn bytes(quantity: &Quantity) -> Option<i64> {
    whole(number(quantity)?)
}

fn number(quantity: &Quantity) -> Option<f64> {
    let text = quantity.0.trim();
    if let Ok(number) = text.parse::<f64>() {
        return Some(number);
    }
    let (suffix, factor) = SUFFIXES.iter().find(|(suffix, _)| text.ends_with(suffix))?;
    let number: f64 = text.strip_suffix(suffix)?.parse().ok()?;
    Some(number * factor)
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "checked against the range just before"
)]
fn whole(number: f64) -> Option<i64> {
    // Every f64 below 2^63 fits.
    (number.is_finite() && number.abs() < 9.2e18).then_some(number as i64)
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
    fn amounts_of_every_kind() {
        for (text, expected) in [
            ("1Gi", Some(1 << 30)),
            ("1.5Mi", Some(1_572_864)),
            ("500M", Some(500_000_000)),
            ("1e3", Some(1000)),
            ("128974848", Some(128_974_848)),
            ("128974848000m", Some(128_974_848)),
            ("lots", None),
            ("", None),
        ] {
            assert_eq!(bytes(&Quantity(text.to_owned())), expected, "{text}");
        }
    }

    #[test]
    fn the_same_amount_in_two_ways_is_one_number() {
        let amount = |text: &str| thousandths(&Quantity(text.to_owned()));
        assert_eq!(amount("0.7"), Some(700));
        assert_eq!(amount("700m"), amount("0.7"));
        assert_eq!(amount("1024Mi"), amount("1Gi"));
        assert_eq!(amount("much"), None);
    }

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
