//! `Postgres`, `kubedb.com/v1`: a PostgreSQL database of one or more members.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PersistentVolumeClaimSpec, ResourceRequirements, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::legacy::Coordinator;
use crate::pod_template::PodTemplate;
use crate::tls::{ClientAuthMode, SslMode, TlsConfig};
use crate::{names, rules};

pub use crate::allowed::*;
pub use crate::configuration::*;
pub use crate::init::*;
pub use crate::monitor::*;
pub use crate::replication::*;
pub use crate::service_template::*;
pub use crate::status::*;

/// Desired state of a PostgreSQL database.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "kubedb.com",
    version = "v1",
    kind = "Postgres",
    doc = "A PostgreSQL database of one or more members.",
    plural = "postgreses",
    singular = "postgres",
    shortname = "pg",
    category = "datastore",
    category = "kubedb",
    category = "appscode",
    category = "all",
    namespaced,
    status = "PostgresStatus",
    derive = "PartialEq",
    derive = "Default",
    printcolumn(name = "Version", type_ = "string", json_path = ".spec.version"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.phase"),
    printcolumn(
        name = "TLS",
        type_ = "string",
        json_path = ".status.tls.mode",
        description = "Whether clients can, or must, use TLS."
    ),
    printcolumn(
        name = "TLS-Expiry",
        type_ = "string",
        json_path = ".status.tls.earliestExpiry",
        description = "Earliest end of validity of the certificates that members have."
    ),
    printcolumn(
        name = "Paused-By",
        type_ = "string",
        json_path = r".metadata.annotations.ops\.kubedb\.com/paused-by",
        description = "Who holds the pause; the operation that runs: <request>/<uid>."
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Replicas",
        type_ = "integer",
        json_path = ".spec.replicas",
        description = "Members that the spec asks for.",
        priority = 1
    ),
    printcolumn(
        name = "Issuer",
        type_ = "string",
        json_path = ".spec.tls.issuerRef.name",
        description = "Issuer of the certificates; none without TLS.",
        priority = 1
    ),
    printcolumn(
        name = "SSL-Mode",
        type_ = "string",
        json_path = ".spec.sslMode",
        description = "spec.sslMode, where it is given.",
        priority = 1
    ),
    printcolumn(
        name = "Client-Auth",
        type_ = "string",
        json_path = ".spec.clientAuthMode",
        description = "spec.clientAuthMode, where it is given.",
        priority = 1
    ),
    printcolumn(
        name = "Spec-Applied",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="SpecApplied")].status"#,
        description = "False when the database goes on with the last spec that could be applied; describe says why.",
        priority = 1
    ),
    printcolumn(
        name = "Issuer-CA-Changed",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="IssuerCAChanged")].status"#,
        description = "True when the issuer signs with another CA than that of the server certificate.",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        description = "What the condition Ready says.",
        priority = 1
    ),
    validation = Rule::new(rules::NAME).message(rules::NAME_MESSAGE)
)]
#[x_kube(
    validation = Rule::new(rules::TLS_NOT_DISABLED).message(rules::TLS_NOT_DISABLED_MESSAGE),
    validation = Rule::new(rules::SSL_MODE_NEEDS_TLS).message(rules::SSL_MODE_NEEDS_TLS_MESSAGE),
    validation = Rule::new(rules::CERT_NEEDS_TLS).message(rules::CERT_NEEDS_TLS_MESSAGE),
    validation = Rule::new(rules::SYNC_CONFIG).message(rules::SYNC_CONFIG_MESSAGE),
    validation = Rule::new(rules::SYNC_STANDBYS).message(rules::SYNC_STANDBYS_MESSAGE),
    validation = Rule::new(rules::HALT_EPHEMERAL).message(rules::HALT_EPHEMERAL_MESSAGE),
    validation = Rule::new(rules::HALTED).message(rules::HALTED_MESSAGE),
    validation = Rule::new(rules::DURABLE_STORAGE).message(rules::DURABLE_STORAGE_MESSAGE),
    validation = Rule::new(rules::DISTRIBUTED).message(rules::DISTRIBUTED_MESSAGE),
    validation = Rule::new(rules::DELETION_POLICIES).message(rules::DELETION_POLICIES_MESSAGE),
    validation = Rule::new(rules::STORAGE_TYPE_FIXED).message(rules::STORAGE_TYPE_FIXED_MESSAGE),
    validation = Rule::new(rules::INIT_KEPT).message(rules::INIT_FIXED_MESSAGE)
)]
#[serde(rename_all = "camelCase")]
pub struct PostgresSpec {
    /// Name of the PostgresVersion to run.
    pub version: String,
    /// Number of members, primary and standbys together; 1 is a standalone database. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(rules::REPLICAS).message(rules::REPLICAS_MESSAGE))]
    pub replicas: Option<i32>,
    /// Whether standbys serve reads (`Hot`) or refuse connections (`Warm`). Default `Hot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby_mode: Option<StandbyMode>,
    /// Whether a commit waits for standbys. Default `Asynchronous`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub streaming_mode: Option<StreamingMode>,
    /// Which standbys a commit waits for; only with `streamingMode: Synchronous`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub synchronous_replication_config: Option<SynchronousReplicationConfig>,
    /// Deployment mode: `Standalone`, `Cluster` or `RemoteReplica`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
    /// Follow a PostgreSQL elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_replica: Option<RemoteReplica>,
    /// Timers of the leader election.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader_election: Option<LeaderElection>,
    /// Secret with the superuser's `username` and `password`; `<db>-auth` is made when it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_secret: Option<AuthSecret>,
    /// `Durable` (a volume per member) or `Ephemeral` (lost with the Pod). Default `Durable`. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_type: Option<StorageType>,
    /// Claim for each member's volume; required when durable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<PersistentVolumeClaimSpec>,
    /// How TCP clients prove who they are. Default `md5`, from PostgreSQL 18 on `scram`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_auth_mode: Option<ClientAuthMode>,
    /// TLS mode that standbys use and that the AppBinding gives to applications. Default `verify-full` with `tls`, else
    /// `disable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssl_mode: Option<SslMode>,
    /// Server TLS; its presence switches TLS on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
    /// Initial data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,
    /// Metrics exporter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<Monitor>,
    /// Old spelling of `configuration.secretName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_secret: Option<LocalRef>,
    /// PostgreSQL parameters of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<Configuration>,
    /// Template of the Pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_template: Option<PodTemplate>,
    /// Templates of the Services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service_templates: Vec<NamedServiceTemplate>,
    /// Take the database down and keep its volumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halted: Option<bool>,
    /// What happens to volumes and Secrets when this object is deleted. Default `Delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Let an init container change the owner of the data volume.
    #[serde(rename = "enforceFsGroup", default, skip_serializing_if = "Option::is_none")]
    pub enforce_fs_group: Option<bool>,
    /// Namespaces whose schema objects may use this database. Default: the database's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = {"namespaces": {"from": "Same"}}))]
    pub allowed_schemas: Option<AllowedConsumers>,
    /// How health is checked. Default: every 10 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = {"periodSeconds": 10, "timeoutSeconds": 10, "failureThreshold": 1}))]
    pub health_checker: Option<HealthChecker>,
    /// Continuous archiving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archiver: Option<Archiver>,
    /// The tie-breaker Pod of KubeDB's election for even numbers of members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arbiter: Option<Arbiter>,
    /// How much WAL is kept for standbys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<Replication>,
    /// Groups of read-only members outside of the quorum.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new(rules::READ_REPLICAS).message(rules::READ_REPLICAS_MESSAGE))]
    pub read_replicas: Vec<ReadReplica>,
    /// Operations that KubeDB would request by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_ops: Option<AutoOps>,
    /// Spread over several clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distributed: Option<bool>,
    /// License of an enterprise image; kept, and not used by Sealwright's images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<License>,
    /// Spelling of `deletionPolicy` in `kubedb.com/v1alpha2`; write `deletionPolicy` instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_policy: Option<DeletionPolicy>,
    /// KubeDB's coordinator container in `kubedb.com/v1alpha2`; this database has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordinator: Option<Coordinator>,
}

