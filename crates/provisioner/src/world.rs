//! What was observed of one database: plain values that `observe` reads and `decide` evaluates.
//!
//! `None` always means that the API server responded "there is none". What could not be read never gets here as absent.

use std::collections::BTreeMap;
use std::sync::Arc;

use api_types::cert_manager::Certificate;
use api_types::condition::is_true;
use api_types::postgres::{DeletionPolicy, StorageType, conditions as types};
use api_types::tls::CertificateAlias;
use api_types::vocabulary::FINALIZER;
use api_types::{AppBinding, Condition, PauseHolder, PetSet, Postgres, PostgresVersion};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, PodTemplateSpec, Secret, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;

use crate::child::{Child, is_labelled_for};
use crate::health::{Member, Report};

/// One observation of a database and all that belongs to it.
#[derive(Clone, Debug)]
pub struct World {
    /// The time of the observation.
    pub now: Timestamp,
    /// The object itself.
    pub postgres: Arc<Postgres>,
    /// The version that it names.
    pub version: Version,
    /// Secrets of its namespace.
    pub secrets: Secrets,
    /// Its live children.
    pub live: Vec<Child>,
    /// Its Pods, by ordinal.
    pub pods: Vec<Pod>,
    /// Where Patroni keeps the settings that all members share; none before the first member has started.
    pub patroni: Option<ConfigMap>,
    /// Patroni's other ConfigMaps, as far as they exist.
    pub patroni_state: Vec<ConfigMap>,
    /// Objects that have a name which is about to be used, and are not among the children.
    pub name_holders: Vec<NameHolder>,
    /// What has no owner.
    pub leftovers: Leftovers,
    /// Templates that Pods were made from before the PetSet got the one that it has, by the name of their revision.
    pub former_templates: BTreeMap<String, PodTemplateSpec>,
    /// The latest health check; none since this process started.
    pub health: Option<Arc<Report>>,
}

/// The PostgresVersion that a Postgres names.
#[derive(Clone, Debug)]
pub enum Version {
    /// It is in the catalog.
    Found(Box<PostgresVersion>),
    /// It is not; these are.
    Unknown {
        /// Names in the catalog.
        known: Vec<String>,
    },
}

/// Secrets of the database's namespace, read one by one.
#[derive(Clone, Debug)]
pub enum Secrets {
    /// We may not read Secrets there yet: the RoleBinding is missing.
    Denied,
    /// They were read.
    Read(Box<SecretFacts>),
}

/// The facts in the Secrets of a database.
#[derive(Clone, Debug, Default)]
pub struct SecretFacts {
    /// The superuser's credentials.
    pub auth: Option<Secret>,
    /// The internal CA and what it issued.
    pub members_tls: Option<Secret>,
    /// The credentials that open the database (`<db>-auth-in-force`).
    pub in_force: Option<Secret>,
    /// The user's configuration.
    pub user_conf: UserConf,
    /// The certificates' Secrets, as far as they exist.
    pub certificates: BTreeMap<CertificateAlias, Secret>,
    /// The certificate (PEM) with which the issuer signs now; only of an Issuer of this namespace that has its CA in a
    /// Secret can it be known.
    pub issuing_ca: Option<String>,
    /// Whether some other Postgres of the namespace uses the same auth Secret.
    pub auth_is_shared: bool,
}

/// The Secret that `spec.configuration.secretName` names.
#[derive(Clone, Debug, Default)]
pub enum UserConf {
    /// None is named.
    #[default]
    NotNamed,
    /// It is named and does not exist.
    Missing(String),
    /// It exists without the key `user.conf`.
    WithoutKey(String),
    /// The content of `user.conf`.
    Content(String),
}

/// An object with a name that the database, Patroni or the PetSet gives.
#[derive(Clone, Debug, PartialEq)]
pub struct NameHolder {
    /// Its kind.
    pub kind: &'static str,
    /// Its metadata: nothing else of it is needed here.
    pub meta: ObjectMeta,
}

impl NameHolder {
    /// Its name.
    pub fn name(&self) -> &str {
        self.meta.name.as_deref().unwrap_or_default()
    }
}

