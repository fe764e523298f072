//! Amounts as Kubernetes writes them.

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
pub(crate) fn bytes(quantity: &Quantity) -> Option<i64> {
    let text = quantity.0.trim();
    if let Ok(number) = text.parse::<f64>() {
        return whole(number);
    }
    let (suffix, factor) = SUFFIXES.iter().find(|(suffix, _)| text.ends_with(suffix))?;
    let number: f64 = text.strip_suffix(suffix)?.parse().ok()?;
    whole(number * factor)
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
            assert_eq!(bytes(&Quantity(text.to_owned())), expected, "{text}");
        }
    }
}
