//! The superuser's credentials: ours to make, or the user's to bring.

use api_types::Postgres;
use api_types::reported::postgres::reasons;
use api_types::vocabulary::{INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGED_BY_VALUE, NAME_LABEL, NAME_VALUE};
use blueprint::{Credentials, credentials, usable_credentials};
use k8s_openapi::api::core::v1::Secret;
use kube::Resource;

use crate::decide::Refusal;
use crate::world::{SecretFacts, World};

/// What the label for the name ends in on objects of KubeDB's databases, such as `mysqls.kubedb.com`.
const DATABASE_KINDS: &str = ".kubedb.com";

/// What there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth<'a> {
    /// None yet: make one.
    Missing,
    /// These, and what not every reader of them can use, if anything: a database that runs goes on with them.
    Usable(Credentials<'a>, Option<Refusal>),
    /// The user has to look.
    Refused(Refusal),
}

/// Judges the auth Secret.
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
            "Secret {name:?} does not exist any more; create it again with keys username and password, as the members and applications use them"
        ));
    }
    let data = world.kept_claims().next();
    if let Some(claim) = data {
        return refused(format!(
            "Secret {name:?} does not exist, and PersistentVolumeClaim {claim:?} has the data of an earlier database, which a new \
             password would not open; create the Secret with keys username and password as that database had them. To begin with an \
             empty database instead, lose that data: kubectl delete pvc,configmap -l {NAME_LABEL}={NAME_VALUE},{INSTANCE_LABEL}={}",
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

/// The database that made a Secret, as its labels tell. Charts and Argo CD label the Secrets that a user brings in the same
/// words, with other values.
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
