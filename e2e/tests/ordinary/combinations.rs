//! Two inputs at once, chosen by a seed (`SEED`, `PAIRS`): each is taken or refused as it is alone, and what was refused heals
//! by its own correction.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use api_types::postgres::{DatabasePhase, DeletionPolicy};
use api_types::{AppBinding, Postgres, condition};
use e2e::client::{self, VERIFY_FULL_PASSWORD};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::inputs::{self, Deed, Fact, Given, Input, Refused};
use e2e::poll::{self, Look};
use e2e::{manifests, members, pki, requests, shell, wait};
use futures::StreamExt;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use crate::{PROVISIONING_TIMEOUT, REPORT_TIMEOUT, edit, healed, table};

/// Pairs of a run that does not say how many: `make ordinary` says.
const PAIRS: usize = 0;
/// Databases at once.
const SIDE_BY_SIDE: usize = 2;
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Settings that win over what the inputs set for everybody.
const OWN_SETTINGS: [&str; 5] = [
    "default_transaction_read_only=off",
    "statement_timeout=0",
    "lock_timeout=0",
    "role=none",
    "search_path=pg_catalog",
];
/// The same, of PostgreSQL 17 and later.
const OWN_SETTINGS_OF_17: [&str; 3] = [
    "transaction_timeout=0",
    "idle_session_timeout=0",
    "event_triggers=off",
];
const KEPT: &str = "SELECT answer FROM keep.kept";

#[tokio::test(flavor = "multi_thread")]
async fn two_inputs_at_once_are_each_taken_or_refused_as_they_are_alone() -> Result<()> {
    let major = major()?;
    let all = inputs::all(major);
    let seed = variable("SEED")?.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    let count = variable("PAIRS")?
        .and_then(|count| usize::try_from(count).ok())
        .unwrap_or(PAIRS);
    eprintln!("SEED={seed} PAIRS={count} repeats these pairs");
    let goes = |first: usize, second: usize| all[first].goes_with(all[second]);
    let chosen = inputs::pairs(all.len(), goes, seed, count);
    ensure!(chosen.len() == count, "there are only {} pairs", chosen.len());
    let runs = chosen.into_iter().map(|(first, second)| {
        let pair = [all[first], all[second]];
        let name = format!("{} + {}", pair[0].name, pair[1].name);
        table::of_input(name.clone(), async move {
            one(pair, major)
                .await
                .with_context(|| format!("SEED={seed}: {name}"))
        })
    });
    let mut outcomes = futures::stream::iter(runs).buffer_unordered(SIDE_BY_SIDE);
    let mut wrong = Vec::new();
    while let Some(outcome) = outcomes.next().await {
        wrong.extend(outcome.err().map(|error| format!("{error:#}")));
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn variable(name: &str) -> Result<Option<u64>> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty());
    text.map(|text| text.parse().with_context(|| format!("{name}={text}")))
        .transpose()
}

/// Major version of the databases that are made.
fn major() -> Result<u32> {
    let version = match std::env::var(manifests::VERSION) {
        Ok(version) => version,
        Err(_) => manifests::parse::<Postgres>(manifests::STANDALONE)?.spec.version,
    };
    let major = version.split('.').next().unwrap_or_default();
    major.parse().with_context(|| version.clone())
}

