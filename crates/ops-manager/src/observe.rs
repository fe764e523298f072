//! The only reader: one observation of a database, its children, its members and what a request refers to.
//!
//! Reads run side by side. What could not be read becomes [`Observed::Unknown`], never [`Observed::Absent`].

mod objects;
mod secrets;

use std::collections::BTreeMap;

use api_types::cert_manager::Certificate;
use api_types::tls::IssuerRef;
use api_types::vocabulary::{INSTANCE_LABEL, NAME_LABEL, NAME_VALUE, TRUST_CRT};
use api_types::{AppBinding, PauseHolder, PetSet, Postgres, PostgresOpsRequest, PostgresVersion, names};
use blueprint::{CaBundle, TlsMaterial, secret_text};
use instance::{PatroniTls, Session};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use crate::auth;
use crate::auth::kept::KeptAuth;
use crate::member::{Connections, Credentials};
use crate::operation::Operation;
use crate::request_type::Reads;
use crate::tls;
use crate::volumes;
use crate::volumes::world::Claim;
use crate::world::{ConfigSecret, IssuerState, Observed, World};
pub use objects::Reader;

/// An observation of the world, and the objects behind it that writes need for their preconditions.
#[derive(Default)]
pub struct Seen {
    /// What steps decide upon.
    pub world: World,
    /// What the type of the request reads.
    pub reads: Reads,
    /// The members' Pods by name.
    pub pods: BTreeMap<String, Pod>,
    /// The credentials that members require; absent until the auth Secret was read.
    pub credentials: Option<Credentials>,
    /// How Patroni is called.
    pub patroni_tls: Observed<PatroniTls>,
    /// The credentials between which this operation changes, once they are written down.
    pub kept_auth: Option<KeptAuth>,
    /// The open sessions of the probes, by Pod name.
    pub sessions: BTreeMap<String, Session>,
}

impl Seen {
    /// The Pod of this name, as it was seen.
    pub fn pod(&self, name: &str) -> Option<&Pod> {
        self.pods.get(name)
    }

    /// Whether Secrets could not be read: then the RoleBinding that allows it may be missing.
    pub fn needs_access(&self) -> bool {
        matches!(self.world.superuser, Observed::Unknown(_))
            || matches!(self.world.config, Observed::Unknown(_))
    }

    /// The Certificate of this name, as it was seen.
    pub fn certificate(&self, name: &str) -> Option<&Certificate> {
        let tls = self.world.tls.as_ref()?;
        tls.certificates
            .values()
            .filter_map(Observed::present)
            .find(|it| it.name_any() == name)
    }
}

/// What the admission of a request and the end of its pause need: no Secret, no member.
pub async fn outside(client: &kube::Client, op: &Operation) -> Seen {
    let reader = Reader::new(client, &op.namespace);
    let postgres = reader.look::<Postgres>(&op.database).await;
    Seen {
        world: surroundings(&reader, op, &reads(op, &postgres), postgres).await,
        ..Seen::default()
    }
}

/// What the type of the request reads; nothing while the Postgres is not known.
fn reads(op: &Operation, postgres: &Observed<Postgres>) -> Reads {
    let present = postgres.present();
    present
        .map(|postgres| op.type_.reads(op, postgres))
        .unwrap_or_default()
}

/// The Postgres, and what it and the request name.
async fn surroundings(
    reader: &Reader<'_>,
    op: &Operation,
    reads: &Reads,
    postgres: Observed<Postgres>,
) -> World {
    let mut world = World {
        now: Timestamp::now(),
        postgres,
        ..World::default()
    };
    let (version, other_versions, holder_is_gone, issuers, pet_set, claims) = tokio::join!(
        version(reader, &world),
        versions(reader, &reads.versions),
        holder_is_gone(reader, &world, op),
        issuers(reader, &reads.issuers),
        reader.look::<PetSet>(&op.database),
        claims(reader, &op.database),
    );
    if reads.volumes {
        world.volumes = Some(volumes::observe::observe(reader, &claims).await);
    }
    world.claims = claims;
    world.version = version;
    world.other_versions = other_versions;
    world.holder_is_gone = holder_is_gone;
    world.issuers = issuers;
    world.pet_set = pet_set;
    world
}

