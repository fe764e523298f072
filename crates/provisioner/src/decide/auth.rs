//! The superuser's credentials: ours to make, or the user's to bring.

use api_types::deployed::DeployedAuth;
use api_types::ops_request::OpsRequestType;
use api_types::reported::postgres::reasons;
use api_types::running::advice;
use api_types::tls::ClientAuthMode;
use api_types::vocabulary::{
    INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGED_BY_VALUE, NAME_LABEL, NAME_VALUE, PATRONI_YML,
};
use api_types::{Postgres, names};
use blueprint::resolve::DEFAULT_SUPERUSER;
use blueprint::{AuthInForce, Credentials, PASSWORD, USERNAME, credentials, secret_text, usable_credentials};
use k8s_openapi::api::core::v1::Secret;
use kube::Resource;

use crate::decide::{Refusal, deployed, drift};
use crate::health::Tried;
use crate::world::{SecretFacts, Secrets, World};

/// What the label for the name ends in on objects of KubeDB's databases, such as `mysqls.kubedb.com`.
const DATABASE_KINDS: &str = ".kubedb.com";

/// What there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth<'a> {
    /// None yet: make one.
    Missing,
    /// These, and what not every reader of them can use, if anything: a database that runs goes on with them.
    Usable(Credentials<'a>, Option<Refusal>),
    /// The user has to act.
    Refused(Refusal),
}

/// Validates the auth Secret.
pub fn judge<'a>(world: &World, secrets: &'a SecretFacts) -> Auth<'a> {
    let Some(secret) = &secrets.auth else {
        return missing(world);
    };
    let name = world.auth_secret_name();
    if !is_external(&world.postgres)
        && let Some(other) = belongs_to(secret).filter(|other| *other != world.name())
    {
        return Auth::Refused(refusal(&format!(
            "Secret {name:?} belongs to database {other:?} by its labels; name another Secret, or set spec.authSecret.externallyManaged"
        )));
    }
    let fault = about_to_go(world, secret).or_else(|| unusable(secret, &name));
    match (credentials(secret), fault) {
        (Some(found), fault) if fault.is_none() || world.is_provisioned() => Auth::Usable(found, fault),
        (_, Some(fault)) => Auth::Refused(fault),
        (_, None) => Auth::Refused(refusal(&format!(
            "Secret {name:?} needs non-empty keys username and password"
        ))),
    }
}

/// Whether a Secret that is not there is ours to make. One that the user named is the user's to bring, and a new password does
/// not open old data.
fn missing(world: &World) -> Auth<'static> {
    let name = world.auth_secret_name();
    let refused = |message: String| Auth::Refused(refusal(&message));
    if is_external(&world.postgres) {
        return refused(format!(
            "Secret {name:?} is externally managed and does not exist; create it with keys username and password"
        ));
    }
    if world.is_provisioned() {
        // A new password would lock out members and applications that go on with the old one.
        return refused(format!(
            "Secret {name:?} does not exist any more; create it again with keys username and password, as the members and applications use them{}",
            kept_in(world)
        ));
    }
    let data = world.kept_claims().next();
    if let Some(claim) = data {
        return refused(format!(
            "Secret {name:?} does not exist, and PersistentVolumeClaim {claim:?} has the data of an earlier database, which a new \
             password would not open; create the Secret with keys username and password as that database had them{}. To begin with an \
             empty database instead, lose that data: kubectl delete pvc,configmap -l {NAME_LABEL}={NAME_VALUE},{INSTANCE_LABEL}={}",
            kept_in(world),
            world.name(),
        ));
    }
    if names_secret(&world.postgres) {
        return refused(format!(
            "Secret {name:?} does not exist yet and is waited for; create it with keys username and password, or remove \
             spec.authSecret to have a Secret made"
        ));
    }
    Auth::Missing
}

/// The record of credentials that are made in this pass.
pub fn first(world: &World) -> DeployedAuth {
    DeployedAuth {
        secret_name: world.auth_secret_name(),
        username: DEFAULT_SUPERUSER.to_owned(),
        revision: 1,
    }
}

/// The credentials that open the database, and why those of the auth Secret are not they. A database that is still to be made gets
/// the latter. Later, another password counts as soon as a login with it has succeeded.
pub fn in_force<'a>(
    world: &World,
    secrets: &'a SecretFacts,
    wanted: Credentials<'a>,
) -> (AuthInForce<'a>, Option<Refusal>) {
    let from = secrets.auth.as_ref().and_then(|it| it.metadata.name.as_deref());
    let from = from.unwrap_or_default();
    let is_made = deployed::has_data(world) || !world.is_unborn();
    let kept = secrets.in_force.as_ref().and_then(AuthInForce::of_secret);
    let Some(kept) = kept.filter(|_| is_made) else {
        return (AuthInForce::first(from, wanted), None);
    };
    if kept.superuser == wanted || is_proven(world, kept, wanted) {
        return (kept.followed_by(from, wanted), None);
    }
    let refusal = not_in_force(world, kept, wanted, from);
    (kept, Some(refusal))
}

/// Whether the health check has logged in with another password of the same role.
fn is_proven(world: &World, kept: AuthInForce<'_>, wanted: Credentials<'_>) -> bool {
    let opened = world.health.as_ref().and_then(|report| report.opened_by.as_ref());
    kept.superuser.username == wanted.username && opened == Some(&Tried::of(wanted.username, wanted.password))
}

