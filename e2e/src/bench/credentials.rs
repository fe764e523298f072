//! Rotation of the superuser's password.

use anyhow::Result;
use serde_json::json;

use super::changes::{self, Change};
use super::samples::Samples;
use crate::cluster::TestNamespace;

/// Returns how many rows were acknowledged. The application logs in again every second, and learns the new password from the Secret:
/// its failed writes and its gap are what a rotation costs an application that keeps no session.
pub(super) async fn measure(
    namespace: &TestNamespace,
    rounds: usize,
    samples: &mut Samples,
) -> Result<usize> {
    let rotations = (0..rounds).map(|_| Change {
        title: "rotate the superuser's password",
        type_: "RotateAuth",
        section: json!({}),
    });
    changes::one_after_the_other(namespace, |_| {}, rotations, samples).await
}
