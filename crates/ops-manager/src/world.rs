//! What was seen of one database, as values. Read by [`crate::observe`], judged by steps.

use std::collections::{BTreeMap, BTreeSet};

use api_types::cert_manager::Certificate;
use api_types::condition;
use api_types::postgres::DatabasePhase;
use api_types::postgres::conditions::PAUSED;
use api_types::tls::{CertificateAlias, IssuerRef};
use api_types::vocabulary::PAUSED_BY;
use api_types::{PetSet, Postgres, PostgresVersion};
use blueprint::CaBundle;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Something that was looked for. What could not be read is never taken for absent.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Observed<T> {
    /// It is not there.
    #[default]
    Absent,
    /// It is there.
    Present(T),
    /// It could not be read, and why.
    Unknown(String),
}

impl<T> Observed<T> {
    /// What is there, if it was seen.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Unknown(_) => None,
        }
    }

    /// What is there, or in one sentence why it can't be used yet. `what` names it, for example `PetSet ha-postgres`.
    ///
    /// # Errors
    /// The sentence, to be reported as what is waited for.
    pub fn need(&self, what: &str) -> Result<&T, String> {
        match self {
            Self::Present(value) => Ok(value),
            Self::Absent => Err(format!("{what} does not exist")),
            Self::Unknown(why) => Err(format!("{what} could not be read: {why}")),
        }
    }

    /// The same observation of a part.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Observed<U> {
        match self {
            Self::Absent => Observed::Absent,
            Self::Present(value) => Observed::Present(f(value)),
            Self::Unknown(why) => Observed::Unknown(why),
        }
    }
}

/// One database and everything around it that an operation looks at.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The Postgres.
    pub postgres: Observed<Postgres>,
    /// Whether the pause is held by a request that no longer needs it (gone or ended).
    pub holder_is_gone: bool,
    /// The PostgresVersion of the spec.
    pub version: Observed<PostgresVersion>,
    /// `user.conf` of the user's own Secret; `Absent` when none is named.
    pub user_conf: Observed<String>,
    /// The superuser's name in the auth Secret.
    pub superuser: Observed<String>,
    /// The service account that the spec names is this database's own.
    pub makes_named_service_account: bool,
    /// The config Secret.
    pub config: Observed<ConfigSecret>,
    /// Metadata of the AppBinding.
    pub app_binding: Observed<ObjectMeta>,
    /// The PetSet.
    pub pet_set: Observed<PetSet>,
    /// Certificates by alias.
    pub certificates: BTreeMap<CertificateAlias, Observed<Certificate>>,
    /// Secrets of the certificates by their names.
    pub secrets: BTreeMap<String, Observed<IssuedSecret>>,
    /// Issuers that the spec or the request names.
    pub issuers: Vec<(IssuerRef, Observed<IssuerState>)>,
    /// The members' Pods, by name.
    pub members: BTreeMap<String, Member>,
    /// The Pod that the members agree is the primary, if any of them says.
    pub leader: Option<String>,
}

/// What the config Secret says about TLS.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigSecret {
    /// Its metadata, with the hash of its content.
    pub meta: ObjectMeta,
    /// The CAs that members are told to trust.
    pub trust: CaBundle,
}

/// Public facts of an issued certificate; the key stays in `observe`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IssuedSecret {
    /// Changes with every write of the Secret.
    pub resource_version: String,
    /// SHA-256 of the leaf in DER, hexadecimal.
    pub fingerprint: String,
    /// DNS names and IP addresses that the leaf is for.
    pub names: BTreeSet<String>,
    /// `ca.crt`.
    pub ca: CaBundle,
    /// Name of the issuer that cert-manager noted on the Secret.
    pub issuer: Option<String>,
    /// What makes the Secret unusable: no key, key of another certificate, not signed by its `ca.crt`.
    pub fault: Option<String>,
}

/// Whether an issuer can sign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerState {
    /// Its condition `Ready` is `True`.
    pub ready: bool,
    /// What the condition says.
    pub message: String,
}

