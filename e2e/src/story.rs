//! One operation on one database, from the request's YAML to its end, with everything that was seen meanwhile.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::condition::Condition;
use api_types::ops_request::OpsRequestPhase;
use api_types::{Postgres, PostgresOpsRequest};
use kube::ResourceExt;
use tokio::time::Instant;

use crate::attempts::Probes;
use crate::cluster::TestNamespace;
use crate::history::{self, History};
use crate::progress::{self, Narrator};
use crate::served::Served;
use crate::writer::{Stretch, Writer};
use crate::{members, requests, wait};

/// Longest time of an operation here; a three-member operation takes a fraction of it.
pub const OPERATION_TIMEOUT: Duration = Duration::from_secs(300);
/// Longest time from the end of an operation until the database is reported Ready.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(60);

/// Where operations happen and who watches.
pub struct Stage<'a> {
    /// The namespace of the database.
    pub namespace: &'a TestNamespace,
    /// The database.
    pub database: &'a str,
    /// Tells each step.
    pub narrator: &'a Narrator,
    /// An application that writes meanwhile.
    pub writer: Option<&'a Writer>,
}

/// A performed operation.
#[derive(Clone, Debug)]
pub struct Performed {
    /// For the report.
    pub title: String,
    /// The request at its end.
    pub request: PostgresOpsRequest,
    /// From the creation of the request to its end.
    pub duration: Duration,
    /// The steps in their order, and when each was seen done, since the creation of the request.
    pub steps: Vec<(String, Duration)>,
    /// What happened to the Pods.
    pub history: History,
    /// What the writer saw.
    pub stretch: Option<Stretch>,
    /// What new `verify-full` connections came to, if somebody made them.
    pub probes: Probes,
    /// What each member served before.
    pub before: BTreeMap<String, Option<Served>>,
    /// What each member serves now.
    pub after: BTreeMap<String, Option<Served>>,
}

impl Performed {
    /// Pods that were replaced.
    pub fn pods_restarted(&self) -> usize {
        self.history.replaced.len()
    }
}

/// Performs a request of this manifest under this name, and waits until it is Successful and the database Ready.
pub async fn perform(stage: &Stage<'_>, title: &str, yaml: &str, name: &str) -> Result<Performed> {
    let performed = try_to_perform(stage, title, yaml, name).await?;
    let phase = performed.request.phase();
    ensure!(
        phase == Some(OpsRequestPhase::Successful),
        "{title}: request {name} ended {phase:?}: {}",
        wait::last_words(&performed.request)
    );
    let api = stage.namespace.api::<Postgres>();
    wait::database_ready(&api, stage.database, SETTLE_TIMEOUT)
        .await
        .with_context(|| format!("{title}: after the end"))?;
    Ok(performed)
}

/// As [`perform`], whatever the end.
pub async fn try_to_perform(stage: &Stage<'_>, title: &str, yaml: &str, name: &str) -> Result<Performed> {
    let Stage {
        namespace,
        database,
        narrator,
        writer,
    } = stage;
    narrator.chapter(title);
    let before = served_by_all(stage).await?;
    let recorder = history::record(namespace, database).await?;
    let mark = match writer {
        Some(writer) => Some(writer.mark().await?),
        None => None,
    };
    let begin = Instant::now();
    let request = requests::create(namespace, yaml, name, database).await?;
    narrator.say(&format!(
        "request {} created ({})",
        request.name_any(),
        request.spec.type_.as_str()
    ));
    let api = namespace.api::<PostgresOpsRequest>();
    let steps = RefCell::default();
    let ended = |request: &PostgresOpsRequest| {
        note_steps(&mut steps.borrow_mut(), request, begin.elapsed());
        request.has_ended()
    };
    let request = progress::follow(narrator, &api, name, OPERATION_TIMEOUT, ended)
        .await
        .context(title.to_owned())?;
    let duration = begin.elapsed();
    let (stretch, probes) = match (writer, mark) {
        (Some(writer), Some(mark)) => {
            let probes = writer.probes_since(mark).await?;
            // The gap that the end of the operation left open must be closed before it is measured.
            writer.wait_for_rows(writer.mark().await?).await?;
            (Some(writer.since(mark).await?), probes)
        }
        _ => (None, Probes::default()),
    };
    let history = recorder.finish().await?;
    let after = served_by_all(stage).await?;
    narrator.say(&format!("ended after {:.1} s", duration.as_secs_f64()));
    Ok(Performed {
        title: title.to_owned(),
        request,
        duration,
        steps: steps.into_inner(),
        history,
        stretch,
        probes,
        before,
        after,
    })
}

/// Notes the steps that are done now and were not before. Parts of steps have a Pod or a database in their name.
fn note_steps(steps: &mut Vec<(String, Duration)>, request: &PostgresOpsRequest, now: Duration) {
    let is_step = |c: &&Condition| c.reason.as_deref() == Some(c.type_.as_str()) && c.type_ != "Successful";
    for condition in request
        .conditions()
        .iter()
        .filter(is_step)
        .filter(|c| c.is_true())
    {
        if !steps.iter().any(|(step, _)| *step == condition.type_) {
            steps.push((condition.type_.clone(), now));
        }
    }
}

async fn served_by_all(stage: &Stage<'_>) -> Result<BTreeMap<String, Option<Served>>> {
    let mut served = BTreeMap::new();
    for member in members::list(stage.namespace, stage.database).await? {
        let what = members::served(stage.namespace, &member.name).await?;
        served.insert(member.name, what);
    }
    Ok(served)
}
