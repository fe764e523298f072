//! Names that the database, Patroni and the PetSet give, and that objects of other owners have already. Nothing of such an
//! object is changed or deleted, and no member is made beside it.

use api_types::reported::postgres::reasons;
use api_types::tls::CertificateAlias;
use api_types::vocabulary::{INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGED_BY_VALUE, NAME_LABEL, NAME_VALUE};
use api_types::{PetSet, Postgres, names};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;

use crate::child::{Child, controller, is_labelled_for};
use crate::decide::Refusal;
use crate::world::{NameHolder, SecretFacts, World};

/// cert-manager's record, on a certificate's Secret, of the Certificate that it is for.
pub const CERTIFICATE_NAME: &str = "cert-manager.io/certificate-name";

/// Whose an object is that has a name of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The database's, or free to become it.
    Ours,
    /// It is on its way out; what it is waited for.
    Going(String),
    /// Another owner's: which object it is, whose, and what to do.
    Others(String),
}

/// Whose a live child is that the database wants under this name.
pub fn of_child(world: &World, live: &Child) -> Whose {
    let what = format!("{} {}", live.kind(), live.name());
    if matches!(live, Child::ServiceAccount(_)) && names_account(world) {
        return of_named_account(world, live.meta(), &what);
    }
    if live.meta().deletion_timestamp.is_some() {
        return Whose::Going(format!("the old {what} to go"));
    }
    match controller(live.meta()) {
        Some(owner) if owner.uid == world.uid() => Whose::Ours,
        Some(owner) if is_former(world, owner) => Whose::Going(format!(
            "{what} to go, which belongs to an earlier Postgres {} (UID {})",
            owner.name, owner.uid
        )),
        None if is_labelled_for(live.meta(), world.name()) => Whose::Ours,
        _ => Whose::Others(sentence(world, live.kind(), live.meta(), advice(live))),
    }
}

/// The refusal that names another owner's object under a name of the database; `None` when every name is free or ours.
pub fn taken(world: &World, secrets: &SecretFacts, wanted: &[Child]) -> Option<Refusal> {
    // Members that run under another owner's account go on. The check runs even where the account is not ours to make.
    let is_needed = |live: &&Child| match live {
        Child::ServiceAccount(_) => world.is_unborn(),
        live => wanted.iter().any(|child| child.is_same(live)),
    };
    let children = world
        .live
        .iter()
        .filter(is_needed)
        .filter_map(|live| match of_child(world, live) {
            Whose::Others(sentence) => Some(sentence),
            Whose::Ours | Whose::Going(_) => None,
        });
    let holders = world
        .name_holders
        .iter()
        .filter_map(|holder| of_holder(world, holder));
    let certificates = wanted
        .iter()
        .filter_map(|child| of_certificate(world, secrets, child));
    let internal = secrets.members_tls.iter().filter_map(|secret| {
        match of_child(world, &Child::Secret(secret.clone())) {
            Whose::Others(sentence) => Some(sentence),
            Whose::Ours | Whose::Going(_) => None,
        }
    });
    let all: Vec<String> = children
        .chain(holders)
        .chain(certificates)
        .chain(internal)
        .collect();
    (!all.is_empty()).then(|| Refusal::new(reasons::NAME_TAKEN, all.join(". ")))
}

/// The same for the RoleBinding by which we get access to the namespace's Secrets: it is made before any of them is read.
/// Other names that are taken are reported once everything can be read, all at once.
pub fn taken_before_access(world: &World) -> Option<Refusal> {
    let mut bindings = world.name_holders.iter().filter(|it| it.kind == "RoleBinding");
    bindings
        .find_map(|holder| of_holder(world, holder))
        .map(|sentence| Refusal::new(reasons::NAME_TAKEN, sentence))
}

