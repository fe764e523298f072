//! A small world: what provisioner, petset, cert-manager, kubelet and Patroni do, without any of them.

mod auth;
pub mod catalog;
mod members;
mod others;
mod perform;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};

use api_types::cert_manager::Certificate;
use api_types::pause::PausedBy;
use api_types::postgres::{PostgresSpec, StorageType};
use api_types::tls::CertificateAlias;
use api_types::vocabulary::{PAUSED_BY, TRUST_CRT};
use api_types::{PauseHolder, PetSet, Postgres, PostgresVersion};
use blueprint::{CaBundle, KeyPair, TlsInputs, TlsMaterial, TlsPhase};
use instance::{LoadedConfiguration, LoadedParameters, Replica, Slot, SslSessions};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use ops_manager::effect::{Child, Effect, MemberEffect};
use ops_manager::member::resources;
use ops_manager::section::SpecPatch;
use ops_manager::tls::effect::TlsEffect;
use ops_manager::tls::issuer_ca::IssuerCaAnswer;
use ops_manager::tls::verification::subjects_of;
use ops_manager::tls::world::{IssuedSecret, TlsWorld};
use ops_manager::world::{
    ConfigSecret, ContainerResources, Files, Member, Members, Observed, PatroniState, Resizing, ServedLeaf,
    ServerState, TlsProbe, World,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use testkit::authority::Authority;

pub use volumes::Storage;

use crate::objects::{build, condition_of, issue, member_tls, set_issuing};
use crate::parameters::{self, Settings};
pub use auth::Auth;

/// The Secret of the client certificate.
const CLIENT_SECRET: &str = "pg-client-cert";

/// What a member has read, or has in its folders.
#[derive(Clone, Default)]
pub(crate) struct Loaded {
    phase: TlsPhase,
    leaf: Option<String>,
    trust: CaBundle,
    pg_hba: Vec<String>,
    ssl_mode: String,
    pub parameters: Settings,
    files: Files,
}

/// What brings a broken member back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cure {
    Nothing,
    Restart,
    Rebuild,
}

pub(crate) struct Pod {
    serves_reads: bool,
    uid: String,
    revision: String,
    starting: u32,
    resources: BTreeMap<String, ContainerResources>,
    resizing: Option<Resizing>,
    restarts: i32,
    /// Stands for the template that it was made from, without resources.
    template: String,
    image: String,
    /// Parameters in force.
    pub parameters: Settings,
    token: Option<String>,
    folders: Loaded,
    pub loaded: Loaded,
}

/// The objects of one database, and its members.
pub struct Cluster {
    pub postgres: Postgres,
    pub version: PostgresVersion,
    pub other_versions: Vec<PostgresVersion>,
    /// No Pod starts with it.
    pub bad_image: Option<&'static str>,
    pub config: Secret,
    last_good: Option<Secret>,
    app_binding: ObjectMeta,
    pub pet_set: PetSet,
    pub certificates: BTreeMap<CertificateAlias, Certificate>,
    pub secrets: BTreeMap<String, IssuedSecret>,
    pub(crate) pods: BTreeMap<String, Pod>,
    pub leader: String,
    pub switchovers: u32,
    pub evictions: Vec<String>,
    authorities: BTreeMap<String, Authority>,
    counter: u32,
    pub now: Timestamp,
    /// A Pod that does not follow reloads.
    pub keeps_old_files: Option<String>,
    answers: BTreeMap<String, IssuerCaAnswer>,
    /// Applications' sessions on every member.
    pub sessions: SslSessions,
    /// Applications come back at once while a member admits them.
    pub sessions_come_back: bool,
    /// A Pod that answers neither on the wire nor in SQL until then.
    pub unreachable: Option<(&'static str, Timestamp)>,
    /// A Pod whose Patroni answers nobody; its Pod does not come up again once it has ended.
    pub silent: Option<&'static str>,
    /// What is issued is valid from the begin of 2026.
    pub issues_from_2026: bool,
    /// Replication slots of members, on every member that runs; Patroni keeps those of members that are gone.
    slots: BTreeSet<String>,
    /// Bytes of the last primary's WAL that a member lacks.
    pub lacks: BTreeMap<String, u64>,
    /// Slots that users made, by member.
    pub user_slots: BTreeMap<String, Vec<Slot>>,
    /// Patroni drops them at once.
    forgets_slots: bool,
    /// A Pod whose PostgreSQL does not run.
    pub broken: Option<&'static str>,
    /// What brings it back.
    pub cure: Cure,
    /// Pods that were promoted whatever they lacked.
    pub promotions: Vec<String>,
    /// Pods whose data was replaced.
    pub rebuilt: Vec<String>,
    /// The CA of every leaf that was issued, by the leaf's fingerprint.
    issued_by: BTreeMap<String, CaBundle>,
    /// Pods that a client could not read from when they ended.
    pub lost_reads: Vec<String>,
    pub terminating: BTreeSet<&'static str>,
    /// No node has room for a Pod that asks for more bytes of memory.
    pub room: i64,
    /// Parameters that `ALTER SYSTEM` has set.
    pub altered: Vec<&'static str>,
    /// A Pod whose node has no room for more, where others have.
    pub full_node: Option<&'static str>,
    /// Bytes of memory that every member can't give back.
    pub used: i64,
    /// A Pod of which a container is killed when it is resized.
    pub killed_by_resize: Option<&'static str>,
    /// Pods that were resized while they ran.
    pub resized: Vec<String>,
    /// `user.conf` of Secrets, by name.
    pub user_confs: Settings,
    /// What Patroni keeps for all members.
    pub(crate) dynamic: Value,
    /// Pods whose PostgreSQL was restarted in place.
    pub restarts: Vec<String>,
    /// Which superuser's password is where.
    pub auth: Auth,
    /// PostgreSQL does not run with this value of a parameter.
    pub poison: Option<(&'static str, &'static str)>,
    pub storage: Storage,
}

impl Cluster {
    /// A plaintext database that runs.
    pub fn new(replicas: i32) -> Self {
        Self::of(replicas, |_| {})
    }

