//! A database with its applications, one operation on it, and the judgement afterwards.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::ops_request::{ApplyOption, TlsRestart};
use api_types::tls::{CertificateAlias, ClientAuthMode, SslMode};
use api_types::{AppBinding, Postgres, PostgresOpsRequest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::time::Instant;

use super::row::{End, Row};
use crate::cluster::TestNamespace;
use crate::failover::{self, REJOIN_TIMEOUT};
use crate::poll::{self, Look};
use crate::writer::{Choice, Mark, Writer};
use crate::{checks, hold, manifests, members, pki, requests, wait};

const PROVISIONING_TIMEOUT: Duration = Duration::from_secs(240);
/// Longest time until a phase is reached.
const STEP_TIMEOUT: Duration = Duration::from_secs(120);
/// Longest time until an operation has ended, faults included.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(300);
/// Longest time until the database is as it should be, after the end.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(120);

/// The database before the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One member.
    Standalone,
    /// Three members.
    Three,
    /// Three members; commits wait for a standby, so that a lost primary costs no acknowledged row.
    Synchronous,
}

/// The five operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Add TLS.
    Add,
    /// Issue every certificate anew.
    Rotate,
    /// Move to another issuer.
    ChangeIssuer,
    /// Change what the certificates say.
    ChangeCertificates,
    /// Take TLS away.
    Remove,
}

impl Operation {
    /// All five, in an order in which each finds what it needs.
    pub const ALL: [Self; 5] = [
        Self::Add,
        Self::Rotate,
        Self::ChangeIssuer,
        Self::ChangeCertificates,
        Self::Remove,
    ];

    /// Its name in the table.
    pub fn title(self) -> &'static str {
        match self {
            Self::Add => "add TLS",
            Self::Rotate => "rotate",
            Self::ChangeIssuer => "change issuer",
            Self::ChangeCertificates => "change certificates",
            Self::Remove => "remove TLS",
        }
    }

    pub(super) fn manifest(self) -> &'static str {
        match self {
            Self::Add => manifests::ADD_TLS,
            Self::Rotate => manifests::ROTATE_TLS,
            Self::ChangeIssuer => manifests::CHANGE_ISSUER,
            Self::ChangeCertificates => manifests::UPDATE_CERTIFICATES,
            Self::Remove => manifests::REMOVE_TLS,
        }
    }
}

/// A database, and the applications that use it.
pub struct Scene {
    /// Where.
    pub namespace: TestNamespace,
    /// Its name.
    pub database: &'static str,
    /// The applications.
    pub writer: Writer,
    has_standbys: bool,
}

impl Scene {
    /// Makes the database, with TLS or without, and starts the applications.
    pub async fn new(namespace: &TestNamespace, shape: Shape, tls: bool) -> Result<Self> {
        let database = Self::database(namespace, shape, tls).await?;
        Self::with_applications(namespace, database, None).await
    }

