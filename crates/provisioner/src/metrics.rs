//! Metrics of databases. Unlike the process' metrics these carry the database's name: there are few databases, and an
//! expiring certificate without its name is of no use.

use api_types::cert_manager::Certificate;
use api_types::condition;
use api_types::postgres::{DatabasePhase, PostgresStatus, conditions as types};
use api_types::reported;
use api_types::tls::CertificateAlias;
use blueprint::KeyPair;
use kube::ResourceExt;
use runtime::{Metrics, Sample, Series, exact, prometheus, unix_seconds};

use crate::child::Child;
use crate::health::Member;
use crate::world::{Secrets, World};

/// Every phase, so that a phase that ended reads 0.
const PHASES: [DatabasePhase; 7] = [
    DatabasePhase::Provisioning,
    DatabasePhase::DataRestoring,
    DatabasePhase::Ready,
    DatabasePhase::Critical,
    DatabasePhase::NotReady,
    DatabasePhase::Halted,
    DatabasePhase::Unknown,
];

/// Gauges per database.
#[derive(Clone)]
pub struct DatabaseMetrics {
    phase: Series,
    paused: Series,
    paused_since: Series,
    expiry: Series,
    served: Series,
    matches: Series,
    sessions: Series,
    issuer_ca_changed: Series,
    bad: Series,
    volumes: VolumeMetrics,
}

/// Gauges per member: its volume.
#[derive(Clone)]
struct VolumeMetrics {
    size: Series,
    used: Series,
    wal: Series,
}

impl VolumeMetrics {
    fn register(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let gauge =
            |name: &str, help: &str| Series::new(metrics, name, help, &["namespace", "database", "member"]);
        Ok(Self {
            size: gauge(
                "sealwright_volume_size_bytes",
                "Size of a member's volume, as its claim asks for it.",
            )?,
            used: gauge(
                "sealwright_volume_used_bytes",
                "Bytes of a member's volume that its data, WAL and log files take.",
            )?,
            wal: gauge("sealwright_wal_bytes", "Size of a member's WAL.")?,
        })
    }

    fn observe(&self, world: &World) {
        let bytes = |bytes: Option<u64>| bytes.and_then(|bytes| i64::try_from(bytes).ok()).map(exact);
        let size = |member: &Member| known(member, bytes(member.volume_bytes));
        self.size.replace(&world.key(), of_members(world, size));
        let used = |member: &Member| known(member, bytes(member.used_bytes()));
        self.used.replace(&world.key(), of_members(world, used));
        let wal = |member: &Member| known(member, bytes(member.wal.as_ref().map(|wal| wal.bytes)));
        self.wal.replace(&world.key(), of_members(world, wal));
    }
}

impl DatabaseMetrics {
    /// Registers the gauges.
    ///
    /// # Errors
    /// When a gauge of the same name is registered already.
    pub fn register(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            let labels = [&["namespace", "database"], labels].concat();
            Series::new(metrics, name, help, &labels)
        };
        Ok(Self {
            phase: gauge(
                "sealwright_database_phase",
                "1 for the phase that a database is in, else 0.",
                &["phase"],
            )?,
            paused: gauge(
                "sealwright_databases_paused",
                "1 while somebody holds the pause of a database.",
                &[],
            )?,
            paused_since: gauge(
                "sealwright_database_paused_since_timestamp_seconds",
                "When a database that is paused now was paused; Unix time.",
                &[],
            )?,
            expiry: gauge(
                "sealwright_certificate_expiry_timestamp_seconds",
                "When a database's certificate ends, as cert-manager issued it; Unix time.",
                &["certificate"],
            )?,
            served: gauge(
                "sealwright_served_certificate_expiry_timestamp_seconds",
                "When the certificate ends that a member really serves; Unix time.",
                &["member"],
            )?,
            matches: gauge(
                "sealwright_served_certificate_matches_secret",
                "1 when a member serves the certificate of the database's server Secret, 0 when it serves another.",
                &["member"],
            )?,
            sessions: gauge(
                "sealwright_application_sessions",
                "Sessions of applications over TCP that a member has, with and without TLS.",
                &["member", "tls"],
            )?,
            bad: gauge(
                "sealwright_database_condition_bad",
                "1 for each condition of a database whose status means that something is wrong, with its reason.",
                &["condition", "reason"],
            )?,
            volumes: VolumeMetrics::register(metrics)?,
            issuer_ca_changed: gauge(
                "sealwright_issuer_ca_changed",
                "1 while the issuer of a database signs with another CA than that of its server certificate.",
                &[],
            )?,
        })
    }

    /// Takes the values of one observation of a database, and of the status that followed from it.
    pub fn observe(&self, world: &World, status: &PostgresStatus) {
        let phase = |each: DatabasePhase| (Some(each.as_str()), f64::from(status.phase == Some(each)));
        self.phase.replace(
            &world.key(),
            PHASES.map(phase).map(|(l, v)| sample(world, l, Some(v))),
        );
        let paused = f64::from(world.paused_by().is_some());
        self.paused
            .replace(&world.key(), [sample(world, None, Some(paused))]);
        self.paused_since
            .replace(&world.key(), paused_since(world, status));
        self.expiry.replace(&world.key(), issued(world));
        let served = |member: &Member| {
            known(
                member,
                member.served.as_ref().map(|it| unix_seconds(it.not_after)),
            )
        };
        self.served.replace(&world.key(), of_members(world, served));
        let leaf = issued_leaf(world);
        let matches = |member: &Member| {
            let serves = member.served.as_ref();
            let matches = serves.map(|it| leaf.as_ref().map(|leaf| f64::from(it.fingerprint == *leaf)));
            known(member, matches.flatten())
        };
        self.matches.replace(&world.key(), of_members(world, matches));
        self.sessions.replace(&world.key(), sessions(world));
        self.volumes.observe(world);
        let changed = f64::from(condition::is_true(&status.conditions, types::ISSUER_CA_CHANGED));
        self.issuer_ca_changed
            .replace(&world.key(), [sample(world, None, Some(changed))]);
        self.bad.replace(&world.key(), bad_conditions(world, status));
    }

    /// Forgets a database that is gone.
    pub fn forget(&self, world: &World) {
        for series in [
            &self.phase,
            &self.paused,
            &self.paused_since,
            &self.expiry,
            &self.served,
            &self.matches,
            &self.sessions,
            &self.issuer_ca_changed,
            &self.bad,
            &self.volumes.size,
            &self.volumes.used,
            &self.volumes.wal,
        ] {
            series.replace(&world.key(), []);
        }
    }
}