async fn one(pair: [&'static Input; 2], major: u32) -> Result<()> {
    in_namespace("pair", |namespace| async move {
        let began = Instant::now();
        let pair = Pair::create(namespace, pair, major).await?;
        pair.correct().await?;
        pair.serves().await?;
        pair.root("CREATE SCHEMA keep").await?;
        pair.root("CREATE TABLE keep.kept AS SELECT 42 AS answer").await?;
        for input in pair.inputs {
            if let Given::Sql { statements, .. } = &input.given {
                for statement in *statements {
                    pair.root(statement)
                        .await
                        .with_context(|| (*statement).to_owned())?;
                }
            }
        }
        for input in pair.inputs {
            if let Given::Done(deed) = &input.given {
                pair.perform(*deed).await.with_context(|| input.name.to_owned())?;
                pair.serves().await?;
                pair.facts().await?;
            }
        }
        pair.facts().await?;
        pair.a_client_logs_in().await?;
        table::healed(began.elapsed())
    })
    .await
}

/// A database with two inputs.
struct Pair {
    namespace: TestNamespace,
    name: String,
    inputs: [&'static Input; 2],
    major: u32,
}

impl Pair {
    async fn create(namespace: TestNamespace, inputs: [&'static Input; 2], major: u32) -> Result<Self> {
        let mut postgres = serde_json::to_value(manifests::parse::<Postgres>(manifests::STANDALONE)?)?;
        if let Ok(version) = std::env::var(manifests::VERSION) {
            postgres["spec"]["version"] = json!(version);
        }
        for input in inputs {
            if let Given::Written(written) = &input.given {
                manifests::laid_over(&mut postgres, &(written.over)());
                manifests::apply(&namespace, written.objects).await?;
            }
        }
        let postgres: Postgres = serde_json::from_value(postgres)?;
        let name = postgres.name_any();
        namespace.api().create(&PostParams::default(), &postgres).await?;
        Ok(Self {
            namespace,
            name,
            inputs,
            major,
        })
    }

    /// Corrects what is refused, in the order in which the Postgres says it.
    async fn correct(&self) -> Result<()> {
        let mut left: Vec<&Refused> = Vec::new();
        for input in self.inputs {
            if let Given::Written(written) = &input.given {
                left.extend(&written.refused);
            }
        }
        while !left.is_empty() {
            let began = Instant::now();
            let is_said =
                |postgres: &Postgres| left.iter().position(|it| messages(postgres).contains(it.says));
            let waited = left.iter().map(|it| it.says).collect::<Vec<_>>().join(" or ");
            let holds = |postgres: &Postgres| is_said(postgres).is_some();
            let postgres =
                wait::until(&self.namespace.api(), &self.name, &waited, REPORT_TIMEOUT, holds).await?;
            let position = is_said(&postgres).context("a refusal")?;
            let refused = left.remove(position);
            table::said("refused", &messages(&postgres), began.elapsed())?;
            manifests::apply(&self.namespace, refused.objects).await?;
            edit(&self.namespace, &self.name, (refused.edit)()).await?;
            if left.is_empty() {
                healed(&self.namespace, &self.name).await?;
            }
        }
        Ok(())
    }

    async fn serves(&self) -> Result<Postgres> {
        let postgres = wait::database_ready(&self.namespace.api(), &self.name, PROVISIONING_TIMEOUT).await?;
        let text = serde_json::to_string(&postgres.status)?;
        for wrong in ["Status {", "ApiError", "Some("] {
            ensure!(!text.contains(wrong), "{wrong} in {text}");
        }
        Ok(postgres)
    }

    fn own_settings(&self) -> Vec<String> {
        let newer = OWN_SETTINGS_OF_17.iter().filter(|_| self.major >= 17);
        OWN_SETTINGS
            .iter()
            .chain(newer)
            .map(|setting| format!("-c {setting}"))
            .collect()
    }

    /// SQL of the superuser in the primary, whatever the inputs set for everybody.
    async fn root(&self, statement: &str) -> Result<String> {
        let (user, _) = pki::password(&self.namespace, &self.name).await?;
        let pod = members::primary(&self.namespace, &self.name).await?.name;
        let options = self.own_settings().join(" ");
        let script = "PGOPTIONS=$1 exec psql -XAtq -v ON_ERROR_STOP=1 -h /var/run/postgresql -U \"$2\" -d postgres -c \"$3\"";
        let command = ["sh", "-c", script, "sh", &options, &user, statement];
        let said = shell::output_of(&self.namespace.pods(), &pod, "postgres", &command).await?;
        Ok(said.trim_end_matches('\n').to_owned())
    }

    /// Everything that is true of the inputs is true, nothing else is held, and the row is there.
    async fn facts(&self) -> Result<()> {
        let mut held = Vec::new();
        for input in self.inputs {
            let facts = match &input.given {
                Given::Written(written) => written.facts,
                Given::Sql { facts, .. } => *facts,
                Given::Done(_) => &[],
            };
            for fact in facts {
                match fact {
                    Fact::Held(word) => held.push(*word),
                    Fact::Answers(question, answer) => {
                        let found = self.root(question).await?;
                        ensure!(found == *answer, "{question}: {found:?} is not {answer:?}");
                    }
                }
            }
        }
        let found = self.root(KEPT).await?;
        ensure!(found == "42", "the row is {found:?}");
        poll::until(
            "what is held is said, and nothing else",
            REPORT_TIMEOUT,
            POLL_INTERVAL,
            || async {
                let postgres = self.namespace.api::<Postgres>().get(&self.name).await?;
                let said = message(&postgres, "SpecApplied");
                let is_as_expected = said.is_some() != held.is_empty()
                    && held
                        .iter()
                        .all(|word| said.as_deref().unwrap_or_default().contains(word));
                Ok(if is_as_expected {
                    Look::Found(())
                } else {
                    Look::NotYet(format!("SpecApplied: {said:?}"))
                })
            },
        )
        .await
    }

    /// As the AppBinding and the auth Secret say, from a Pod, through the Service.
    async fn a_client_logs_in(&self) -> Result<()> {
        let binding: AppBinding = self.namespace.api().get(&self.name).await?;
        let port = binding
            .spec
            .client_config
            .service
            .context("the AppBinding has no Service")?
            .port;
        let postgres: Postgres = self.namespace.api().get(&self.name).await?;
        let tls = if postgres.spec.tls.is_some() {
            VERIFY_FULL_PASSWORD
        } else {
            "sslmode=disable"
        };
        // A connection string keeps a blank behind a backslash.
        let settings = self.own_settings().join(" ").replace(' ', "\\ ");
        let options = format!("port={port} {tls} options={settings}");
        let attempt = client::connect_once(&self.namespace, &self.name, &options, KEPT).await?;
        let rows = attempt.connected()?;
        ensure!(rows == "42", "the row is {rows:?}");
        Ok(())
    }

    async fn perform(&self, deed: Deed) -> Result<()> {
        let (namespace, name) = (&self.namespace, self.name.as_str());
        match deed {
            Deed::Restart => {
                requests::run(
                    namespace,
                    manifests::RESTART,
                    "restart",
                    name,
                    PROVISIONING_TIMEOUT,
                )
                .await?;
            }
            Deed::Halt => {
                edit(namespace, name, json!({"halted": true})).await?;
                let is_halted = |postgres: &Postgres| {
                    postgres.status.as_ref().and_then(|status| status.phase) == Some(DatabasePhase::Halted)
                };
                wait::until(&namespace.api(), name, "Halted", PROVISIONING_TIMEOUT, is_halted).await?;
                edit(namespace, name, json!({"halted": false})).await?;
            }
            Deed::DeleteAndApply => self.delete_and_apply().await?,
            Deed::LosePod => {
                let primary = members::primary(namespace, name).await?;
                let at_once = DeleteParams::default().grace_period(0);
                namespace.pods().delete(&primary.name, &at_once).await?;
                wait::gone::<Pod>(
                    &namespace.pods(),
                    &primary.name,
                    &primary.uid,
                    PROVISIONING_TIMEOUT,
                )
                .await?;
            }
            Deed::Scale => {
                edit(namespace, name, json!({"replicas": 2})).await?;
                self.serves().await?;
                let streaming = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
                let count = self.root(streaming).await?;
                ensure!(count == "1", "{count} standbys stream");
            }
            Deed::AddAndRotateTls => {
                requests::issuers(namespace).await?;
                for (manifest, request) in
                    [(manifests::ADD_TLS_MD5, "add"), (manifests::ROTATE_TLS, "rotate")]
                {
                    let manifest = manifests::with_restart(manifest, "auto");
                    requests::run(namespace, &manifest, request, name, PROVISIONING_TIMEOUT).await?;
                }
            }
        }
        Ok(())
    }

    async fn delete_and_apply(&self) -> Result<()> {
        let api = self.namespace.api::<Postgres>();
        edit(&self.namespace, &self.name, json!({"deletionPolicy": "Halt"})).await?;
        let live = api.get(&self.name).await?;
        let mut again = Postgres::new(&self.name, live.spec.clone());
        again.metadata.labels = live.metadata.labels.clone();
        again.spec.deletion_policy = Some(DeletionPolicy::WipeOut);
        api.delete(&self.name, &DeleteParams::default()).await?;
        wait::gone(
            &api,
            &self.name,
            &live.uid().unwrap_or_default(),
            PROVISIONING_TIMEOUT,
        )
        .await?;
        api.create(&PostParams::default(), &again).await?;
        Ok(())
    }
}

fn message(postgres: &Postgres, type_: &str) -> Option<String> {
    let conditions = postgres.status.as_ref()?.conditions.as_slice();
    condition::find(conditions, type_)?.message.clone()
}

/// What the Postgres says of its spec and of its members.
fn messages(postgres: &Postgres) -> String {
    let all = ["ProvisioningStarted", "SpecApplied", "Ready"];
    all.iter()
        .filter_map(|type_| message(postgres, type_))
        .collect::<Vec<_>>()
        .join(" ")
}
