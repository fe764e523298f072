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

/// How far a running container may be from its Pod's spec, one part in this many.
const PRECISION: i64 = 50;
/// The least processor time that a node gives, in thousandths of a processor.
const LEAST_PROCESSOR_TIME: i64 = 10;

/// The amount in whole units (bytes for memory); none when it is no quantity.
pub fn amount(quantity: &Quantity) -> Option<i64> {
    whole(number(quantity)?)
}

/// The amount in thousandths of a unit, as processors are counted; none when it is no quantity.
pub fn thousandths(quantity: &Quantity) -> Option<i64> {
    whole((number(quantity)? * 1000.0).round())
}

/// Whether two amounts are the same, however they are written.
pub fn is_same(one: &Quantity, other: &Quantity) -> bool {
    one == other || thousandths(one).is_some() && thousandths(one) == thousandths(other)
}

/// Whether an amount of a container that runs is the wanted one: a node counts processor time in slices and memory in pages.
pub fn is_near(found: &Quantity, wanted: &Quantity) -> bool {
    match (thousandths(found), thousandths(wanted)) {
        (Some(found), Some(wanted)) => {
            (found - wanted).abs() <= (wanted / PRECISION).max(LEAST_PROCESSOR_TIME)
        }
        _ => false,
    }
}

/// Whether these resources have each of the wanted amounts; what is wanted of nothing does not count.
pub fn has_all(
    has: Option<&ResourceRequirements>,
    wanted: &ResourceRequirements,
    is_it: fn(&Quantity, &Quantity) -> bool,
) -> bool {
    let holds = |has: Option<&BTreeMap<String, Quantity>>, wanted: &Option<BTreeMap<String, Quantity>>| {
        let mut wanted = wanted.iter().flatten();
        wanted.all(|(name, amount)| {
            let found = has.and_then(|all| all.get(name));
            found.is_some_and(|found| is_it(found, amount))
        })
    };
    holds(has.and_then(|it| it.requests.as_ref()), &wanted.requests)
        && holds(has.and_then(|it| it.limits.as_ref()), &wanted.limits)
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

#[cfg(test)]
mod tests {
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
            assert_eq!(amount(&Quantity(text.to_owned())), expected, "{text}");
        }
    }

    #[test]
    fn the_same_amount_in_two_ways_is_one_number() {
        let thousandths = |text: &str| thousandths(&Quantity(text.to_owned()));
        assert_eq!(thousandths("0.7"), Some(700));
        assert_eq!(thousandths("700m"), thousandths("0.7"));
        assert_eq!(thousandths("1024Mi"), thousandths("1Gi"));
        assert_eq!(thousandths("much"), None);
    }

    #[test]
    fn resources_have_what_is_wanted_in_any_spelling_and_may_have_more() {
        let resources = |yaml: &str| serde_yaml::from_str::<ResourceRequirements>(yaml).expect("resources");
        let has = resources("{requests: {cpu: '1', memory: 1Gi}, limits: {memory: 1Gi}}");
        for (wanted, expected) in [
            ("{}", true),
            ("{requests: {cpu: 1000m}}", true),
            ("{requests: {cpu: 1000m}, limits: {memory: 1024Mi}}", true),
            ("{limits: {cpu: 1}}", false),
            ("{requests: {cpu: 2}}", false),
        ] {
            assert_eq!(
                has_all(Some(&has), &resources(wanted), is_same),
                expected,
                "{wanted}"
            );
        }
        let (nothing, one) = (resources("{}"), resources("{limits: {cpu: 1}}"));
        assert!(has_all(None, &nothing, is_same) && !has_all(None, &one, is_same));
        let counted = resources("{requests: {cpu: 1002m, memory: '1073737728'}}");
        let wanted = resources("{requests: {cpu: 1, memory: 1Gi}}");
        assert!(has_all(Some(&counted), &wanted, is_near) && !has_all(Some(&counted), &wanted, is_same));
    }
}