fn sample<'a>(world: &'a World, labels: impl IntoIterator<Item = &'a str>, value: Option<f64>) -> Sample {
    let database = [world.namespace(), world.name()];
    let labels = database.into_iter().chain(labels);
    (labels.map(str::to_owned).collect(), value)
}

fn paused_since(world: &World, status: &PostgresStatus) -> Option<Sample> {
    let since = status.paused_by.as_ref()?.since.0;
    Some(sample(world, None, Some(unix_seconds(since))))
}

/// By the table of conditions (`api_types::reported`), so that a new condition needs no rule of its own.
fn bad_conditions(world: &World, status: &PostgresStatus) -> Vec<Sample> {
    let conditions = status.conditions.iter();
    let bad = conditions.filter(|it| reported::POSTGRES.is_bad(&it.type_, &it.status));
    bad.map(|it| {
        let labels = [it.type_.as_str(), it.reason.as_deref().unwrap_or_default()];
        sample(world, labels, Some(1.0))
    })
    .collect()
}

fn issued(world: &World) -> Vec<Sample> {
    let ends = |certificate: &Certificate| {
        let ends = certificate.status.as_ref()?.not_after.as_ref()?;
        Some(sample(
            world,
            [certificate.name_any().as_str()],
            Some(unix_seconds(ends.0)),
        ))
    };
    let certificates = world.live.iter().filter_map(|child| match child {
        Child::Certificate(certificate) => ends(certificate),
        _ => None,
    });
    certificates.collect()
}

/// Fingerprint of the leaf in the server certificate's Secret.
fn issued_leaf(world: &World) -> Option<String> {
    let Secrets::Read(secrets) = &world.secrets else {
        return None;
    };
    let secret = secrets.certificates.get(&CertificateAlias::Server)?;
    KeyPair::of_issued(secret)?.fingerprint()
}

/// The value of a member that responded, if it has it. The value of one that could not be probed is not known.
fn known(member: &Member, value: Option<f64>) -> Option<Option<f64>> {
    match (value, &member.problem) {
        (Some(value), _) => Some(Some(value)),
        (None, Some(_)) => Some(None),
        (None, None) => None,
    }
}

/// A series for each member that has one, of the Pods that exist.
fn of_members(world: &World, value: impl Fn(&Member) -> Option<Option<f64>>) -> Vec<Sample> {
    let members = world.checked_members();
    members
        .filter_map(|(pod, member)| Some(sample(world, [pod], value(member)?)))
        .collect()
}

fn sessions(world: &World) -> Vec<Sample> {
    let of_member = |(pod, member): (&str, &Member)| {
        let counted = member.sessions.as_ref();
        let by_tls = [
            ("true", counted.map(|it| it.encrypted)),
            ("false", counted.map(|it| it.plaintext)),
        ];
        by_tls.map(|(tls, count)| sample(world, [pod, tls], count.map(exact)))
    };
    world.checked_members().flat_map(of_member).collect()
}
