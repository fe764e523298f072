//! A Postgres with every setting resolved: defaults filled in, references read, contradictions refused.

use std::collections::BTreeMap;

use api_types::Major;
use api_types::deployed::DeployedVersion;
use api_types::names;
use api_types::ops_request::TlsSettings;
use api_types::pod_template::{ObjectMetaTemplate, PodSpec};
use api_types::postgres::{
    CommitLevel, DeletionPolicy, NamedServiceTemplate, ServiceAlias, StandbyMode, SyncMode,
};
use api_types::tls::{CertificateAlias, CertificateSpec, ClientAuthMode, IssuerRef, SslMode};
use k8s_openapi::api::core::v1::{PersistentVolumeClaimSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use crate::labels;
use crate::members_tls::MemberTls;
use crate::pg::conf::Parameters;
use crate::pg::wal::WalBudget;
use crate::resolve::Invalid;
use crate::tls::TlsInputs;

/// Everything the builders need, without `Option` where a default exists.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// Name of the Postgres.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its UID.
    pub uid: String,
    /// Its labels that children inherit: the user's, without those that Sealwright owns.
    pub user_labels: BTreeMap<String, String>,
    /// Its annotations; the AppBinding copies them.
    pub annotations: BTreeMap<String, String>,
    /// Name of the PostgresVersion (`spec.version`).
    pub version_name: String,
    /// PostgreSQL's own version, for example `17.9`.
    pub version: String,
    /// Major version, for example 17.
    pub major: Major,
    /// Image of the database.
    pub image: String,
    /// Image of the agent that brings members their files.
    pub agent_image: String,
    /// Image of the metrics exporter.
    pub exporter_image: String,
    /// Numeric user and group that PostgreSQL runs as.
    pub run_as_user: i64,
    /// Backup tasks of the version, for the AppBinding (`spec.stash` of the PostgresVersion).
    pub stash: Option<serde_json::Value>,
    /// Number of members.
    pub replicas: i32,
    /// Whether the database is to be down with its data kept.
    pub halted: bool,
    /// What is deleted together with the Postgres.
    pub deletion_policy: DeletionPolicy,
    /// The superuser's role name; also the common name of the client certificate.
    pub username: String,
    /// Secret with the superuser's credentials.
    pub auth_secret: String,
    /// Counts the credentials that have opened the database; none before it is known.
    pub credentials_revision: Option<i64>,
    /// Whether the auth Secret is the user's own: never made, changed or deleted.
    pub auth_externally_managed: bool,
    /// Service account of the Pods.
    pub service_account: String,
    /// Whether that service account is ours to make.
    pub makes_service_account: bool,
    /// The TLS settings as the spec has them, without the defaults.
    pub tls_settings: TlsSettings,
    /// TLS mode of this database's own clients.
    pub ssl_mode: SslMode,
    /// How TCP clients prove who they are.
    pub client_auth_mode: ClientAuthMode,
    /// Where the data is kept.
    pub storage: Storage,
    /// Whether standbys serve reads.
    pub standby_mode: StandbyMode,
    /// Whether a commit waits for standbys.
    pub streaming: Streaming,
    /// Bytes of WAL that a standby may be behind and still be promoted.
    pub maximum_lag: i64,
    /// How much WAL is kept for standbys.
    pub wal_retention: WalRetention,
    /// `max_slot_wal_keep_size` in megabytes; -1 is no limit.
    pub slot_limit: i32,
    /// How much WAL fits a member's volume.
    pub wal_budget: WalBudget,
    /// The TLS switches.
    pub tls: TlsInputs,
    /// What members show each other and the operators on Patroni's REST API; none before it was issued.
    pub member_tls: Option<MemberTls>,
    /// The certificates; empty without `spec.tls`.
    pub certificates: Vec<ResolvedCertificate>,
    /// The metrics exporter.
    pub monitor: Option<Monitor>,
    /// Changes when all Pods have to be recreated.
    pub restart_token: Option<String>,
    /// How health is checked.
    pub health: Health,
    /// The user's `user.conf`, as written.
    pub user_conf: Option<String>,
    /// The spec's inline `user.conf`, as written.
    pub inline_conf: Option<String>,
    /// Both of them, read and without those that are not used; inline wins.
    pub user_parameters: Parameters,
    /// Parameters computed from the size of a member (`spec.configuration.tuning`); the user's win.
    pub tuned: Parameters,
    /// Parameters that the user sets and that are left out, because they are not the user's to decide; each with the reason.
    pub parameters_not_used: Vec<String>,
    /// Why the parameters of the spec are not given to the members, which go on with those they have.
    pub configuration_refused: Vec<Invalid>,
    /// Resources of the `postgres` container.
    pub resources: ResourceRequirements,
    /// What the user changes about the Pods.
    pub pod: PodSettings,
    /// What the user changes about the Services.
    pub service_templates: Vec<NamedServiceTemplate>,
}

/// Where the data is kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Storage {
    /// A claim per member.
    Durable(Box<PersistentVolumeClaimSpec>),
    /// Gone with the Pod.
    Ephemeral,
}

