//! The only reader: one look at a database, its children, its members and what a request refers to.
//!
//! Reads run side by side. What could not be read becomes [`Observed::Unknown`], never [`Observed::Absent`].

mod objects;
mod secrets;

use std::collections::BTreeMap;

use api_types::cert_manager::{Certificate, CertificateRequest, IssuerCondition};
use api_types::tls::{CertificateAlias, IssuerRef};
use api_types::vocabulary::{CERT_MANAGER_GROUP, INSTANCE_LABEL, NAME_LABEL, NAME_VALUE, TRUST_CRT};
use api_types::{AppBinding, PetSet, Postgres, PostgresOpsRequest, PostgresVersion, names};
use blueprint::{CaBundle, LAST_GOOD_OF, Material, secret_text};
use instance::Session;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, Secret, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use crate::member::{Credentials, Members};
use crate::moves::authority::{self, Answer};
use crate::operation::{Operation, What};
use crate::world::{ConfigSecret, IssuedSecret, Observed, World};
use objects::Reader;

/// A look at the world, and the objects behind it that writes need for their preconditions.
#[derive(Default)]
pub struct Seen {
    /// What steps judge.
    pub world: World,
    /// The members' Pods by name.
    pub pods: BTreeMap<String, Pod>,
    /// What the members want to hear before they obey; absent until the auth Secret was read.
    pub credentials: Option<Credentials>,
    /// The sessions in which members were asked, by Pod name.
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
        self.world
            .certificates
            .values()
            .filter_map(Observed::present)
            .find(|it| it.name_any() == name)
    }
}

/// What the admission of a request looks at, and what the end of its pause does: no Secret, no member.
pub async fn outside(client: &kube::Client, op: &Operation) -> Seen {
    let reader = Reader::new(client, &op.namespace);
    let postgres = reader.look::<Postgres>(&op.database).await;
    Seen {
        world: World {
            members_not_asked: true,
            ..surroundings(&reader, op, postgres).await
        },
        ..Seen::default()
    }
}

/// The Postgres, and what it and the request name.
async fn surroundings(reader: &Reader<'_>, op: &Operation, postgres: Observed<Postgres>) -> World {
    let mut world = World {
        now: Timestamp::now(),
        postgres,
        ..World::default()
    };
    let (version, holder_is_gone, issuers, pet_set) = tokio::join!(
        version(reader, &world),
        holder_is_gone(reader, &world, op),
        issuers(reader, &world, op),
        reader.look::<PetSet>(&op.database),
    );
    world.version = version;
    world.holder_is_gone = holder_is_gone;
    world.issuers = issuers;
    world.pet_set = pet_set;
    world
}

/// What a running operation looks at, but for what the members answer: that is asked by [`ask`].
pub async fn during(client: &kube::Client, op: &Operation) -> Seen {
    let reader = Reader::new(client, &op.namespace);
    let postgres = match reader.look::<Postgres>(&op.database).await {
        Observed::Present(postgres) => postgres,
        other => {
            return Seen {
                world: surroundings(&reader, op, other).await,
                ..Seen::default()
            };
        }
    };
    let db = op.database.as_str();
    let config_name = names::config_secret(db, postgres.metadata.uid.as_deref().unwrap_or_default());
    let auth_name = secrets::auth_name(&postgres);
    let last_good_name = names::last_good_secret(db);
    let (world, config, last_good, auth, user_conf, app_binding, certificates, pods, makes_account, answers) = tokio::join!(
        surroundings(&reader, op, Observed::Present(postgres.clone())),
        reader.look::<Secret>(&config_name),
        reader.look::<Secret>(&last_good_name),
        reader.look::<Secret>(&auth_name),
        secrets::user_conf(&reader, &postgres),
        reader.look::<AppBinding>(db),
        certificates_and_secrets(&reader, op, &postgres),
        pods(&reader, db),
        makes_named_service_account(&reader, &postgres),
        answers(&reader, op),
    );
    let (certificates, issued) = certificates;
    Seen {
        credentials: secrets::credentials(&auth),
        pods,
        sessions: BTreeMap::new(),
        world: World {
            config: config_facts(config),
            last_good: last_good_of(op, last_good),
            superuser: secrets::superuser(&auth),
            user_conf,
            app_binding: app_binding.map(|it| it.metadata),
            certificates,
            secrets: issued,
            answers,
            makes_named_service_account: makes_account,
            members_not_asked: true,
            ..world
        },
    }
}

/// Asks the members too. Only when a step is due that judges them: a question costs each of them several sessions.
pub async fn ask(mut seen: Seen) -> Seen {
    let asked = Members::ask(&seen).await;
    seen.world.members_not_asked = false;
    seen.world.members = asked.members;
    seen.world.leader = asked.leader;
    seen.sessions = asked.sessions;
    seen
}

/// The Certificates, and then their Secrets: a Secret that is read after them is at least as new as what they say of it.
async fn certificates_and_secrets(
    reader: &Reader<'_>,
    op: &Operation,
    postgres: &Postgres,
) -> (
    BTreeMap<CertificateAlias, Observed<Certificate>>,
    BTreeMap<String, Observed<IssuedSecret>>,
) {
    let certificates = certificates(reader, &op.database).await;
    let issued = secrets::issued(reader, &certificate_secrets(op, postgres)).await;
    (certificates, issued)
}

async fn version(reader: &Reader<'_>, world: &World) -> Observed<PostgresVersion> {
    match world.postgres.present() {
        Some(postgres) => reader.look_in_cluster(&postgres.spec.version).await,
        None => Observed::Absent,
    }
}

