//! Expansion of the members' volumes, online.

use anyhow::Result;
use serde_json::json;

use super::changes::{self, Change};
use super::samples::Samples;
use crate::cluster::TestNamespace;
use crate::volumes;

/// Mebibytes: what a volume has at first, and by how much each run makes it larger.
const FIRST: usize = 1024;
const GROWTH: usize = 64;

/// Returns how many rows were acknowledged.
pub(super) async fn measure(
    namespace: &TestNamespace,
    rounds: usize,
    samples: &mut Samples,
) -> Result<usize> {
    if !volumes::are_expandable(&namespace.client).await? {
        return Ok(0);
    }
    let expansions = (1..=rounds).map(|round| {
        let size = format!("{}Mi", FIRST + GROWTH * round);
        Change {
            title: "expand three volumes, online",
            type_: "VolumeExpansion",
            section: json!({"volumeExpansion": {"mode": "Online", "postgres": size}}),
        }
    });
    let expandable = |postgres: &mut _| volumes::of_class(postgres, volumes::EXPANDABLE);
    changes::one_after_the_other(namespace, expandable, expansions, samples).await
}