    /// Makes the database only.
    pub async fn database(namespace: &TestNamespace, shape: Shape, tls: bool) -> Result<&'static str> {
        Self::database_as(namespace, shape, tls, |_| {}).await
    }

    /// As [`Scene::database`], with something changed.
    pub async fn database_as(
        namespace: &TestNamespace,
        shape: Shape,
        tls: bool,
        change: impl FnOnce(&mut Postgres),
    ) -> Result<&'static str> {
        requests::issuers(namespace).await?;
        let (database, manifest) = match shape {
            Shape::Standalone => ("standalone", manifests::STANDALONE),
            Shape::Three | Shape::Synchronous => ("ha-postgres", manifests::HA_POSTGRES),
        };
        manifests::create_postgres(namespace, manifest, |postgres| {
            if tls {
                serve_tls(postgres);
            }
            if shape == Shape::Synchronous {
                failover::synchronous(postgres);
            }
            change(postgres);
        })
        .await?;
        wait::database_ready(&namespace.api(), database, PROVISIONING_TIMEOUT).await?;
        Ok(database)
    }

    /// Starts the applications, on a node if one is given.
    pub async fn with_applications(
        namespace: &TestNamespace,
        database: &'static str,
        node: Option<&str>,
    ) -> Result<Self> {
        let choice = Choice {
            companions: true,
            node,
            ..Choice::MEASURING
        };
        let writer = Writer::start(namespace, database, choice).await?;
        let has_standbys = members::list(namespace, database).await?.len() > 1;
        Ok(Self {
            namespace: namespace.clone(),
            database,
            writer,
            has_standbys,
        })
    }

    /// Begins to measure, without a request.
    pub async fn measure(&self, title: &str) -> Result<Trial<'_>> {
        Ok(Trial {
            scene: self,
            name: String::new(),
            title: title.to_owned(),
            begin: Instant::now(),
            mark: self.writer.mark().await?,
            before: self.namespace.api().get(self.database).await?,
        })
    }

    /// Asks for an operation that restarts nothing by itself. A step that is not done within `timeout` is given up.
    pub async fn ask(&self, operation: Operation, timeout: &str) -> Result<Trial<'_>> {
        self.ask_as(
            operation,
            &Asked {
                timeout,
                ..Asked::default()
            },
        )
        .await
    }

    /// Asks for an operation.
    pub async fn ask_as(&self, operation: Operation, asked: &Asked<'_>) -> Result<Trial<'_>> {
        let mut trial = self.measure(operation.title()).await?;
        trial.name = self.create(operation, asked).await?;
        if asked.restart != TlsRestart::Auto {
            trial.title += ", restart";
        }
        Ok(trial)
    }

    /// Looks at a request that was created before.
    pub async fn watch(&self, name: &str, title: &str) -> Result<Trial<'_>> {
        let trial = self.measure(title).await?;
        Ok(Trial {
            name: name.to_owned(),
            ..trial
        })
    }

    /// Creates a request; returns its name.
    pub async fn create(&self, operation: Operation, asked: &Asked<'_>) -> Result<String> {
        let mut request: PostgresOpsRequest = manifests::parse(operation.manifest())?;
        let name = format!(
            "{}-{:04x}",
            request.metadata.name.unwrap_or_default(),
            rand::random::<u16>()
        );
        request.metadata.name = Some(name.clone());
        request.spec.database_ref.name = self.database.to_owned();
        request.spec.timeout = Some(asked.timeout.to_owned());
        request.spec.apply = Some(asked.apply);
        if let Some(tls) = &mut request.spec.tls {
            tls.restart = Some(asked.restart);
        }
        requests::create_as_is(&self.namespace, &request).await?;
        Ok(name)
    }
}

/// How an operation is asked for.
pub struct Asked<'a> {
    /// `spec.timeout`.
    pub timeout: &'a str,
    /// `spec.tls.restart`.
    pub restart: TlsRestart,
    /// `spec.apply`.
    pub apply: ApplyOption,
}

impl Default for Asked<'_> {
    fn default() -> Self {
        Self {
            timeout: "3m",
            restart: TlsRestart::Auto,
            apply: ApplyOption::IfReady,
        }
    }
}

/// The settings that [`Operation::Add`] asks for.
fn serve_tls(postgres: &mut Postgres) {
    postgres.spec.ssl_mode = Some(SslMode::VerifyFull);
    postgres.spec.client_auth_mode = Some(ClientAuthMode::Cert);
    postgres.spec.tls = Some(manifests::plain_tls());
}

/// An operation that runs.
pub struct Trial<'a> {
    scene: &'a Scene,
    /// Name of the request.
    pub name: String,
    title: String,
    begin: Instant,
    mark: Mark,
    before: Postgres,
}