/// Whether the pause is held by a request that is gone, is another one by now, or has ended.
async fn holder_is_gone(reader: &Reader<'_>, world: &World, op: &Operation) -> bool {
    let Some(holder) = world.holder().filter(|holder| *holder != op.holder()) else {
        return false;
    };
    // A human writes a name only; such a pause is nobody's to clear.
    let Some((name, uid)) = holder.split_once('/') else {
        return false;
    };
    match reader.look::<PostgresOpsRequest>(name).await {
        Observed::Unknown(_) => false,
        Observed::Absent => true,
        Observed::Present(request) => request.metadata.uid.as_deref() != Some(uid) || request.has_ended(),
    }
}

/// The issuers that the request names, or that the database has.
async fn issuers(
    reader: &Reader<'_>,
    world: &World,
    op: &Operation,
) -> Vec<(IssuerRef, Observed<crate::world::IssuerState>)> {
    let What::ReconfigureTls(request) = &op.what else {
        return Vec::new();
    };
    let own = world
        .postgres
        .present()
        .and_then(|postgres| postgres.spec.tls.as_ref());
    let mut named: Vec<IssuerRef> = Vec::new();
    let certificates = request
        .certificates
        .iter()
        .chain(own.iter().flat_map(|tls| &tls.certificates));
    let all = request
        .issuer_ref
        .iter()
        .chain(own.and_then(|tls| tls.issuer_ref.as_ref()));
    for issuer in all.chain(certificates.filter_map(|certificate| certificate.issuer_ref.as_ref())) {
        if issuer.group() == CERT_MANAGER_GROUP && !named.contains(issuer) {
            named.push(issuer.clone());
        }
    }
    let looked = named.into_iter().map(|issuer| async move {
        let state = reader.issuer(&issuer).await;
        (issuer, state)
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
                    material: Material::of_config(&secret),
                    meta: secret.metadata,
                }),
                Err(error) => Observed::Unknown(format!("its {TRUST_CRT} is damaged: {error}")),
            }
        }
    }
}

/// What this operation kept; what an earlier one kept is as good as absent.
fn last_good_of(op: &Operation, secret: Observed<Secret>) -> Observed<Material> {
    match secret {
        Observed::Present(secret) if secret.annotations().get(LAST_GOOD_OF) == Some(&op.uid) => {
            Observed::Present(Material::of_config(&secret))
        }
        Observed::Present(_) | Observed::Absent => Observed::Absent,
        Observed::Unknown(why) => Observed::Unknown(why),
    }
}

async fn certificates(reader: &Reader<'_>, db: &str) -> BTreeMap<CertificateAlias, Observed<Certificate>> {
    let looked = CertificateAlias::ALL.map(|alias| async move {
        let name = names::certificate(db, alias);
        (alias, reader.look::<Certificate>(&name).await)
    });
    futures::future::join_all(looked).await.into_iter().collect()
}

/// What the issuers answered that the database is to get; nobody else is asked.
async fn answers(reader: &Reader<'_>, op: &Operation) -> BTreeMap<String, Observed<Answer>> {
    let new = op.plan.tls.iter().flat_map(authority::new_issuers);
    let looked = new.map(|issuer| async move {
        let name = authority::request_name(op, &issuer);
        let answer = reader.look::<CertificateRequest>(&name).await.map(answer);
        (name, answer)
    });
    futures::future::join_all(looked).await.into_iter().collect()
}

fn answer(request: CertificateRequest) -> Answer {
    let status = request.status.unwrap_or_default();
    let said = |type_: &str| {
        status
            .conditions
            .iter()
            .find(|condition| condition.type_ == type_)
    };
    let words = |condition: &IssuerCondition| condition.message.clone().unwrap_or_default();
    for refusal in ["Denied", "InvalidRequest"] {
        if let Some(condition) = said(refusal).filter(|condition| condition.status == "True") {
            return Answer::Refused(words(condition));
        }
    }
    match said("Ready") {
        Some(ready) if ready.status == "True" => {
            let pem = status
                .ca
                .and_then(|ca| String::from_utf8(ca.0).ok())
                .unwrap_or_default();
            Answer::Signed(CaBundle::from_pem(&pem).unwrap_or_default())
        }
        Some(ready) if ready.reason.as_deref() == Some("Failed") => Answer::Refused(words(ready)),
        Some(ready) => Answer::Pending(words(ready)),
        None => Answer::Pending("cert-manager has not said so yet".to_owned()),
    }
}

/// The Secrets of certificates that the spec names now, and that it will name.
fn certificate_secrets(op: &Operation, postgres: &Postgres) -> Vec<String> {
    let plan = op.plan.tls.as_ref();
    let planned = plan
        .into_iter()
        .flat_map(|plan| [plan.before.tls.as_ref(), plan.after.tls.as_ref()])
        .flatten();
    let all = planned.chain(postgres.spec.tls.as_ref());
    let named = all
        .flat_map(|tls| &tls.certificates)
        .filter_map(|certificate| certificate.secret_name.clone());
    let default = CertificateAlias::ALL.map(|alias| names::certificate(&op.database, alias));
    let mut found: Vec<String> = named.filter(|name| !name.is_empty()).chain(default).collect();
    found.sort();
    found.dedup();
    found
}

async fn pods(reader: &Reader<'_>, db: &str) -> BTreeMap<String, Pod> {
    let selector = format!("{NAME_LABEL}={NAME_VALUE},{INSTANCE_LABEL}={db}");
    let pods = reader.list::<Pod>(&selector).await.unwrap_or_default();
    let is_member = |pod: &Pod| {
        let name = pod.name_any();
        name.strip_prefix(db)
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|n| n.parse::<u32>().is_ok())
    };
    pods.into_iter()
        .filter(is_member)
        .map(|pod| (pod.name_any(), pod))
        .collect()
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

/// The other requests for the same database, read anew: the queue must not be decided by an old list.
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
