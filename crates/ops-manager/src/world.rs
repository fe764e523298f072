//! What was observed of one database, as values. Read by [`crate::observe`], decided upon by steps.

use std::collections::{BTreeMap, BTreeSet};

use api_types::postgres::DatabasePhase;
use api_types::tls::{CertificateAlias, IssuerRef};
use api_types::{PauseHolder, PetSet, Postgres, PostgresVersion};
use blueprint::{CaBundle, MemberTls, TlsMaterial};
use instance::{
    Cgroup, LoadedConfiguration, LoadedParameters, Lsn, PendingChange, Replica, Slot, SslSessions,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::auth::world::{AuthWorld, MemberAuth};
use crate::tls::world::TlsWorld;
use crate::volumes::world::{Claim, VolumesWorld};
use crate::waiting::WaitingOn;

/// Something that was read. What could not be read is never taken for absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// Why it could not be read, if so.
    pub fn unknown(&self) -> Option<&str> {
        match self {
            Self::Unknown(why) => Some(why),
            Self::Absent | Self::Present(_) => None,
        }
    }

    /// What is there, if it was seen.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Unknown(_) => None,
        }
    }

    /// What is there, or why it can't be used yet. `what` names it, for example `PetSet ha-postgres`.
    ///
    /// # Errors
    /// What is waited for.
    pub fn require(&self, what: &str) -> Result<&T, WaitingOn> {
        match self {
            Self::Present(value) => Ok(value),
            Self::Absent => Err(WaitingOn::Missing {
                what: what.to_owned(),
            }),
            Self::Unknown(why) => Err(WaitingOn::Unread {
                what: what.to_owned(),
                why: why.clone(),
            }),
        }
    }

    /// The same observation, borrowed.
    pub fn as_ref(&self) -> Observed<&T> {
        match self {
            Self::Absent => Observed::Absent,
            Self::Present(value) => Observed::Present(value),
            Self::Unknown(why) => Observed::Unknown(why.clone()),
        }
    }

    /// The same observation of a part.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Observed<U> {
        self.and_then(|value| Observed::Present(f(value)))
    }

    /// The same observation of a part that may not be there, or not be of use.
    pub fn and_then<U>(self, f: impl FnOnce(T) -> Observed<U>) -> Observed<U> {
        match self {
            Self::Absent => Observed::Absent,
            Self::Present(value) => f(value),
            Self::Unknown(why) => Observed::Unknown(why),
        }
    }
}

/// One database and everything around it that an operation observes. A part that is an `Option` is `None` when this type of
/// request, or the due step, does not read it; that does not mean that it is absent.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The time of the observation.
    pub now: Timestamp,
    /// The Postgres.
    pub postgres: Observed<Postgres>,
    /// Whether the pause is held by a request that no longer needs it (gone or ended).
    pub holder_is_gone: bool,
    /// The PostgresVersion of the spec.
    pub version: Observed<PostgresVersion>,
    /// Other PostgresVersions, by name, that this type of request reads.
    pub other_versions: BTreeMap<String, Observed<PostgresVersion>>,
    /// `user.conf` of the user's own Secret; `Absent` when none is named.
    pub user_conf: Observed<String>,
    /// `user.conf` of other Secrets, by name, that this type of request reads.
    pub other_user_confs: BTreeMap<String, Observed<String>>,
    /// The superuser's name in the auth Secret.
    pub superuser: Observed<String>,
    /// What members show each other and the operators on Patroni's REST API, as the provisioner issued it.
    pub member_tls: Observed<MemberTls>,
    /// The service account that the spec names is this database's own.
    pub makes_named_service_account: bool,
    /// The config Secret.
    pub config: Observed<ConfigSecret>,
    /// Metadata of the AppBinding.
    pub app_binding: Observed<ObjectMeta>,
    /// The PetSet.
    pub pet_set: Observed<PetSet>,
    /// The members' volume claims.
    pub claims: Observed<Vec<Claim>>,
    /// The issuers that this type of request reads.
    pub issuers: Vec<(IssuerRef, Observed<IssuerState>)>,
    /// Certificates.
    pub tls: Option<TlsWorld>,
    /// The state of the volumes.
    pub volumes: Option<VolumesWorld>,
    /// The superuser's credentials.
    pub auth: Option<AuthWorld>,
    /// The members' reports.
    pub members: Option<Members>,
}