impl Trial<'_> {
    /// Waits until a step is persisted; errors when the request has ended by then: a fault would come too late.
    pub async fn reached(&self, step: &str) -> Result<PostgresOpsRequest> {
        let api = self.scene.namespace.api::<PostgresOpsRequest>();
        let reached = |request: &PostgresOpsRequest| {
            let conditions = request.status.iter().flat_map(|status| &status.conditions);
            request.has_ended() || conditions.into_iter().any(|c| c.type_ == step && c.is_true())
        };
        let request = wait::until(&api, &self.name, step, STEP_TIMEOUT, reached).await?;
        ensure!(
            !request.has_ended(),
            "it ended before {step} was seen: {}",
            wait::last_words(&request)
        );
        Ok(request)
    }

    /// Errors when the request ends within this time.
    pub async fn stays_open(&self, long: Duration) -> Result<()> {
        let api = self.scene.namespace.api::<PostgresOpsRequest>();
        match wait::request_ended(&api, &self.name, long).await {
            Ok(request) => anyhow::bail!("it ended too early: {}", wait::last_words(&request)),
            Err(_) => Ok(()),
        }
    }

    /// What the spec says now is what it must say afterwards.
    pub async fn expect_spec_as_it_is(&mut self) -> Result<()> {
        self.before = self.scene.namespace.api().get(self.scene.database).await?;
        Ok(())
    }

    /// Waits for the end of the request and judges it.
    pub async fn end(&self, fault: &str, expected: &[End]) -> Result<Row> {
        let api = self.scene.namespace.api::<PostgresOpsRequest>();
        let (ended, words) = match wait::request_ended(&api, &self.name, OPERATION_TIMEOUT).await {
            Ok(request) => (End::of(&request), wait::last_words(&request)),
            Err(error) => (End::Never, format!("{error:#}")),
        };
        self.judge(fault, ended, expected, &words).await
    }

    /// Judges an end that was seen.
    pub async fn judge(&self, fault: &str, ended: End, expected: &[End], words: &str) -> Result<Row> {
        let duration = self.begin.elapsed();
        let mut row = Row {
            duration,
            ..Row::bare(fault, &self.title, &ended.to_string())
        };
        eprintln!(
            "{}: {fault}: {}: {ended}: {words}",
            self.scene.namespace.name, self.title
        );
        if !expected.contains(&ended) {
            let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
            row.trouble.push(format!(
                "ended \"{ended}\" where \"{}\" is expected: {words}",
                expected.join("\" or \"")
            ));
        }
        if let Err(error) = self.settle(&ended).await {
            row.trouble.push(format!("afterwards: {error:#}"));
        }
        if let Err(error) = self.measure(&mut row).await {
            row.trouble.push(format!("not measured: {error:#}"));
        }
        Ok(row)
    }

    /// The database is Ready, nobody holds it, applications work, and every member shows what the published CAs vouch for.
    async fn settle(&self, ended: &End) -> Result<()> {
        let Scene {
            namespace,
            database,
            writer,
            ..
        } = self.scene;
        hold::released(namespace, database, SETTLE_TIMEOUT).await?;
        wait::database_ready(&namespace.api(), database, SETTLE_TIMEOUT).await?;
        if self.scene.has_standbys {
            failover::all_stream(namespace, database, REJOIN_TIMEOUT).await?;
        }
        poll::until(
            "agreement of spec, members and applications",
            SETTLE_TIMEOUT,
            Duration::from_secs(1),
            || async { self.agree(ended).await.map(Look::Found) },
        )
        .await?;
        let now = writer.mark().await?;
        writer.wait_for_rows(now).await?;
        let postgres: Postgres = namespace.api().get(database).await?;
        if postgres.spec.tls.is_some() {
            poll::until(
                "a new verify-full connection",
                REJOIN_TIMEOUT,
                Duration::from_millis(300),
                || async {
                    let probes = writer.probes_since(now).await?.all();
                    Ok(if probes.made > probes.failed() {
                        Look::Found(())
                    } else {
                        Look::NotYet(format!("{:?}", probes.errors))
                    })
                },
            )
            .await?;
        }
        Ok(())
    }

    async fn agree(&self, ended: &End) -> Result<()> {
        let Scene {
            namespace, database, ..
        } = self.scene;
        let postgres = checks::at_peace(namespace, database).await?;
        if matches!(ended, End::RolledBack | End::Refused) {
            ensure!(postgres.spec == self.before.spec, "the spec is not as it was");
        }
        let all = members::list(namespace, database).await?;
        if postgres.spec.tls.is_none() {
            for member in &all {
                let served = members::served(namespace, &member.name).await?;
                ensure!(served.is_none(), "{} still serves TLS", member.name);
            }
            return Ok(());
        }
        let binding: AppBinding = namespace.api().get(database).await?;
        let bundle = binding
            .spec
            .client_config
            .ca_bundle
            .context("AppBinding: no caBundle")?;
        let bundle = BASE64_STANDARD.decode(bundle)?;
        let host = format!("{database}.{}.svc", namespace.name);
        let mut leaves = Vec::new();
        for member in &all {
            let served = members::served_verified(namespace, &member.name, &bundle, &host).await?;
            leaves.push(served.fingerprint);
        }
        leaves.dedup();
        ensure!(leaves.len() == 1, "members serve different certificates");
        if *ended == End::Successful {
            let secret = pki::certificate(namespace, database, CertificateAlias::Server).await?;
            ensure!(
                leaves[0] == secret.leaf.fingerprint,
                "members serve another certificate than the Secret's"
            );
        }
        Ok(())
    }

    async fn measure(&self, row: &mut Row) -> Result<()> {
        let writer = &self.scene.writer;
        let (acknowledged, lost) = writer.lost().await?;
        row.rows = Some((acknowledged, lost.len()));
        if let Some(first) = lost.first() {
            row.trouble.push(format!(
                "{} acknowledged rows are lost, first {first}",
                lost.len()
            ));
        }
        row.gap = Some(writer.since(self.mark).await?.longest_gap);
        row.probes = writer.probes_since(self.mark).await?.all();
        if self.scene.has_standbys {
            row.reads = Some(writer.reads_since(self.mark).await?);
        }
        let errors = row
            .probes
            .errors
            .iter()
            .chain(row.reads.iter().flat_map(|r| &r.errors));
        for (message, count) in errors {
            eprintln!("{}: {count} × {message}", self.scene.namespace.name);
        }
        Ok(())
    }
}