/// Whether standbys serve reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StandbyMode {
    /// Standbys serve reads.
    Hot,
    /// Standbys refuse connections.
    Warm,
}

impl AuthSecret {
    /// The Secret of this name.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }
}

/// Secret with the superuser's credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthSecret {
    /// `Secret`, or the kind of a virtual Secret. Default `Secret`.
    #[serde(default = "secret_kind")]
    pub kind: String,
    /// Name of the Secret.
    pub name: String,
    /// API group of the kind; empty for core.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = ""))]
    pub api_group: Option<String>,
    /// Store of a virtual Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_store_name: Option<String>,
    /// After how long a rotation is recommended, for example `720h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = rules::duration())]
    pub rotate_after: Option<String>,
    /// Since when the password is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active_from: Option<Time>,
    /// The Secret is the user's: never made, changed or deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub externally_managed: Option<bool>,
}

impl Default for AuthSecret {
    fn default() -> Self {
        Self {
            kind: secret_kind(),
            name: String::new(),
            api_group: None,
            secret_store_name: None,
            rotate_after: None,
            active_from: None,
            externally_managed: None,
        }
    }
}

impl Postgres {
    /// Name of the auth Secret that the spec means: the one that it names, or the database's own.
    pub fn auth_secret_name(&self) -> String {
        let named = self.spec.auth_secret.as_ref().map(|secret| secret.name.as_str());
        let named = named.filter(|name| !name.is_empty());
        named.map_or_else(|| names::auth_secret(&self.name_any()), str::to_owned)
    }
}

