//! Changes of parameters, of resources, of the number of members and of the minor version, and the return of a standby.

use anyhow::{Context, Result, ensure};
use api_types::Postgres;
use api_types::vocabulary::POSTGRES_CONTAINER;
use serde_json::{Value, json};

use super::PROVISIONING_TIMEOUT;
use super::samples::Samples;
use crate::cluster::TestNamespace;
use crate::progress::Narrator;
use crate::story::{self, Stage};
use crate::writer::{Choice, Writer};
use crate::{failover, manifests, members, report, requests, shell, wait};

const DATABASE: &str = "ha-postgres";
/// Before a request of this type a standby is damaged, so that there is something to bring back.
const RECONNECT_STANDBY: &str = "ReconnectStandby";

/// A request of a round: its title, its type and its section. Each leaves the database so that the next round changes something.
pub(super) struct Change {
    pub(super) title: &'static str,
    pub(super) type_: &'static str,
    pub(super) section: Value,
}

/// One round.
fn changes() -> Vec<Change> {
    let change = |title, type_, section| Change {
        title,
        type_,
        section,
    };
    let reconfigure = |title, conf: &str| {
        let section = json!({"configuration": {"applyConfig": {"user.conf": conf}}});
        change(title, "Reconfigure", section)
    };
    let resize = |title, mode: &str, cpu: &str, memory: &str| {
        let resources = json!({"requests": {"cpu": cpu, "memory": "128Mi"}, "limits": {"memory": memory}});
        let section = json!({"verticalScaling": {"mode": mode, "postgres": {"resources": resources}}});
        change(title, "VerticalScaling", section)
    };
    let scale = |title, count: i32| {
        change(
            title,
            "HorizontalScaling",
            json!({"horizontalScaling": {"replicas": count}}),
        )
    };
    let update = |title, version: &str| {
        change(
            title,
            "UpdateVersion",
            json!({"updateVersion": {"targetVersion": version}}),
        )
    };
    let (reload, restart) = ("reconfigure, by a reload", "reconfigure, PostgreSQL restarts");
    let (in_place, memory) = ("resize in place, processors", "resize in place, memory");
    vec![
        reconfigure(reload, "work_mem = 8MB"),
        reconfigure(reload, "work_mem = 5MB"),
        reconfigure(restart, "max_connections = 120"),
        reconfigure(
            "reconfigure, a lower value, PostgreSQL restarts",
            "max_connections = 100",
        ),
        resize(in_place, "InPlace", "40m", "448Mi"),
        resize(in_place, "InPlace", "50m", "448Mi"),
        resize(memory, "InPlace", "50m", "512Mi"),
        resize(memory, "InPlace", "50m", "448Mi"),
        resize("resize, by a rolling restart", "Restart", "45m", "480Mi"),
        scale("scale 3 to 5", 5),
        scale("scale 5 to 3", 3),
        update("update to another minor version", "17.11"),
        update("update to another minor version", "17.9"),
        change(
            "reconnect a standby, by a copy of the primary's data",
            RECONNECT_STANDBY,
            json!({"reconnectStandby": {"readyTimeOut": "5s"}, "apply": "Always"}),
        ),
    ]
}

/// Returns how many rows were acknowledged.
pub(super) async fn measure(
    namespace: &TestNamespace,
    rounds: usize,
    samples: &mut Samples,
) -> Result<usize> {
    let all = (0..rounds).flat_map(|_| changes());
    one_after_the_other(namespace, |_| {}, all, samples).await
}

/// Changes of a database of its own, beside an application that writes. Returns how many rows were acknowledged.
pub(super) async fn one_after_the_other(
    namespace: &TestNamespace,
    adapt: impl FnOnce(&mut Postgres),
    changes: impl IntoIterator<Item = Change>,
    samples: &mut Samples,
) -> Result<usize> {
    let mut changes = changes.into_iter().enumerate().peekable();
    if changes.peek().is_none() {
        return Ok(0);
    }
    manifests::create_postgres(namespace, manifests::HA_POSTGRES, adapt).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    let narrator = Narrator::silent();
    let writer = Writer::start(namespace, DATABASE, Choice::MEASURING).await?;
    let stage = Stage {
        namespace,
        database: DATABASE,
        narrator: &narrator,
        writer: Some(&writer),
    };
    for (number, change) in changes {
        if change.type_ == RECONNECT_STANDBY {
            spoil_a_standby(namespace).await?;
        }
        perform(&stage, &change, &format!("change-{number}"), samples).await?;
    }
    writer.finish().await
}

async fn perform(stage: &Stage<'_>, change: &Change, name: &str, samples: &mut Samples) -> Result<()> {
    let request = requests::of(name, stage.database, change.type_, &change.section)?;
    let yaml = serde_json::to_string(&request)?;
    let performed = story::perform(stage, change.title, &yaml, name).await?;
    eprintln!(
        "{name}: {}: {}",
        change.title,
        report::seconds(performed.duration)
    );
    samples.add_performed(change.title, &performed);
    Ok(())
}

/// A standby whose control file is damaged: PostgreSQL does not start with it, so a restart is no help.
async fn spoil_a_standby(namespace: &TestNamespace) -> Result<()> {
    failover::all_stream(namespace, DATABASE, failover::REJOIN_TIMEOUT).await?;
    let all = members::list(namespace, DATABASE).await?;
    let standby = all.into_iter().find(|member| !member.is_primary());
    spoil(namespace, &standby.context("a standby")?.name).await
}

/// Damages the control file of a member and ends its PostgreSQL.
///
/// # Errors
/// When the member can't be reached.
pub async fn spoil(namespace: &TestNamespace, pod: &str) -> Result<()> {
    let data = members::sql(namespace, pod, "show data_directory").await?;
    ensure!(data.starts_with('/'), "{data}");
    let damage = format!(
        "dd if=/dev/zero of={data}/global/pg_control bs=512 count=1 conv=notrunc && kill -9 $(head -1 {data}/postmaster.pid)"
    );
    let command = ["sh", "-c", &damage];
    shell::output_of(&namespace.pods(), pod, POSTGRES_CONTAINER, &command)
        .await
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_a_request_and_differs_from_the_one_before() {
        let all = changes();
        for pair in all.windows(2) {
            assert_ne!(pair[0].section, pair[1].section, "{}", pair[1].title);
        }
        for change in all {
            requests::of("r", DATABASE, change.type_, &change.section).expect(change.title);
        }
    }
}