/// The members of a database in one observation.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// Their Pods, by name.
    pub by_pod: BTreeMap<String, Member>,
    /// The Pod that the members agree is the primary, if any of them reports one.
    pub leader: Option<String>,
    /// Whether Patroni drops the replication slot of a member that is gone at once, instead of keeping it for a while; none
    /// when this type of request does not read it, or no primary reported it.
    pub forgets_slots: Option<bool>,
    /// Patroni's configuration for all members; none when this type of request does not read it, or no Patroni reported
    /// it.
    pub dynamic_configuration: Option<serde_json::Value>,
}

/// The TLS settings in the config Secret.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConfigSecret {
    /// Its metadata, with the hash of its content.
    pub meta: ObjectMeta,
    /// The CAs that members are configured to trust.
    pub trust: CaBundle,
    /// The certificates and keys that members are given.
    pub material: TlsMaterial,
}

/// Whether an issuer can sign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerState {
    /// Its condition `Ready` is `True`.
    pub ready: bool,
    /// The condition's message.
    pub message: String,
}

/// One member: its Pod, what its Patroni reports, and what a probe of its database port found.
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
    /// Its containers run, or may run.
    pub has_started: bool,
    /// The Service for reads has it while it is a standby.
    pub serves_reads: bool,
    /// Resources of its containers, by name.
    pub resources: BTreeMap<String, ContainerResources>,
    /// How often each of its containers was restarted, by name.
    pub restarts: BTreeMap<String, i32>,
    /// A change of its resources that kubelet has not finished.
    pub resizing: Option<Resizing>,
    /// Value of the annotation that makes kubelet sync Secrets again.
    pub files_token: Option<String>,
    /// What its Patroni reports.
    pub patroni: Observed<PatroniState>,
    /// What a probe of its database port found.
    pub probe: Observed<TlsProbe>,
    /// What it reports in SQL; absent when it was not probed.
    pub server: Observed<ServerState>,
}

/// Resources of one container of a member.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ContainerResources {
    /// The resources in its Pod's spec.
    pub asked: ResourceRequirements,
    /// Those that kubelet reports of the container that runs; none where it reports none.
    pub running: Option<ResourceRequirements>,
}

/// A change of a Pod's resources that kubelet has not finished, with kubelet's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resizing {
    /// The node will never have room for it.
    Infeasible(String),
    /// It is put off, or under way.
    Unfinished(String),
}

/// What a member reports in SQL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerState {
    /// The version of the PostgreSQL that responds, by `SHOW server_version_num`.
    pub version: i32,
    /// The public files that it has.
    pub files: Files,
    /// The configuration that it has read.
    pub configuration: LoadedConfiguration,
    /// Sessions of applications.
    pub sessions: SslSessions,
    /// Those that replicate from it.
    pub replicas: Vec<Replica>,
    /// It takes writes: it is not in recovery.
    pub takes_writes: bool,
    /// Its replication slots, by name.
    pub slots: BTreeMap<String, Slot>,
    /// The parameters that it has loaded; none when this type of request does not read any.
    pub parameters: Option<LoadedParameters>,
    /// The control group that it runs in; none when this type of request does not read it, or the container does not
    /// show it.
    pub cgroup: Option<Cgroup>,
    /// How it has the superuser's credentials; none when nothing is kept of them.
    pub auth: Option<MemberAuth>,
}

/// The public files of a member, by what identifies them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// SHA-256 of `patroni.yml`, hexadecimal.
    pub configuration: Option<String>,
    /// SHA-256 of `trust.crt`, hexadecimal.
    pub trust: Option<String>,
    /// SHA-256 of each certificate's leaf in DER, hexadecimal.
    pub leaves: BTreeMap<CertificateAlias, String>,
}

/// What a member's Patroni reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatroniState {
    /// PostgreSQL runs.
    pub running: bool,
    /// It takes writes.
    pub primary: bool,
    /// Its data is being copied from the primary.
    pub cloning: bool,
    /// It receives WAL from the primary as a stream.
    pub streaming: bool,
    /// The timeline that it writes, or follows.
    pub timeline: Option<u32>,
    /// Where the WAL ends that it has received as a standby.
    pub received: Option<Lsn>,
    /// Where the WAL ends that it has replayed as a standby.
    pub replayed: Option<Lsn>,
    /// When the last transaction was committed that it has replayed, as PostgreSQL writes a time.
    pub replayed_at: Option<String>,
    /// Bytes of WAL that it has yet to replay.
    pub lag: Option<i64>,
    /// PostgreSQL has to restart for a parameter.
    pub pending_restart: bool,
    /// For which, as far as Patroni reports that.
    pub pending: BTreeMap<String, PendingChange>,
}