/// The same for the Secret with the credentials that open the database.
pub fn of_auth_in_force(world: &World, secrets: &SecretFacts) -> Option<Refusal> {
    let secret = secrets.in_force.as_ref()?;
    let is_ours = is_labelled_for(&secret.metadata, world.name());
    (!is_ours).then(|| {
        Refusal::new(
            reasons::NAME_TAKEN,
            sentence(world, "Secret", &secret.metadata, OTHER_NAME),
        )
    })
}

/// Whether a Pod or a claim of a member that is to be added belongs to another owner: then none is added.
pub fn of_new_members_are_taken(world: &World) -> bool {
    world
        .name_holders
        .iter()
        .any(|holder| of_holder(world, holder).is_some())
}

/// The user's own account is used unchanged, as KubeDB's custom RBAC has it. One that another database made is deleted
/// with that database.
fn of_named_account(world: &World, meta: &ObjectMeta, what: &str) -> Whose {
    match controller(meta) {
        Some(owner) if owner.uid != world.uid() && owner.kind == Postgres::kind(&()) => {
            Whose::Others(sentence(
                world,
                "ServiceAccount",
                meta,
                "It goes with that database: write another spec.podTemplate.spec.serviceAccountName",
            ))
        }
        _ if meta.deletion_timestamp.is_some() => Whose::Going(format!("the old {what} to go")),
        _ => Whose::Ours,
    }
}

/// Whether a live child is the service account that the user brought for the Pods.
pub fn is_users_account(world: &World, live: &Child) -> bool {
    matches!(live, Child::ServiceAccount(_)) && names_account(world) && !live.is_owned_by(world.uid())
}

/// Whether the spec names the Pods' service account.
fn names_account(world: &World) -> bool {
    let template = world.postgres.spec.pod_template.as_ref();
    let pod = template.and_then(|template| template.spec.as_ref());
    let named = pod.and_then(|pod| pod.service_account_name.as_deref());
    named.is_some_and(|name| !name.is_empty())
}

/// Why an object keeps a name from the database; `None` when it is the database's, or goes.
fn of_holder(world: &World, holder: &NameHolder) -> Option<String> {
    let meta = &holder.meta;
    let is_labelled = is_labelled_for(meta, world.name());
    let is_ours = match holder.kind {
        // What a PetSet of this name made, or adopts. One that ends is waited for by the PetSet.
        "Pod" => {
            let is_of_pet_set =
                |owner: &OwnerReference| owner.kind == PetSet::kind(&()) && owner.name == world.name();
            meta.deletion_timestamp.is_some() || is_labelled && controller(meta).is_none_or(is_of_pet_set)
        }
        "RoleBinding" => match controller(meta) {
            Some(owner) => owner.uid == world.uid() || is_former(world, owner),
            None => is_labelled,
        },
        "PersistentVolumeClaim" if is_labelled => return doomed(world, meta),
        _ => is_labelled,
    };
    (!is_ours).then(|| sentence(world, holder.kind, meta, &advice_on_holder(world, holder.kind)))
}

fn advice_on_holder(world: &World, kind: &str) -> String {
    if kind != "PersistentVolumeClaim" {
        return OTHER_NAME.to_owned();
    }
    format!(
        "{OTHER_NAME}. To let the database use the data in it, label it \
         {NAME_LABEL}={NAME_VALUE},{INSTANCE_LABEL}={},{MANAGED_BY_LABEL}={MANAGED_BY_VALUE}",
        world.name(),
    )
}

/// Data that Kubernetes is about to delete, because it was restored with the owner that it had.
fn doomed(world: &World, claim: &ObjectMeta) -> Option<String> {
    let mut owners = claim.owner_references.iter().flatten();
    let former = owners.find(|owner| is_former(world, owner))?;
    let name = claim.name.as_deref().unwrap_or_default();
    Some(format!(
        "PersistentVolumeClaim {name} is owned by an earlier Postgres {} (UID {}), so Kubernetes deletes it with its data. To keep it: \
         kubectl patch pvc {name} --type=json -p '[{{\"op\":\"remove\",\"path\":\"/metadata/ownerReferences\"}}]'",
        former.name, former.uid,
    ))
}