pub(crate) fn secret_kind() -> String {
    "Secret".to_owned()
}

/// License of an enterprise image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct License {
    /// Secret and key that hold the certificate.
    pub secret_ref: SecretKey,
}

/// A key of a Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SecretKey {
    /// Name of the Secret.
    pub name: String,
    /// Key in the Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Whether data outlives a Pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum StorageType {
    /// A PersistentVolumeClaim per member.
    Durable,
    /// An `emptyDir` per member.
    Ephemeral,
}

/// What is deleted together with a Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Pods and Services go; volumes and Secrets stay.
    Halt,
    /// Volumes go too; the auth Secret stays.
    Delete,
    /// Everything goes.
    WipeOut,
    /// Deletion is refused.
    DoNotTerminate,
}

/// Name of an object in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocalRef {
    /// Name of the object.
    #[serde(default)]
    pub name: String,
}

/// How health is checked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthChecker {
    /// Seconds between checks. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(rules::POSITIVE).message(rules::POSITIVE_MESSAGE))]
    pub period_seconds: Option<i32>,
    /// Seconds that a check may take. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(rules::POSITIVE).message(rules::POSITIVE_MESSAGE))]
    pub timeout_seconds: Option<i32>,
    /// Failed checks in a row until the condition changes. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new(rules::POSITIVE).message(rules::POSITIVE_MESSAGE))]
    pub failure_threshold: Option<i32>,
    /// Don't write to the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable_write_check: Option<bool>,
}

/// Continuous archiving.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Archiver {
    /// Archiving is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<bool>,
    /// The archiver object.
    #[serde(rename = "ref")]
    pub reference: NamespacedRef,
}

/// Name of an object in some namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamespacedRef {
    /// Name of the object.
    pub name: String,
    /// Namespace; the same when empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// Tie-breaker Pod of KubeDB's election.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Arbiter {
    /// Resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
    /// Node labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Tolerations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,
}

/// Operations that KubeDB would request by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AutoOps {
    /// Request none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}