    /// The same with its data in the Pods.
    pub fn ephemeral(replicas: i32) -> Self {
        Self::of(replicas, |spec| {
            spec.storage_type = Some(StorageType::Ephemeral);
            spec.storage = None;
        })
    }

    /// A database that runs, with this edit of its spec.
    pub fn of(replicas: i32, edit: impl Fn(&mut PostgresSpec)) -> Self {
        let storage = "storageType: Durable, storage: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}";
        let mut postgres: Postgres = serde_yaml::from_str(&format!(
            "{{apiVersion: kubedb.com/v1, kind: Postgres, metadata: {{name: pg, namespace: demo, uid: uid-of-pg-000001, generation: 1}}, \
             spec: {{version: '17.12', replicas: {replicas}, {storage}}}, status: {{phase: Ready}}}}"
        ))
        .expect("a Postgres");
        edit(&mut postgres.spec);
        let text = |(name, conf): (&str, &str)| (name.to_owned(), conf.to_owned());
        let user_confs = Settings::from(
            [
                (
                    "pg-configuration",
                    "max_connections = 200\nshared_buffers = 128MB",
                ),
                ("new-pg-configuration", "max_connections = 250\nwork_mem = 8MB"),
            ]
            .map(text),
        );
        let version = catalog::postgres_version("17.12", "postgres");
        postgres.status.get_or_insert_default().deployed = Some(catalog::deployed(&version));
        let conf = user_confs.get("pg-configuration").map(String::as_str);
        let children = build(&postgres, &version, TlsInputs::default(), None, conf);
        let dynamic = parameters::dynamic_of(&children.config_secret);
        let mut cluster = Self {
            config: children.config_secret,
            last_good: None,
            app_binding: children.app_binding.metadata,
            pet_set: children.pet_set,
            certificates: BTreeMap::new(),
            secrets: BTreeMap::new(),
            pods: BTreeMap::new(),
            leader: "pg-0".into(),
            switchovers: 0,
            evictions: Vec::new(),
            authorities: ["one", "two"]
                .map(|name| (name.to_owned(), Authority::new(name)))
                .into(),
            counter: 0,
            keeps_old_files: None,
            answers: BTreeMap::new(),
            sessions: SslSessions::default(),
            sessions_come_back: false,
            unreachable: None,
            silent: None,
            issues_from_2026: false,
            slots: BTreeSet::new(),
            lacks: BTreeMap::new(),
            user_slots: BTreeMap::new(),
            forgets_slots: false,
            broken: None,
            cure: Cure::Nothing,
            promotions: Vec::new(),
            rebuilt: Vec::new(),
            issued_by: BTreeMap::new(),
            lost_reads: Vec::new(),
            terminating: BTreeSet::new(),
            room: i64::MAX,
            altered: Vec::new(),
            full_node: None,
            used: 100 << 20,
            killed_by_resize: None,
            resized: Vec::new(),
            user_confs,
            dynamic,
            restarts: Vec::new(),
            auth: Auth::new(),
            poison: None,
            storage: Storage::default(),
            now: "2026-01-01T00:00:00Z".parse().expect("a time"),
            other_versions: catalog::others(),
            bad_image: None,
            postgres,
            version,
        };
        cluster.pet_set.metadata.generation = Some(1);
        for _ in 0..4 {
            cluster.petset_ticks();
        }
        cluster
    }