/// Whether a commit waits for standbys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Streaming {
    /// It does not.
    Asynchronous,
    /// It waits for some of them.
    Synchronous(Synchronous),
}

/// Which standbys a commit waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synchronous {
    /// Any of the standbys or the first ones.
    pub mode: SyncMode,
    /// How many of them.
    pub number: i32,
    /// What they have done when they confirm.
    pub commit_level: CommitLevel,
    /// Names of standbys; empty: any standby counts.
    pub standby_names: Vec<String>,
}

/// How much WAL is kept for standbys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WalRetention {
    /// `wal_keep_size` in megabytes.
    KeepSize(i32),
    /// Replication slots, bounded by [`Resolved::slot_limit`].
    Slots,
}

/// One certificate, fully named.
#[derive(Clone, Debug, PartialEq)]
pub struct ResolvedCertificate {
    /// Which one.
    pub alias: CertificateAlias,
    /// Name of the Certificate object.
    pub name: String,
    /// Secret that holds it.
    pub secret_name: String,
    /// Issuer that signs it.
    pub issuer: IssuerRef,
    /// The user's settings for it.
    pub custom: CertificateSpec,
}

/// The metrics exporter.
#[derive(Clone, Debug, PartialEq)]
pub struct Monitor {
    /// `prometheus.io/operator`, `prometheus.io` or `prometheus.io/builtin`.
    pub agent: String,
    /// TCP port of the exporter.
    pub port: i32,
    /// Additional arguments.
    pub args: Vec<String>,
    /// Additional environment.
    pub env: Vec<k8s_openapi::api::core::v1::EnvVar>,
    /// Resources of the exporter's container.
    pub resources: Option<ResourceRequirements>,
    /// Security context the user gives.
    pub security_context: Option<k8s_openapi::api::core::v1::SecurityContext>,
}

/// How health is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// Seconds between checks.
    pub period_seconds: i32,
    /// Seconds that a check may take.
    pub timeout_seconds: i32,
    /// Failed checks in a row until a condition changes.
    pub failure_threshold: i32,
    /// Whether a check writes a row.
    pub write_check: bool,
}

/// What the user changes about the Pods and their PetSet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodSettings {
    /// Labels and annotations of the Pods.
    pub metadata: ObjectMetaTemplate,
    /// Labels and annotations of the PetSet.
    pub controller: ObjectMetaTemplate,
    /// Their specification.
    pub spec: PodSpec,
}

impl Resolved {
    /// The controller owner reference of every child.
    pub fn owner_reference(&self) -> OwnerReference {
        labels::owner_reference(&self.name, &self.uid)
    }

    /// Labels by which the database's Pods are found.
    pub fn selector(&self) -> BTreeMap<String, String> {
        labels::selector(&self.name)
    }

    /// Labels of every child: the selector, the component and the user's.
    pub fn labels(&self) -> BTreeMap<String, String> {
        labels::offshoot(&self.name, &self.user_labels)
    }

    /// The PostgreSQL whose files the members have.
    pub fn deployed_version(&self) -> DeployedVersion {
        DeployedVersion {
            name: self.version_name.clone(),
            major: self.major,
            image: self.image.clone(),
        }
    }

    /// Name of the Secret with the credentials that open the database.
    pub fn auth_in_force_name(&self) -> String {
        names::auth_in_force(&self.name)
    }

    /// Name of the config Secret.
    pub fn config_secret_name(&self) -> String {
        names::config_secret(&self.name, &self.uid)
    }

    /// Secret of a certificate: the user's name for it or the default one, whether or not TLS is on.
    pub fn certificate_secret(&self, alias: CertificateAlias) -> String {
        self.certificates
            .iter()
            .find(|certificate| certificate.alias == alias)
            .map_or_else(
                || names::certificate(&self.name, alias),
                |certificate| certificate.secret_name.clone(),
            )
    }

    /// Names of the members' Pods, by ordinal.
    pub fn pod_names(&self) -> Vec<String> {
        (0..self.replicas)
            .map(|ordinal| names::pod(&self.name, ordinal))
            .collect()
    }

    /// The host name by which a member is reached by the others and by the operators; the server certificate has it.
    pub fn pod_host(&self, pod: &str) -> String {
        names::member_host(&self.name, &self.namespace, pod)
    }

    /// DNS domain of the members: `<db>-pods.<namespace>.svc`.
    pub fn governing_domain(&self) -> String {
        names::members_domain(&self.name, &self.namespace)
    }

    /// DNS names of the server certificate: KubeDB's, those that the members use, and the user's.
    pub fn server_dns_names(&self) -> Vec<String> {
        crate::certificates::server_dns_names(self)
    }

    /// Whether there are standbys.
    pub fn has_standbys(&self) -> bool {
        self.replicas > 1
    }

    /// What the user changes about one Service.
    pub fn service_template(&self, alias: ServiceAlias) -> Option<&NamedServiceTemplate> {
        self.service_templates
            .iter()
            .find(|template| template.alias == alias)
    }
}
