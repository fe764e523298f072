//! The clock of one member. The nodes of a local cluster share kernel and clock, so a library shifts what Patroni and PostgreSQL
//! of that member read.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::Postgres;
use api_types::vocabulary::POSTGRES_CONTAINER;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{Instant, sleep_until};

use super::Ground;
use super::members::run;
use crate::cluster::{FIELD_MANAGER, TestNamespace};
use crate::manifests;
use crate::members::Member;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/histories/faults/clock.c");
const NAME: &str = "clock";
/// A whole hour, ahead or behind.
const FARTHEST: i64 = 3600;

/// Clocks that can be shifted.
pub struct Clocks;

impl Clocks {
    /// Compiles the library and puts it into the namespace; `None` without a C compiler.
    ///
    /// # Errors
    /// It does not compile.
    pub async fn prepare(namespace: &TestNamespace) -> Result<Option<Self>> {
        let path = std::env::temp_dir().join(format!("{}-clock.so", namespace.name));
        let mut command = Command::new("cc");
        command
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .arg(&path)
            .args([SOURCE, "-ldl"]);
        let Ok(output) = command.output().await else {
            return Ok(None);
        };
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let library = BASE64_STANDARD.encode(std::fs::read(&path)?);
        std::fs::remove_file(&path)?;
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": NAME },
                          "binaryData": { "clock.so": library } });
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let maps = namespace.api::<ConfigMap>();
        maps.patch(NAME, &params, &Patch::Apply(map)).await?;
        Ok(Some(Self))
    }

    /// Has the members load the library.
    ///
    /// # Errors
    /// The manifest is none.
    pub fn add_to(&self, postgres: &mut Postgres) -> Result<()> {
        let mut whole = serde_json::to_value(&*postgres)?;
        let template = &mut whole["spec"]["podTemplate"]["spec"];
        let volumes = json!({ "volumes": [
            { "name": NAME, "configMap": { "name": NAME } },
            { "name": "clock-offset", "emptyDir": {} },
        ]});
        manifests::laid_over(template, &volumes);
        let containers = template["containers"].as_array_mut().context("containers")?;
        let is_postgres = |container: &&mut Value| container["name"] == POSTGRES_CONTAINER;
        let container = containers.iter_mut().find(is_postgres).context("the container")?;
        let loaded = json!({
            "env": [{ "name": "LD_PRELOAD", "value": "/clock/clock.so" }],
            "volumeMounts": [
                { "name": NAME, "mountPath": "/clock" },
                { "name": "clock-offset", "mountPath": "/clock-offset" },
            ],
        });
        manifests::laid_over(container, &loaded);
        *postgres = serde_json::from_value(whole)?;
        Ok(())
    }
}

/// Shifts it, and puts it right again.
pub(super) async fn shift(ground: &Ground<'_>, member: &Member, long: Duration, number: u32) -> Result<bool> {
    let end = Instant::now() + long;
    let seconds = i64::from(number) % (2 * FARTHEST) - FARTHEST;
    if !ground.has_clocks || run(ground, member, &write(seconds)).await.is_err() {
        return Ok(false);
    }
    sleep_until(end).await;
    // A Pod that was replaced meanwhile has the right time.
    let _ = run(ground, member, &write(0)).await;
    Ok(true)
}

/// Writes the eight bytes in place, since processes share them. The file is never shorter.
fn write(seconds: i64) -> String {
    let bytes = |number: i64| -> String {
        number
            .to_le_bytes()
            .iter()
            .map(|byte| format!("\\{byte:03o}"))
            .collect()
    };
    format!(
        "cd /clock-offset && [ -e seconds ] || {{ printf '{}' >new && mv new seconds; }} && \
         printf '{}' | dd of=seconds bs=8 conv=notrunc status=none",
        bytes(0),
        bytes(seconds)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_told_by_eight_bytes_in_the_machines_order() {
        assert!(write(1).contains(r"'\001\000\000\000\000\000\000\000'"));
        assert!(write(-1).contains(r"'\377\377\377\377\377\377\377\377'"));
    }

    #[test]
    fn members_load_the_library() {
        let mut postgres: Postgres = manifests::parse(manifests::HA_POSTGRES).expect("a manifest");
        Clocks.add_to(&mut postgres).expect("a manifest");
        let text = serde_json::to_string(&postgres.spec).expect("JSON");
        assert!(
            text.contains("/clock/clock.so") && text.contains("\"cpu\":\"50m\""),
            "{text}"
        );
    }
}