/// What a probe of a member's database port found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsProbe {
    /// The leaf that it serves; none when it has no TLS.
    pub served: Option<ServedLeaf>,
    /// Subjects (DER) of the CAs that it accepts client certificates of.
    pub trusted_subjects: BTreeSet<Vec<u8>>,
    /// Whether it goes on with a client that speaks plaintext; unknown when it was not probed.
    pub plaintext: Option<bool>,
}

/// A leaf as a member serves it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServedLeaf {
    /// SHA-256 of the DER, hexadecimal.
    pub fingerprint: String,
    /// Issuer as text.
    pub issuer: String,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// Last moment of validity.
    pub not_after: Timestamp,
    /// Protocol version, for example `TLSv1.3`.
    pub protocol: String,
}

/// That another request or a person holds the database.
pub fn paused_by_another(database: &str, holder: PauseHolder) -> WaitingOn {
    WaitingOn::PausedBy {
        database: database.to_owned(),
        holder,
    }
}

impl World {
    /// That the issuer signs with another CA by now (`status.issuerCA`): names issuer and CA. `None` also when the Postgres was not seen.
    pub fn ca_replaced(&self) -> Option<String> {
        self.postgres.present()?.replaced_ca_sentence()
    }

    /// The PostgresVersion of this name, which is in the spec or which this type of request reads.
    pub fn version_named(&self, name: &str) -> Observed<&PostgresVersion> {
        let is_of_spec = self
            .postgres
            .present()
            .is_some_and(|postgres| postgres.spec.version == name);
        match self.other_versions.get(name) {
            Some(other) => other.as_ref(),
            None if is_of_spec => self.version.as_ref(),
            None => Observed::Unknown("it was not asked for".into()),
        }
    }

    /// The holder of the pause in the annotation.
    pub fn holder(&self) -> Option<PauseHolder> {
        self.postgres.present()?.pause_holder()
    }

    /// The holder in the status, whose pause the provisioner has acknowledged.
    pub fn acknowledged_holder(&self) -> Option<PauseHolder> {
        self.postgres.present()?.acknowledged_holder()
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

    /// Number of members that the database has now: an edit of `spec.replicas` may be held.
    pub fn replicas(&self) -> i32 {
        let running = self.pet_set.present().and_then(|set| set.spec.replicas);
        running
            .or_else(|| self.postgres.present()?.spec.replicas)
            .unwrap_or(1)
    }

    /// The members' Pods by name; none when they were not probed.
    pub fn members(&self) -> &BTreeMap<String, Member> {
        static NOT_ASKED: BTreeMap<String, Member> = BTreeMap::new();
        self.members
            .as_ref()
            .map_or(&NOT_ASKED, |members| &members.by_pod)
    }

    /// The Pod that the members agree is the primary.
    pub fn leader(&self) -> Option<&str> {
        self.members.as_ref()?.leader.as_deref()
    }

    /// Whether every member that the database has was seen.
    ///
    /// # Errors
    /// What is waited for, if not.
    pub fn all_seen(&self) -> Result<(), WaitingOn> {
        let wanted = usize::try_from(self.replicas()).unwrap_or(0);
        let seen = self.members().len();
        if seen < wanted {
            return Err(WaitingOn::Pods { wanted, seen });
        }
        Ok(())
    }

    /// Every member was seen, is healthy and passes the proof; the primary.
    ///
    /// # Errors
    /// What is waited for, if not.
    pub fn all_pass(&self, proof: impl Fn(&str, &Member) -> Result<(), String>) -> Result<&str, WaitingOn> {
        self.all_seen()?;
        let leader = self.leader().ok_or(WaitingOn::Primary)?;
        let members = self.members().iter().map(|(pod, member)| (pod.as_str(), member));
        self.these_pass(members, proof)?;
        Ok(leader)
    }

    /// Each of these members is healthy and passes the proof.
    ///
    /// # Errors
    /// What is waited for, if not.
    pub fn these_pass<'a>(
        &self,
        members: impl IntoIterator<Item = (&'a str, &'a Member)>,
        proof: impl Fn(&str, &Member) -> Result<(), String>,
    ) -> Result<(), WaitingOn> {
        for (pod, member) in members {
            let lacks = member
                .unhealthy_reason(self.leader() == Some(pod))
                .or_else(|| proof(pod, member).err());
            if let Some(why) = lacks {
                let pod = pod.to_owned();
                return Err(WaitingOn::Member { pod, why });
            }
        }
        Ok(())
    }
}

impl Member {
    /// Why this member can't be relied on, if it can't.
    pub fn unhealthy_reason(&self, is_leader: bool) -> Option<String> {
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