/// Objects that outlive the children.
#[derive(Clone, Debug, Default)]
pub struct Leftovers {
    /// Volume claims of the members, by ordinal.
    pub claims: Vec<PersistentVolumeClaim>,
    /// Patroni's own objects; read while the database is being deleted, or has lost its data.
    pub patroni: Vec<ConfigMap>,
}

impl World {
    /// The object alone: enough to acknowledge that a pause has begun or ended.
    pub fn of_object_alone(postgres: Arc<Postgres>, health: Option<Arc<Report>>, now: Timestamp) -> Self {
        Self {
            now,
            postgres,
            version: Version::Unknown { known: Vec::new() },
            secrets: Secrets::Denied,
            live: Vec::new(),
            pods: Vec::new(),
            patroni: None,
            patroni_state: Vec::new(),
            name_holders: Vec::new(),
            leftovers: Leftovers::default(),
            former_templates: BTreeMap::new(),
            health,
        }
    }

    /// Whether only the object itself was read.
    pub fn is_object_alone(&self) -> bool {
        matches!(self.secrets, Secrets::Denied) && self.is_awaited()
    }

    /// Whether a holder waits for the acknowledgement that its pause has begun, or has ended.
    pub fn is_awaited(&self) -> bool {
        self.has_unacknowledged_pause() || self.has_unacknowledged_end()
    }

    /// Whether a pause was removed and its holder has no acknowledgement of that yet.
    pub fn has_unacknowledged_end(&self) -> bool {
        !self.is_deleting() && self.paused_by().is_none() && self.postgres.acknowledged_holder().is_some()
    }

    /// Whether a pause was requested and is not acknowledged yet. Its holder waits for nothing else.
    pub fn has_unacknowledged_pause(&self) -> bool {
        let holder = self.paused_by();
        !self.is_deleting() && holder.is_some() && holder != self.postgres.acknowledged_holder()
    }

