//! Rotation of the superuser's password.

use anyhow::Result;
use api_types::Postgres;
use serde_json::json;

use super::PROVISIONING_TIMEOUT;
use super::changes::{self, Change};
use super::samples::Samples;
use crate::cluster::TestNamespace;
use crate::progress::Narrator;
use crate::story::Stage;
use crate::writer::{Choice, Writer};
use crate::{manifests, wait};

const DATABASE: &str = "ha-postgres";

/// Returns how many rows were acknowledged. The application logs in again every second, and learns the new password from the Secret:
/// its failed writes and its gap are what a rotation costs an application that keeps no session.
pub(super) async fn measure(
    namespace: &TestNamespace,
    rounds: usize,
    samples: &mut Samples,
) -> Result<usize> {
    if rounds == 0 {
        return Ok(0);
    }
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |_| {}).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    let narrator = Narrator::silent();
    let writer = Writer::start(namespace, DATABASE, Choice::MEASURING).await?;
    let stage = Stage {
        namespace,
        database: DATABASE,
        narrator: &narrator,
        writer: Some(&writer),
    };
    for round in 0..rounds {
        let change = Change {
            title: "rotate the superuser's password",
            type_: "RotateAuth",
            section: json!({}),
        };
        changes::perform(&stage, &change, &format!("rotate-auth-{round}"), samples).await?;
    }
    writer.finish().await
}
