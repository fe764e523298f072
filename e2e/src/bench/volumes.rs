//! Expansion of the members' volumes, online.

use anyhow::Result;
use api_types::Postgres;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::Api;
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
/// A class whose volumes have a real size, and grow.
const EXPANDABLE: &str = "expand";
/// Mebibytes: what a volume has at first, and by how much each run makes it larger.
const FIRST: usize = 1024;
const GROWTH: usize = 64;

/// Returns how many rows were acknowledged.
pub(super) async fn measure(
    namespace: &TestNamespace,
    rounds: usize,
    samples: &mut Samples,
) -> Result<usize> {
    let classes: Api<StorageClass> = Api::all(namespace.client.clone());
    if rounds == 0 || classes.get_opt(EXPANDABLE).await?.is_none() {
        eprintln!("volumes are not expanded: no rounds, or no StorageClass {EXPANDABLE}");
        return Ok(0);
    }
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, |postgres| {
        let storage = postgres.spec.storage.get_or_insert_default();
        storage.storage_class_name = Some(EXPANDABLE.to_owned());
    })
    .await?;
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
        let size = format!("{}Mi", FIRST + GROWTH * (round + 1));
        let change = Change {
            title: "expand three volumes, online",
            type_: "VolumeExpansion",
            section: json!({"volumeExpansion": {"mode": "Online", "postgres": size}}),
        };
        changes::perform(&stage, &change, &format!("expand-{round}"), samples).await?;
    }
    writer.finish().await
}
