//! Metrics of databases. Unlike the process' metrics these carry the database's name: there are few databases, and an
//! expiring certificate without its name helps nobody.

use api_types::Postgres;
use api_types::cert_manager::Certificate;
use api_types::postgres::DatabasePhase;
use kube::ResourceExt;
use runtime::Metrics;
use runtime::prometheus::{self, GaugeVec, IntGaugeVec, Opts};

use crate::child::Child;
use crate::decide::issuer;
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
    phase: IntGaugeVec,
    paused: IntGaugeVec,
    expiry: GaugeVec,
    served: GaugeVec,
    issuer_ca_changed: IntGaugeVec,
}

impl DatabaseMetrics {
    /// Registers the gauges.
    ///
    /// # Errors
    /// When a gauge of the same name is registered already.
    pub fn register(metrics: &Metrics) -> Result<Self, prometheus::Error> {
        let gauges = Self {
            phase: IntGaugeVec::new(
                Opts::new(
                    "sealwright_database_phase",
                    "1 for the phase that a database is in, else 0.",
                ),
                &["namespace", "database", "phase"],
            )?,
            paused: IntGaugeVec::new(
                Opts::new(
                    "sealwright_databases_paused",
                    "1 while somebody holds the pause of a database.",
                ),
                &["namespace", "database"],
            )?,
            expiry: GaugeVec::new(
                Opts::new(
                    "sealwright_certificate_expiry_timestamp_seconds",
                    "When a database's certificate ends, as cert-manager issued it; Unix time.",
                ),
                &["namespace", "database", "certificate"],
            )?,
            served: GaugeVec::new(
                Opts::new(
                    "sealwright_served_certificate_expiry_timestamp_seconds",
                    "When the certificate ends that a member really serves; Unix time.",
                ),
                &["namespace", "database", "member"],
            )?,
            issuer_ca_changed: IntGaugeVec::new(
                Opts::new(
                    "sealwright_issuer_ca_changed",
                    "1 while the issuer of a database signs with another CA than that of its server certificate.",
                ),
                &["namespace", "database"],
            )?,
        };
        metrics.register(gauges.issuer_ca_changed.clone())?;
        metrics.register(gauges.phase.clone())?;
        metrics.register(gauges.paused.clone())?;
        metrics.register(gauges.expiry.clone())?;
        metrics.register(gauges.served.clone())?;
        Ok(gauges)
    }

    /// Takes the values of one look at a database.
    pub fn observe(&self, world: &World, phase: Option<DatabasePhase>) {
        let (namespace, name) = (world.namespace(), world.name());
        for each in PHASES {
            let value = i64::from(phase == Some(each));
            self.phase
                .with_label_values(&[namespace, name, each.as_str()])
                .set(value);
        }
        self.paused
            .with_label_values(&[namespace, name])
            .set(world.paused_by().is_some().into());
        if let Secrets::Read(secrets) = &world.secrets {
            self.issuer_ca_changed
                .with_label_values(&[namespace, name])
                .set(issuer::replaced(world, secrets).is_some().into());
        }
        for child in &world.live {
            if let Child::Certificate(certificate) = child {
                self.issued(namespace, name, certificate);
            }
        }
        for (pod, member) in world.health.iter().flat_map(|report| &report.members) {
            if let Some(served) = &member.served {
                self.served
                    .with_label_values(&[namespace, name, pod])
                    .set(seconds(served.not_after));
            }
        }
    }

    fn issued(&self, namespace: &str, name: &str, certificate: &Certificate) {
        let ends = certificate
            .status
            .as_ref()
            .and_then(|status| status.not_after.as_ref());
        if let Some(ends) = ends {
            self.expiry
                .with_label_values(&[namespace, name, &certificate.name_any()])
                .set(seconds(ends.0));
        }
    }

    /// Forgets a database that is gone.
    pub fn forget(&self, world: &World) {
        let (namespace, name) = (world.namespace(), world.name());
        for phase in PHASES {
            // Absent is what we want.
            let _ = self.phase.remove_label_values(&[namespace, name, phase.as_str()]);
        }
        let _ = self.paused.remove_label_values(&[namespace, name]);
        let _ = self.issuer_ca_changed.remove_label_values(&[namespace, name]);
        for alias in api_types::tls::CertificateAlias::ALL {
            let certificate = api_types::names::certificate(name, alias);
            let _ = self.expiry.remove_label_values(&[namespace, name, &certificate]);
        }
        for ordinal in 0..members(&world.postgres) {
            let _ =
                self.served
                    .remove_label_values(&[namespace, name, &api_types::names::pod(name, ordinal)]);
        }
    }
}

fn members(postgres: &Postgres) -> i32 {
    postgres.spec.replicas.unwrap_or(1)
}

/// Unix time; an f64 holds whole seconds exactly for the next hundred million years.
#[allow(clippy::cast_precision_loss)]
fn seconds(time: jiff::Timestamp) -> f64 {
    time.as_second() as f64
}