/// The Secret that cert-manager would write a certificate to, if it is not that Certificate's already.
fn of_certificate(world: &World, secrets: &SecretFacts, wanted: &Child) -> Option<String> {
    let Child::Certificate(certificate) = wanted else {
        return None;
    };
    let name = certificate.metadata.name.as_deref().unwrap_or_default();
    let alias = CertificateAlias::ALL
        .into_iter()
        .find(|alias| names::certificate(world.name(), *alias) == name)?;
    let secret = secrets.certificates.get(&alias)?;
    let is_its =
        secret.metadata.name.as_ref() != Some(&certificate.spec.secret_name) || is_written_for(secret, name);
    if world.certificate(name).is_some() || is_its {
        return None;
    }
    let advice = "cert-manager would replace what is in it: write another secretName into spec.tls.certificates, or delete it";
    Some(sentence(world, "Secret", &secret.metadata, advice))
}

/// Whether cert-manager wrote a Secret for the Certificate of this name.
pub fn is_written_for(secret: &Secret, certificate: &str) -> bool {
    let annotations = secret.metadata.annotations.as_ref();
    annotations
        .and_then(|all| all.get(CERTIFICATE_NAME))
        .map(String::as_str)
        == Some(certificate)
}

/// Whether an owner is a Postgres of this name that is no more.
fn is_former(world: &World, owner: &OwnerReference) -> bool {
    owner.kind == Postgres::kind(&()) && owner.name == world.name() && owner.uid != world.uid()
}

const OTHER_NAME: &str = "Delete or rename it, or create the Postgres under another name";

fn advice(live: &Child) -> &'static str {
    match live {
        Child::ServiceAccount(_) => {
            "To use it, write its name into spec.podTemplate.spec.serviceAccountName; otherwise delete or rename it"
        }
        _ => OTHER_NAME,
    }
}

fn sentence(world: &World, kind: &str, meta: &ObjectMeta, advice: &str) -> String {
    let name = meta.name.as_deref().unwrap_or_default();
    format!(
        "{kind} {name} has a name that database {} needs, and {}. {advice}",
        world.name(),
        owner(meta),
    )
}

/// The owner of an object, by the best evidence in its metadata.
fn owner(meta: &ObjectMeta) -> String {
    let owners = meta.owner_references.as_deref().unwrap_or_default();
    if let Some(owner) = controller(meta).or_else(|| owners.first()) {
        return format!("belongs to {} {}", owner.kind, owner.name);
    }
    let label = |key: &str| meta.labels.as_ref()?.get(key).map(String::as_str);
    let annotation = |key: &str| meta.annotations.as_ref()?.get(key).map(String::as_str);
    let tracking =
        annotation("argocd.argoproj.io/tracking-id").map(|id| id.split(':').next().unwrap_or_default());
    let tools = [
        ("Helm release", annotation("meta.helm.sh/release-name")),
        (
            "Argo CD application",
            tracking.or_else(|| label("argocd.argoproj.io/instance")),
        ),
        ("Flux Kustomization", label("kustomize.toolkit.fluxcd.io/name")),
        ("Flux HelmRelease", label("helm.toolkit.fluxcd.io/name")),
    ];
    if let Some((tool, Some(name))) = tools.into_iter().find(|(_, name)| name.is_some()) {
        return format!("belongs to {tool} {name}");
    }
    match (label(NAME_LABEL), label(INSTANCE_LABEL)) {
        (Some(NAME_VALUE), Some(instance)) => return format!("belongs to Postgres {instance} by its labels"),
        (Some(application), Some(instance)) => {
            return format!("belongs to {application} {instance} by its labels");
        }
        (None, Some(instance)) => return format!("belongs to {instance} by its label {INSTANCE_LABEL}"),
        (_, None) => {}
    }
    let mut managers = meta.managed_fields.iter().flatten();
    match managers.find_map(|entry| entry.manager.as_deref()) {
        Some(manager) => format!("was made by {manager}, not for this database"),
        None => "was not made for this database".to_owned(),
    }
}