    pub fn uids(&self) -> BTreeMap<String, String> {
        self.pods
            .iter()
            .map(|(name, pod)| (name.clone(), pod.uid.clone()))
            .collect()
    }

    pub fn ready(&self) -> usize {
        self.pods.values().filter(|pod| pod.starting == 0).count()
    }

    /// What a look finds.
    pub fn world(&self) -> World {
        World {
            now: self.now,
            postgres: Observed::Present(self.postgres.clone()),
            version: Observed::Present(self.version_of_spec().clone()),
            other_versions: self.versions(),
            superuser: Observed::Present("postgres".into()),
            member_tls: Observed::Present(member_tls()),
            user_conf: self
                .user_conf()
                .map_or(Observed::Absent, |text| Observed::Present(text.to_owned())),
            other_user_confs: ["bad", "pg-configuration", "new-pg-configuration"]
                .map(|name| {
                    let text = self.user_confs.get(name).cloned();
                    (name.to_owned(), text.map_or(Observed::Absent, Observed::Present))
                })
                .into(),
            config: Observed::Present(ConfigSecret {
                meta: self.config.metadata.clone(),
                trust: self.trust(),
                material: TlsMaterial::of_config(&self.config),
            }),
            app_binding: Observed::Present(self.app_binding.clone()),
            pet_set: Observed::Present(self.pet_set.clone()),
            claims: Observed::Present(self.claims()),
            volumes: Some(self.volumes_world()),
            auth: Some(self.auth.world()),
            tls: Some(TlsWorld {
                last_good: self.last_good.as_ref().map_or(Observed::Absent, |secret| {
                    Observed::Present(TlsMaterial::of_config(secret))
                }),
                answers: self
                    .answers
                    .iter()
                    .map(|(name, answer)| (name.clone(), Observed::Present(answer.clone())))
                    .collect(),
                certificates: self
                    .certificates
                    .iter()
                    .map(|(a, c)| (*a, Observed::Present(c.clone())))
                    .collect(),
                secrets: self
                    .secrets
                    .iter()
                    .map(|(n, s)| (n.clone(), Observed::Present(s.clone())))
                    .collect(),
            }),
            members: Some(Members {
                by_pod: self
                    .pods
                    .iter()
                    .map(|(name, pod)| (name.clone(), self.member(name, pod)))
                    .collect(),
                leader: self.leader_that_answers(),
                forgets_slots: Some(self.forgets_slots),
                dynamic_configuration: Some(self.dynamic.clone()),
            }),
            ..World::default()
        }
    }

    fn member(&self, name: &str, pod: &Pod) -> Member {
        let ready = pod.starting == 0;
        let is_leader = self.leader == name;
        let probe = TlsProbe {
            served: pod
                .loaded
                .leaf
                .clone()
                .filter(|_| pod.loaded.phase != TlsPhase::Off)
                .map(|fingerprint| ServedLeaf {
                    fingerprint,
                    ..ServedLeaf::default()
                }),
            trusted_subjects: subjects_of(&pod.loaded.trust),
            plaintext: Some(pod.loaded.phase != TlsPhase::Enforce),
        };
        let runs = self.runs(name, pod);
        let pending = self.pending(pod);
        let patroni = PatroniState {
            running: runs,
            primary: is_leader,
            cloning: false,
            timeline: Some(1),
            received: Some(self.received(name)),
            replayed: Some(self.received(name)),
            replayed_at: None,
            streaming: !is_leader && runs,
            lag: Some(0),
            pending_restart: !pending.is_empty(),
            pending,
        };
        let is_away = |(pod, until): (&str, Timestamp)| pod == name && self.now < until;
        let answers = ready && !self.chokes(pod) && !self.unreachable.is_some_and(is_away);
        Member {
            uid: pod.uid.clone(),
            revision: pod.revision.clone(),
            ready: ready && runs,
            has_started: ready,
            serves_reads: pod.serves_reads,
            resources: pod.resources.clone(),
            resizing: pod.resizing.clone(),
            restarts: [("postgres".to_owned(), pod.restarts)].into(),
            files_token: pod.token.clone(),
            patroni: said(ready && self.silent != Some(name), patroni),
            probe: said(answers, probe),
            server: said(answers, self.server(name, pod)),
            ..Member::default()
        }
    }

