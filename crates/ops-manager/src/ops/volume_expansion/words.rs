//! The texts of an expansion in its plan, and of what it waits for.

use api_types::ops_request::{VolumePlan, VolumeSize};

use crate::volumes::world::Claim;

const UNITS: [(&str, i64); 4] = [("Ti", 1 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)];

/// What is different afterwards.
pub fn change(plan: &VolumePlan) -> String {
    format!("volumes {} → {}", size(&plan.before), size(&plan.after))
}

/// What becomes of a member.
pub fn of_member(claim: &Claim, plan: &VolumePlan, is_offline: bool) -> String {
    let meanwhile = if is_offline {
        "its Pod is away"
    } else {
        "it is in use"
    };
    match claim.capacity {
        Some(capacity) if super::preflight::is_enough(capacity, plan) => {
            format!("its volume has {} already", bytes(capacity))
        }
        Some(capacity) => format!(
            "its volume grows from {} to {} while {meanwhile}",
            bytes(capacity),
            size(&plan.after)
        ),
        None => "its claim has no volume yet".into(),
    }
}

/// What of the service is missing while Pods are away.
pub fn downtime(members: i32) -> &'static str {
    if members <= 1 {
        "the database is down while its volume grows: it has one member"
    } else {
        "one member at a time is down while its volume grows; writes stop during the switchover"
    }
}

/// A size as it is written.
pub fn size(size: &VolumeSize) -> &str {
    size.storage.as_ref().map_or("none", |size| size.0.as_str())
}

/// Bytes as Kubernetes writes them, in the largest unit that loses nothing.
pub fn bytes(bytes: i64) -> String {
    let whole = |(_, unit): &&(&str, i64)| bytes >= *unit && bytes % unit == 0;
    match UNITS.iter().find(whole) {
        Some((name, unit)) => format!("{}{name}", bytes / unit),
        None => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_without_loss() {
        for (amount, words) in [(2 << 30, "2Gi"), (1536 << 20, "1536Mi"), (1000, "1000"), (0, "0")] {
            assert_eq!(bytes(amount), words);
        }
    }
}