/// The password that is worth trying: of the same role, where clients log in by passwords.
pub fn to_try<'a>(world: &World, secrets: &'a SecretFacts) -> Option<Credentials<'a>> {
    let kept = AuthInForce::of_secret(secrets.in_force.as_ref()?)?.superuser;
    let wanted = credentials(secrets.auth.as_ref()?)?;
    let is_another = kept.username == wanted.username && kept.password != wanted.password;
    (is_another && !is_by_certificate(world)).then_some(wanted)
}

/// Whether no client logs in by password.
fn is_by_certificate(world: &World) -> bool {
    let config = world.config_secret();
    let written = config.and_then(|config| secret_text(config, PATRONI_YML));
    written.and_then(drift::recorded_auth_mode) == Some(ClientAuthMode::Cert)
}

/// The Secret with the credentials that open the database, when it is not so yet.
pub fn to_keep(world: &World, secrets: &SecretFacts) -> Option<Secret> {
    let wanted = credentials(secrets.auth.as_ref()?)?;
    let (in_force, _) = in_force(world, secrets, wanted);
    let live = secrets.in_force.as_ref();
    (live.and_then(AuthInForce::of_secret) != Some(in_force))
        .then(|| in_force.secret(world.namespace(), world.name()))
}

fn not_in_force(world: &World, kept: AuthInForce<'_>, wanted: Credentials<'_>, name: &str) -> Refusal {
    let is_renamed = kept.superuser.username != wanted.username;
    let key = if is_renamed { USERNAME } else { PASSWORD };
    let what = if kept.from == name {
        format!("key {key} of Secret {name:?} was changed")
    } else {
        format!(
            "Secret {name:?} has another key {key} than Secret {:?}, which the members were made with",
            kept.from
        )
    };
    let by_sql = format!(
        ", or set the new password in the database too (ALTER ROLE {:?} PASSWORD): it counts as soon as a login with it succeeds",
        kept.superuser.username
    );
    let by_sql = if is_renamed || is_by_certificate(world) {
        ""
    } else {
        by_sql.as_str()
    };
    Refusal::new(
        reasons::ROTATE_AUTH_NEEDED,
        format!(
            "spec.authSecret: {what}, and the former one opens the database: members and operators go on with it. {} (Secret {} has \
             it){by_sql}",
            advice(OpsRequestType::RotateAuth),
            names::auth_in_force(world.name()),
        ),
    )
}

/// Where the credentials that open the data can be read, if anywhere.
fn kept_in(world: &World) -> String {
    let Secrets::Read(secrets) = &world.secrets else {
        return String::new();
    };
    match &secrets.in_force {
        Some(_) => format!(" (Secret {} has them)", names::auth_in_force(world.name())),
        None => String::new(),
    }
}

fn refusal(message: &str) -> Refusal {
    Refusal::new(
        reasons::INVALID_AUTH_SECRET,
        format!("spec.authSecret: {message}"),
    )
}

fn unusable(secret: &Secret, name: &str) -> Option<Refusal> {
    let fault = usable_credentials(secret).err()?;
    Some(refusal(&format!("Secret {name:?}: {fault}")))
}

/// A Secret that was restored with the owner that it had: Kubernetes deletes what is owned by an object that is no more.
fn about_to_go(world: &World, secret: &Secret) -> Option<Refusal> {
    let owners = secret.metadata.owner_references.as_deref()?;
    let kind = Postgres::kind(&());
    let mut former = owners
        .iter()
        .filter(|owner| owner.kind == kind && owner.name == world.name() && owner.uid != world.uid());
    let former = former.next()?;
    let name = world.auth_secret_name();
    Some(refusal(&format!(
        "Secret {name:?} is owned by an earlier Postgres {} (UID {}), so Kubernetes deletes it; remove metadata.ownerReferences from it, \
         or create it again without",
        former.name, former.uid,
    )))
}

/// Whether the Secret is the user's in every respect.
pub fn is_external(postgres: &Postgres) -> bool {
    let auth = postgres.spec.auth_secret.as_ref();
    auth.is_some_and(|secret| secret.externally_managed == Some(true))
}

/// Whether the spec has a name. We write one there only after we have made the Secret.
fn names_secret(postgres: &Postgres) -> bool {
    let auth = postgres.spec.auth_secret.as_ref();
    auth.is_some_and(|secret| !secret.name.is_empty())
}

/// The database that made a Secret, by its labels. Charts and Argo CD label the Secrets that a user brings with the same
/// keys and other values.
fn belongs_to(secret: &Secret) -> Option<&str> {
    let labels = secret.metadata.labels.as_ref()?;
    let (kind, manager) = (labels.get(NAME_LABEL), labels.get(MANAGED_BY_LABEL));
    let is_a_databases = manager.is_some_and(|manager| manager == MANAGED_BY_VALUE)
        || kind.is_some_and(|kind| kind.ends_with(DATABASE_KINDS));
    match kind {
        _ if !is_a_databases => None,
        Some(kind) if kind != NAME_VALUE => Some(kind),
        _ => labels.get(INSTANCE_LABEL).map(String::as_str),
    }
}