/// What a running operation needs, except the members' reports: [`ask`] probes those.
pub async fn during(client: &kube::Client, op: &Operation) -> Seen {
    let reader = Reader::new(client, &op.namespace);
    let postgres = match reader.look::<Postgres>(&op.database).await {
        Observed::Present(postgres) => postgres,
        other => {
            return Seen {
                world: surroundings(&reader, op, &Reads::default(), other).await,
                ..Seen::default()
            };
        }
    };
    let db = op.database.as_str();
    let config_name = names::config_secret(db, postgres.metadata.uid.as_deref().unwrap_or_default());
    let auth_name = postgres.auth_secret_name();
    let reads = op.type_.reads(op, &postgres);
    let tls_reads = reads.tls.as_ref();
    let in_force_name = names::auth_in_force(db);
    let members_tls_name = names::members_tls_secret(db);
    let (
        world,
        config,
        auth,
        in_force,
        members_tls,
        user_conf,
        others,
        app_binding,
        pods,
        makes_account,
        tls,
        rotation,
    ) = tokio::join!(
        surroundings(&reader, op, &reads, Observed::Present(postgres.clone())),
        reader.look::<Secret>(&config_name),
        reader.look::<Secret>(&auth_name),
        reader.look::<Secret>(&in_force_name),
        reader.look::<Secret>(&members_tls_name),
        secrets::user_conf(&reader, &postgres),
        secrets::user_confs(&reader, &reads.user_confs),
        reader.look::<AppBinding>(db),
        pods(&reader, db),
        makes_named_service_account(&reader, &postgres),
        tls::observe::observe(&reader, op, tls_reads),
        auth::observe::read(&reader, op, reads.auth.as_ref()),
    );
    let members_tls = secrets::members_tls(members_tls, &postgres);
    let (auth_world, kept_auth) = auth::observe::observed(rotation, op, &in_force);
    let auth = secrets::in_force(in_force, auth);
    Seen {
        credentials: secrets::credentials(&members_tls),
        patroni_tls: secrets::patroni_tls(&members_tls),
        reads,
        kept_auth,
        sessions: BTreeMap::new(),
        world: World {
            auth: auth_world,
            config: config_facts(config),
            superuser: secrets::superuser(&auth),
            member_tls: members_tls.map(|issued| issued.of_member()),
            user_conf,
            other_user_confs: others,
            app_binding: app_binding.map(|it| it.metadata),
            makes_named_service_account: makes_account,
            tls,
            volumes: world
                .volumes
                .map(|volumes| volumes.with_members(pods.as_ref().map(volumes::observe::members))),
            ..world
        },
        pods: match pods {
            Observed::Present(pods) => pods,
            Observed::Absent | Observed::Unknown(_) => BTreeMap::new(),
        },
    }
}

/// Probes the members too. Only when the due step needs their reports: a probe costs each member several sessions.
pub async fn ask(mut seen: Seen) -> Seen {
    let (members, sessions) = Connections::ask(&seen).await;
    seen.world.members = Some(members);
    seen.sessions = sessions;
    seen
}

async fn version(reader: &Reader<'_>, world: &World) -> Observed<PostgresVersion> {
    match world.postgres.present() {
        Some(postgres) => reader.look_in_cluster(&postgres.spec.version).await,
        None => Observed::Absent,
    }
}

async fn versions(reader: &Reader<'_>, asked: &[String]) -> BTreeMap<String, Observed<PostgresVersion>> {
    let looked = asked
        .iter()
        .map(|name| async { (name.clone(), reader.look_in_cluster(name).await) });
    futures::future::join_all(looked).await.into_iter().collect()
}