    /// Name of the database.
    pub fn name(&self) -> &str {
        self.postgres.metadata.name.as_deref().unwrap_or_default()
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        self.postgres.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// `<namespace>/<name>`, as KubeDB's messages have it.
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace(), self.name())
    }

    /// Its UID.
    pub fn uid(&self) -> &str {
        self.postgres.metadata.uid.as_deref().unwrap_or_default()
    }

    /// The holder of the pause in the annotation.
    pub fn paused_by(&self) -> Option<PauseHolder> {
        self.postgres.pause_holder()
    }

    /// The holder of the pause that this pass respects: the one in the annotation, unless the database goes. Deletion comes
    /// before the pause, as in KubeDB: a database that is being deleted is of no use to the holder of its pause.
    pub fn kept_pause(&self) -> Option<PauseHolder> {
        let goes = self.is_deleting() && !self.is_deletion_blocked();
        self.paused_by().filter(|_| !goes)
    }

    /// Whether the object is being deleted and its policy forbids that.
    pub fn is_deletion_blocked(&self) -> bool {
        self.is_deleting() && self.deletion_policy() == DeletionPolicy::DoNotTerminate
    }

    /// Whether the object is being deleted.
    pub fn is_deleting(&self) -> bool {
        self.postgres.metadata.deletion_timestamp.is_some()
    }

    /// Whether the database is to be down, its data kept.
    pub fn is_halted(&self) -> bool {
        self.postgres.spec.halted == Some(true)
    }

    /// Whether our finalizer is on the object.
    pub fn has_finalizer(&self) -> bool {
        let finalizers = self.postgres.metadata.finalizers.as_deref().unwrap_or_default();
        finalizers.iter().any(|name| name == FINALIZER)
    }

    /// What happens on deletion. A halted database counts as `Halt`, as KubeDB makes it when it halts one.
    pub fn deletion_policy(&self) -> DeletionPolicy {
        match self
            .postgres
            .spec
            .policy_of_deletion()
            .unwrap_or(DeletionPolicy::Delete)
        {
            DeletionPolicy::DoNotTerminate => DeletionPolicy::DoNotTerminate,
            _ if self.is_halted() => DeletionPolicy::Halt,
            policy => policy,
        }
    }

    /// Whether the members' data is in their Pods.
    pub fn is_ephemeral(&self) -> bool {
        self.postgres.spec.storage_type == Some(StorageType::Ephemeral)
    }

    /// Number of members in the spec.
    pub fn replicas(&self) -> i32 {
        self.postgres.spec.replicas.unwrap_or(1)
    }

    /// Name of the auth Secret: the spec's, or the one that we make.
    pub fn auth_secret_name(&self) -> String {
        self.postgres.auth_secret_name()
    }

    /// The conditions in the status.
    pub fn conditions(&self) -> &[Condition] {
        self.postgres
            .status
            .as_ref()
            .map_or(&[], |status| status.conditions.as_slice())
    }

    /// Whether the database has been ready once: from then on nothing that needs a restart is changed from here.
    pub fn is_provisioned(&self) -> bool {
        self.is_true(types::PROVISIONED)
    }

    /// Whether the condition of this type is in the status, and `True`.
    pub fn is_true(&self, type_: &str) -> bool {
        is_true(self.conditions(), type_)
    }

    /// What the health check found of each Pod that exists, by Pod name.
    pub fn checked_members(&self) -> impl Iterator<Item = (&str, &Member)> {
        let exists = |pod: &str| {
            self.pods
                .iter()
                .any(|it| it.metadata.name.as_deref() == Some(pod))
        };
        let report = self.health.iter().flat_map(|report| &report.members);
        report
            .map(|(pod, member)| (pod.as_str(), member))
            .filter(move |(pod, _)| exists(pod))
    }

    /// The live children that are the database's: it owns them, or they have its labels and no owner yet.
    fn own_children(&self) -> impl Iterator<Item = &Child> {
        self.live.iter().filter(|child| {
            let is_free = !child.is_owned_by_another_than(self.uid());
            child.is_owned_by(self.uid()) || is_free && is_labelled_for(child.meta(), self.name())
        })
    }

    /// Whether the members are still to be made.
    pub fn is_unborn(&self) -> bool {
        self.pet_set().is_none()
    }

    /// Names of claims with data of an earlier database of this name. Only known before the members are made.
    pub fn kept_claims(&self) -> impl Iterator<Item = &str> {
        let kind = PersistentVolumeClaim::kind(&());
        let claims = self.name_holders.iter().filter(move |holder| holder.kind == kind);
        claims
            .filter(|claim| self.is_unborn() && is_labelled_for(&claim.meta, self.name()))
            .map(NameHolder::name)
    }

    /// The live PetSet.
    pub fn pet_set(&self) -> Option<&PetSet> {
        self.own_children().find_map(|child| match child {
            Child::PetSet(pet_set) => Some(pet_set.as_ref()),
            _ => None,
        })
    }

    /// The live AppBinding.
    pub fn app_binding(&self) -> Option<&AppBinding> {
        self.own_children().find_map(|child| match child {
            Child::AppBinding(binding) => Some(binding.as_ref()),
            _ => None,
        })
    }

    /// The live config Secret.
    pub fn config_secret(&self) -> Option<&Secret> {
        self.own_children().find_map(|child| match child {
            Child::Secret(secret) => Some(secret),
            _ => None,
        })
    }

    /// The live Service of this name.
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.own_children().find_map(|child| match child {
            Child::Service(service) if service.metadata.name.as_deref() == Some(name) => Some(service),
            _ => None,
        })
    }

    /// The live Certificate of this name.
    pub fn certificate(&self, name: &str) -> Option<&Certificate> {
        self.own_children().find_map(|child| match child {
            Child::Certificate(certificate) if certificate.metadata.name.as_deref() == Some(name) => {
                Some(certificate.as_ref())
            }
            _ => None,
        })
    }

    /// The live child of the same kind and name.
    pub fn find_live(&self, wanted: &Child) -> Option<&Child> {
        self.live.iter().find(|child| child.is_same(wanted))
    }
}

/// Whether a claim has, or once had, a volume: it does not just wait for one.
pub fn has_volume(claim: &PersistentVolumeClaim) -> bool {
    let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
    !matches!(phase, None | Some("Pending"))
}

/// Whether a Pod reports that it is ready and is not on its way out.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref())
        .unwrap_or_default();
    pod.metadata.deletion_timestamp.is_none()
        && conditions
            .iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