/// One member: its Pod, Patroni's word about it, and how it answers on the wire.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Member {
    /// Pod UID.
    pub uid: String,
    /// Revision of the template that it was made from.
    pub revision: String,
    /// Its condition `Ready` is `True`.
    pub ready: bool,
    /// It is being deleted.
    pub terminating: bool,
    /// Value of the annotation that makes kubelet look at Secrets again.
    pub files_token: Option<String>,
    /// Secrets that it mounts.
    pub secrets: BTreeSet<String>,
    /// What its Patroni says.
    pub patroni: Observed<PatroniState>,
    /// How its database port answers.
    pub wire: Observed<Wire>,
}

/// What a member's Patroni says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatroniState {
    /// PostgreSQL runs.
    pub running: bool,
    /// It takes writes.
    pub primary: bool,
    /// It receives WAL from the primary as a stream.
    pub streaming: bool,
    /// Bytes of WAL that it has yet to replay.
    pub lag: Option<i64>,
}

/// How a member's database port answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wire {
    /// SHA-256 of the leaf that it serves, hexadecimal; none when it answers that it has no TLS.
    pub served: Option<String>,
    /// Subjects (DER) of the CAs that it asks client certificates of.
    pub trusted_subjects: BTreeSet<Vec<u8>>,
    /// Whether it goes on with a client that speaks plaintext; unknown when it was not asked.
    pub plaintext: Option<bool>,
}

impl World {
    /// Who holds the pause, as the annotation says.
    pub fn holder(&self) -> Option<&str> {
        let annotations = self.postgres.present()?.metadata.annotations.as_ref()?;
        annotations
            .get(PAUSED_BY)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Whether the provisioner has said that it keeps off for this holder.
    pub fn acknowledged(&self, holder: &str) -> bool {
        self.paused_message()
            .is_some_and(|message| message.contains(holder))
    }

    /// What the provisioner says about a pause that it keeps.
    pub fn paused_message(&self) -> Option<&str> {
        let conditions = &self.postgres.present()?.status.as_ref()?.conditions;
        let paused = condition::find(conditions, PAUSED).filter(|c| c.is_true())?;
        Some(paused.message.as_deref().unwrap_or_default())
    }

    /// The database's phase.
    pub fn phase(&self) -> Option<DatabasePhase> {
        self.postgres.present()?.status.as_ref()?.phase
    }

    /// Whether the database is on its way out.
    pub fn is_being_deleted(&self) -> bool {
        self.postgres
            .present()
            .is_some_and(|pg| pg.metadata.deletion_timestamp.is_some())
    }

    /// Number of members that the spec asks for.
    pub fn replicas(&self) -> i32 {
        self.postgres
            .present()
            .and_then(|pg| pg.spec.replicas)
            .unwrap_or(1)
    }

    /// The CAs of the issued Secrets of these names, in this order.
    ///
    /// # Errors
    /// What is waited for: a Secret that is absent or could not be read.
    pub fn issued_cas<'a>(&self, secrets: impl Iterator<Item = &'a str>) -> Result<CaBundle, String> {
        secrets
            .map(|name| self.issued(name))
            .try_fold(CaBundle::default(), |all, secret| {
                secret.map(|secret| all.union(&secret.ca))
            })
    }

    /// The issued Secret of this name.
    ///
    /// # Errors
    /// What is waited for.
    pub fn issued(&self, secret: &str) -> Result<&IssuedSecret, String> {
        self.secrets
            .get(secret)
            .unwrap_or(&Observed::Absent)
            .need(&format!("Secret {secret}"))
    }
}

impl Member {
    /// Why this member can't be counted on, if it can't.
    pub fn trouble(&self, is_leader: bool) -> Option<String> {
        if self.terminating {
            return Some("its Pod is ending".into());
        }
        if !self.ready {
            return Some("its Pod is not Ready".into());
        }
        match &self.patroni {
            Observed::Absent => Some("its Patroni was not asked".into()),
            Observed::Unknown(why) => Some(format!("its Patroni does not answer: {why}")),
            Observed::Present(state) if !state.running => Some("its PostgreSQL does not run".into()),
            Observed::Present(state) if !is_leader && !state.streaming => {
                Some("it does not stream from the primary".into())
            }
            Observed::Present(_) => None,
        }
    }

    /// Bytes of WAL that it has yet to replay; unknown counts as most.
    pub fn lag(&self) -> i64 {
        self.patroni
            .present()
            .and_then(|state| state.lag)
            .unwrap_or(i64::MAX)
    }
}
