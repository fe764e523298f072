//! Deletion: the members go first, then the policy is carried out, the finalizer goes last.
//!
//! Everything else is owned by the Postgres and collected when the finalizer is gone.

use std::time::Duration;

use api_types::names;
use api_types::postgres::DeletionPolicy;
use api_types::tls::CertificateAlias;
use blueprint::prune_guards;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::child::{Child, is_labelled_for};
use crate::decide::auth::is_external;
use crate::decide::claims;
use crate::decide::names::is_written_for;
use crate::plan::{Action, Plan};
use crate::world::{Secrets, World};

/// Fallback while Pods or claims go; their own events wake us sooner.
const DELETION_POLL_INTERVAL: Duration = Duration::from_secs(2);

/// What this pass does about a deletion.
pub fn plan(world: &World) -> Plan {
    let mut plan = Plan::default();
    if !world.has_finalizer() {
        return plan;
    }
    let policy = world.deletion_policy();
    if policy == DeletionPolicy::Halt && claims::keeps_up(world).is_some() {
        plan.wait("the data to be safe", DELETION_POLL_INTERVAL);
        return plan;
    }
    let gone = members(world, &mut plan)
        && certificates(world, &mut plan)
        && leftovers(world, policy, &mut plan)
        && auth(world, policy, &mut plan);
    if gone {
        plan.act(Action::RemoveFinalizer);
    }
    plan
}

/// Whether no member is left.
fn members(world: &World, plan: &mut Plan) -> bool {
    // Not another object's that only has our name.
    let ours = |child: &&Child| matches!(child, Child::PetSet(_)) && child.is_owned_by(world.uid());
    if let Some(pet_set) = world.live.iter().find(ours) {
        if pet_set.meta().deletion_timestamp.is_none() {
            plan.act(Action::Delete(pet_set.clone()));
        }
        plan.wait("the PetSet to go", DELETION_POLL_INTERVAL);
        return false;
    }
    if !world.pods.is_empty() {
        plan.wait(
            format!("{} Pods to end", world.pods.len()),
            DELETION_POLL_INTERVAL,
        );
        return false;
    }
    true
}

/// Whether no certificate is left, nor its key. Certificates go first: cert-manager would recreate their Secrets.
fn certificates(world: &World, plan: &mut Plan) -> bool {
    let ours = |child: &&Child| matches!(child, Child::Certificate(_)) && child.is_owned_by(world.uid());
    let live: Vec<&Child> = world.live.iter().filter(ours).collect();
    for certificate in live
        .iter()
        .filter(|certificate| certificate.meta().deletion_timestamp.is_none())
    {
        plan.act(Action::Delete((*certificate).clone()));
    }
    if !live.is_empty() {
        plan.wait("the Certificates to go", DELETION_POLL_INTERVAL);
        return false;
    }
    if let Secrets::Read(secrets) = &world.secrets {
        let issued = secrets
            .certificates
            .iter()
            .filter(|(alias, secret)| is_issued_for(world, **alias, secret));
        for (_, secret) in issued {
            plan.act(Action::DeleteSecret(Box::new(secret.clone())));
        }
    }
    true
}

/// Whether cert-manager wrote a Secret for our Certificate; one that the user put there is the user's. Ours are gone by now: a
/// Certificate of that name is of a database whose name begins alike, and so is its Secret.
fn is_issued_for(world: &World, alias: CertificateAlias, secret: &Secret) -> bool {
    let name = names::certificate(world.name(), alias);
    let is_anothers = |child: &Child| matches!(child, Child::Certificate(_)) && child.name() == name;
    !world.live.iter().any(is_anothers) && is_written_for(secret, &name)
}

/// Whether the members' data goes with the Postgres.
fn is_data_lost(policy: DeletionPolicy) -> bool {
    matches!(policy, DeletionPolicy::Delete | DeletionPolicy::WipeOut)
}

/// Whether claims and Patroni's state match the policy. They go together: data without Patroni's record of it can be
/// taken up again, a record without its data keeps a new database of the same name from starting.
fn leftovers(world: &World, policy: DeletionPolicy, plan: &mut Plan) -> bool {
    if !is_data_lost(policy) {
        return true;
    }
    for claim in &world.leftovers.claims {
        if claim.metadata.deletion_timestamp.is_none() {
            plan.act(Action::DeleteClaim(Box::new(claim.clone())));
        }
    }
    // A ConfigMap of that name without Patroni's labels belongs to another owner.
    let of_patroni = |map: &&ConfigMap| is_labelled_for(&map.metadata, world.name());
    for map in world.leftovers.patroni.iter().filter(of_patroni) {
        plan.act(Action::DeleteConfigMap(Box::new(map.clone())));
    }
    if world.leftovers.claims.is_empty() {
        return true;
    }
    plan.wait(
        format!("{} volume claims to go", world.leftovers.claims.len()),
        DELETION_POLL_INTERVAL,
    );
    false
}

/// Whether the auth Secret matches the policy.
fn auth(world: &World, policy: DeletionPolicy, plan: &mut Plan) -> bool {
    let Secrets::Read(secrets) = &world.secrets else {
        plan.act(Action::GrantSecrets);
        plan.wait("access to the namespace's Secrets", Duration::from_millis(300));
        return false;
    };
    let in_force = secrets.in_force.as_ref();
    if is_data_lost(policy)
        && let Some(in_force) = in_force.filter(|it| is_labelled_for(&it.metadata, world.name()))
    {
        plan.act(Action::DeleteSecret(Box::new(in_force.clone())));
    }
    let Some(secret) = &secrets.auth else { return true };
    let ours = is_labelled_for(&secret.metadata, world.name()) && !is_external(&world.postgres);
    if policy == DeletionPolicy::WipeOut && ours && !secrets.auth_is_shared {
        plan.act(Action::DeleteSecret(Box::new(secret.clone())));
    } else if is_owned_by(&secret.metadata, world.uid()) {
        plan.act(Action::ReleaseAuthSecret(Box::new(released(secret, world.uid()))));
    }
    true
}

fn is_owned_by(meta: &ObjectMeta, uid: &str) -> bool {
    meta.owner_references
        .iter()
        .flatten()
        .any(|owner| owner.uid == uid)
}

/// The Secret without the Postgres as its owner, and guarded from then on.
fn released(secret: &Secret, uid: &str) -> Secret {
    let mut secret = secret.clone();
    let annotations = secret.metadata.annotations.get_or_insert_default();
    for (key, value) in prune_guards() {
        annotations.entry(key).or_insert(value);
    }
    if let Some(owners) = secret.metadata.owner_references.as_mut() {
        owners.retain(|owner| owner.uid != uid);
    }
    secret
}