    fn trust(&self) -> CaBundle {
        let pem = self
            .config
            .string_data
            .as_ref()
            .and_then(|data| data.get(TRUST_CRT).cloned())
            .or_else(|| {
                let bytes = &self.config.data.as_ref()?.get(TRUST_CRT)?.0;
                String::from_utf8(bytes.clone()).ok()
            });
        CaBundle::from_pem(&pem.unwrap_or_default()).expect("PEM")
    }

    fn server(&self, name: &str, pod: &Pod) -> ServerState {
        let replicas = self.pods.iter().filter(|(other, _)| other.as_str() != name);
        let replica = |(other, standby): (&String, &Pod)| Replica {
            application_name: other.clone(),
            state: "streaming".into(),
            sync_state: "async".into(),
            replay_lag_bytes: Some(0),
            ssl: pod.loaded.phase != TlsPhase::Off && standby.loaded.phase != TlsPhase::Off,
        };
        ServerState {
            version: self.version_in(&pod.image),
            files: pod.folders.files.clone(),
            configuration: LoadedConfiguration {
                pg_hba: pod.loaded.pg_hba.clone(),
                is_read: true,
                primary_conninfo: format!("user=postgres sslmode={}", pod.loaded.ssl_mode),
            },
            sessions: self.sessions,
            replicas: replicas.map(replica).collect(),
            slots: self.slots_of(name),
            takes_writes: self.leader == name,
            parameters: Some(LoadedParameters {
                values: pod.parameters.clone(),
                pending: self.pending(pod).into_keys().collect(),
                altered: self.altered.iter().map(|it| (*it).to_owned()).collect(),
            }),
            cgroup: Some(self.cgroup(pod)),
            auth: self.auth.member(self.leader == name),
        }
    }

    /// Whether a client that reads its Secret now can verify every member.
    ///
    /// # Errors
    /// The member that it can't.
    pub fn clients_verify_every_member(&self) -> Result<(), String> {
        let Some(secret) = self.secrets.get(CLIENT_SECRET) else {
            return Ok(());
        };
        for (name, pod) in self
            .pods
            .iter()
            .filter(|(_, pod)| pod.loaded.phase != TlsPhase::Off)
        {
            let ca = pod.loaded.leaf.as_ref().and_then(|leaf| self.issued_by.get(leaf));
            if !ca.is_none_or(|ca| secret.shown_ca.contains_all(ca)) {
                return Err(format!(
                    "{name} serves a certificate of a CA that the clients' bundle lacks"
                ));
            }
        }
        Ok(())
    }

    /// Clients may need every CA that members trust: a member may serve a certificate of it.
    fn clients_find_what_members_trust(&self) -> bool {
        let client = self.secrets.get(CLIENT_SECRET);
        client.is_none_or(|secret| secret.shown_ca.contains_all(&self.trust()))
    }

    fn files(&self) -> Loaded {
        let material = TlsMaterial::of_config(&self.config);
        let data = self.config.data.as_ref().expect("data");
        let hash = |key: &str| Some(hex::encode(Sha256::digest(&data.get(key)?.0)));
        let patroni: serde_json::Value = serde_json::from_slice(&data["patroni.yml"].0).expect("JSON");
        let lines = patroni["postgresql"]["pg_hba"].as_array().expect("lines").iter();
        let ssl_mode = patroni["postgresql"]["authentication"]["replication"]["sslmode"].as_str();
        Loaded {
            pg_hba: lines
                .map(|line| line.as_str().expect("a line").to_owned())
                .collect(),
            ssl_mode: ssl_mode.unwrap_or("prefer").to_owned(),
            parameters: parameters::of(&patroni["postgresql"]["parameters"]),
            files: Files {
                configuration: hash("patroni.yml"),
                trust: hash("trust.crt"),
                leaves: material
                    .iter()
                    .filter_map(|(alias, pair)| Some((alias, pair.fingerprint()?)))
                    .collect(),
            },
            phase: blueprint::recorded_phase(&self.config.metadata).unwrap_or_default(),
            leaf: material
                .get(CertificateAlias::Server)
                .and_then(KeyPair::fingerprint),
            trust: self.trust(),
        }
    }
}

fn said<T>(answers: bool, what: T) -> Observed<T> {
    if answers {
        Observed::Present(what)
    } else {
        Observed::Unknown("it does not answer".into())
    }
}