/// Whether the pause is held by a request that is gone, is another one by now, or has ended.
async fn holder_is_gone(reader: &Reader<'_>, world: &World, op: &Operation) -> bool {
    // Only the person ends a person's pause.
    let Some(PauseHolder::Request { name, uid }) = world.holder().filter(|holder| *holder != op.holder())
    else {
        return false;
    };
    match reader.look::<PostgresOpsRequest>(&name).await {
        Observed::Unknown(_) => false,
        Observed::Absent => true,
        Observed::Present(request) => {
            request.metadata.uid.as_deref() != Some(uid.as_str()) || request.has_ended()
        }
    }
}

async fn issuers(reader: &Reader<'_>, asked: &[IssuerRef]) -> Vec<(IssuerRef, Observed<IssuerState>)> {
    let looked = asked.iter().map(|issuer| async move {
        let state = reader.issuer(issuer).await;
        (issuer.clone(), state)
    });
    futures::future::join_all(looked).await
}

fn config_facts(secret: Observed<Secret>) -> Observed<ConfigSecret> {
    match secret {
        Observed::Absent => Observed::Absent,
        Observed::Unknown(why) => Observed::Unknown(why),
        Observed::Present(secret) => {
            match CaBundle::from_pem(secret_text(&secret, TRUST_CRT).unwrap_or_default()) {
                Ok(trust) => Observed::Present(ConfigSecret {
                    trust,
                    material: TlsMaterial::of_config(&secret),
                    meta: secret.metadata,
                }),
                Err(error) => Observed::Unknown(format!("its {TRUST_CRT} is damaged: {error}")),
            }
        }
    }
}

/// Selects what belongs to a database, by KubeDB's labels.
fn selector(db: &str) -> String {
    format!("{NAME_LABEL}={NAME_VALUE},{INSTANCE_LABEL}={db}")
}

async fn claims(reader: &Reader<'_>, db: &str) -> Observed<Vec<Claim>> {
    match reader.list::<PersistentVolumeClaim>(&selector(db)).await {
        Ok(claims) => Observed::Present(claims.iter().map(volumes::observe::claim).collect()),
        Err(error) => Observed::Unknown(runtime::error_chain(&error)),
    }
}

async fn pods(reader: &Reader<'_>, db: &str) -> Observed<BTreeMap<String, Pod>> {
    let pods = match reader.list::<Pod>(&selector(db)).await {
        Ok(pods) => pods,
        Err(error) => return Observed::Unknown(runtime::error_chain(&error)),
    };
    let is_member = |pod: &Pod| {
        let name = pod.name_any();
        name.strip_prefix(db)
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|n| n.parse::<u32>().is_ok())
    };
    let members = pods.into_iter().filter(is_member);
    Observed::Present(members.map(|pod| (pod.name_any(), pod)).collect())
}

/// Whether the service account that the user names is this database's own; must be read as provisioner reads it.
async fn makes_named_service_account(reader: &Reader<'_>, postgres: &Postgres) -> bool {
    let pod = postgres
        .spec
        .pod_template
        .as_ref()
        .and_then(|template| template.spec.as_ref());
    let named = pod
        .and_then(|pod| pod.service_account_name.as_deref())
        .filter(|name| !name.is_empty());
    let Some(name) = named else { return false };
    match reader.look::<ServiceAccount>(name).await {
        Observed::Absent => true,
        Observed::Unknown(_) => false,
        Observed::Present(account) => is_owned_by(&account.metadata, postgres),
    }
}

fn is_owned_by(meta: &ObjectMeta, postgres: &Postgres) -> bool {
    meta.owner_references
        .iter()
        .flatten()
        .any(|owner| Some(&owner.uid) == postgres.metadata.uid.as_ref())
}

/// The other requests for the same database, from a fresh read: an old list must not decide the queue.
///
/// # Errors
/// When they could not be read.
pub async fn others(
    client: &kube::Client,
    op: &Operation,
) -> Result<Vec<PostgresOpsRequest>, runtime::ApplyError> {
    let reader = Reader::new(client, &op.namespace);
    let all = reader.list::<PostgresOpsRequest>("").await?;
    Ok(all
        .into_iter()
        .filter(|other| {
            other.spec.database_ref.name == op.database && other.metadata.uid.as_deref() != Some(&op.uid)
        })
        .collect())
}
