//! What the members were born with and follow now: the status's record of it, and which PostgreSQL the data is of.
//!
//! The record outlives the Postgres: the version is an annotation of the volume claims, from their birth on, and the credentials
//! are in a Secret that stays with the data. So a Postgres of the same name that is created later finds both.

use api_types::deployed::{Deployed, DeployedAuth, DeployedStorage, DeployedVersion};
use api_types::ops_request::OpsRequestType;
use api_types::quantity::amount;
use api_types::reported::postgres::{events, reasons};
use api_types::vocabulary::POSTGRES_CONTAINER;
use api_types::{PetSet, PostgresVersion};
use blueprint::{Resolved, Storage};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, SecurityContext};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::child::{Child, is_labelled_for};
use crate::decide::Refusal;
use crate::decide::data::INITIALIZE;
use crate::plan::Plan;
use crate::world::{Secrets, Version, World, has_volume};

/// Whether there is data of this database, or may be.
pub fn has_data(world: &World) -> bool {
    let on_volumes = volumes(world).any(|claim| {
        world.is_provisioned() || is_initialized(world) || is_of_an_earlier_database(world, claim)
    });
    on_volumes || world.is_provisioned() && world.pet_set().is_some()
}

fn volumes(world: &World) -> impl Iterator<Item = &PersistentVolumeClaim> {
    world.leftovers.claims.iter().filter(|claim| has_volume(claim))
}

/// Whether Patroni has begun to make the database, or has made it.
fn is_initialized(world: &World) -> bool {
    let map = world.patroni.as_ref();
    map.filter(|map| is_labelled_for(&map.metadata, world.name()))
        .and_then(|map| map.metadata.annotations.as_ref())
        .is_some_and(|annotations| annotations.contains_key(INITIALIZE))
}

/// A claim that is older than the Postgres; also one of which that is not known.
fn is_of_an_earlier_database(world: &World, claim: &PersistentVolumeClaim) -> bool {
    let claim = claim.metadata.creation_timestamp.as_ref();
    let postgres = world.postgres.metadata.creation_timestamp.as_ref();
    match (claim, postgres) {
        (Some(claim), Some(postgres)) => claim.0 < postgres.0,
        _ => true,
    }
}

/// The PostgreSQL whose data there is; none while there is no data, or no record of it.
pub fn version(world: &World) -> Option<DeployedVersion> {
    if !has_data(world) {
        return None;
    }
    let of_claims = || {
        volumes(world).find_map(|claim| DeployedVersion::of_annotations(claim.metadata.annotations.as_ref()))
    };
    of_claims().or_else(|| Some(world.postgres.deployed()?.version.clone()))
}

/// Why members of this version are not made: the data is of another major version.
pub fn other_major(world: &World, version: &PostgresVersion) -> Option<Refusal> {
    let (sentence, born) = difference(world, version)?;
    let message = format!(
        "{sentence}. Write version {:?} back; nothing is started until then, and the data stays as it is",
        born.name
    );
    Some(Refusal::new(reasons::UPDATE_VERSION_NEEDED, message))
}

/// That a version is of another major version than the data, as a sentence without its end; and of which version the data is.
pub fn difference(world: &World, version: &PostgresVersion) -> Option<(String, DeployedVersion)> {
    let born = self::version(world)?;
    let wanted = version.spec.major()?;
    (wanted != born.major).then(|| {
        let sentence = format!(
            "spec.version {:?} is PostgreSQL {wanted}, and the data of this database is of PostgreSQL {} (version {:?}), whose \
             files no other major version can read",
            world.postgres.spec.version, born.major, born.name
        );
        (sentence, born)
    })
}

/// Why running members keep their image while the spec has another one, and what happens next.
pub fn held_while_running(world: &World, wanted: &Resolved, running: &str) -> String {
    let born = version(world);
    if let Version::Found(version) = &world.version
        && let Some((sentence, born)) = difference(world, version)
    {
        return format!(
            "{sentence}. Requests of type {} do not go to another major version yet: write version {:?} back; the members go on \
             as they are",
            OpsRequestType::UpdateVersion.as_str(),
            born.name
        );
    }
    let (name, image) = (&wanted.version_name, &wanted.image);
    if born.is_some_and(|born| born.name == *name) {
        return format!(
            "The catalog has image {image} under version {name:?} by now, the members run {running}. Create a PostgresOpsRequest of \
             type {} with targetVersion: {name:?}; the members go on as they are until then",
            OpsRequestType::UpdateVersion.as_str()
        );
    }
    format!(
        "spec.version {name:?} means image {image}, the members run {running}. ops-manager makes a PostgresOpsRequest of type {} \
         for it; if that request failed, it says why, and the members go on as they are",
        OpsRequestType::UpdateVersion.as_str()
    )
}

/// What of the version is held while the database is down.
pub fn held_while_down(world: &World) -> Option<Refusal> {
    match &world.version {
        Version::Found(version) => other_major(world, version),
        Version::Unknown { .. } => None,
    }
}

/// Takes down what the members get in this pass. When the spec is held, that is what they have.
pub fn follow(world: &World, resolved: &Resolved, wanted: &[Child], is_held: bool, plan: &mut Plan) {
    let version = if is_held {
        version(world)
    } else {
        Some(resolved.deployed_version())
    };
    let Some(version) = version else { return };
    tell_change(world, &version, plan);
    let of_wanted = wanted.iter().find_map(|child| match child {
        Child::PetSet(pet_set) => Some(pet_set.as_ref()),
        _ => None,
    });
    let live = world.pet_set();
    let pet_set = if is_held { live } else { of_wanted.or(live) };
    let context = pet_set.and_then(context_of);
    let auth = resolved.credentials_revision.map(|revision| DeployedAuth {
        secret_name: resolved.auth_secret.clone(),
        username: resolved.username.clone(),
        revision,
    });
    plan.deployed = Some(Deployed {
        version,
        auth,
        storage: storage(world, resolved),
        replicas: Some(resolved.replicas),
        run_as_user: context.and_then(|it| it.run_as_user),
        run_as_group: context.and_then(|it| it.run_as_group),
    });
}

/// Another version of the same major version is no trouble, and no secret.
fn tell_change(world: &World, version: &DeployedVersion, plan: &mut Plan) {
    let former = world.postgres.deployed().map(|it| &it.version);
    if let Some(former) = former.filter(|former| former.name != version.name && has_data(world)) {
        let note = format!(
            "Members are started with version {:?}; before, with {:?}",
            version.name, former.name
        );
        plan.tell(false, events::VERSION_CHANGED, note);
    }
}

fn context_of(pet_set: &PetSet) -> Option<&SecurityContext> {
    let containers = &pet_set.spec.template.spec.as_ref()?.containers;
    let postgres = containers.iter().find(|it| it.name == POSTGRES_CONTAINER)?;
    postgres.security_context.as_ref()
}

fn storage(world: &World, resolved: &Resolved) -> Option<DeployedStorage> {
    let Storage::Durable(template) = &resolved.storage else {
        return None;
    };
    let class = volumes(world).find_map(|claim| claim.spec.as_ref()?.storage_class_name.clone());
    let sizes = volumes(world).filter_map(capacity);
    let asked = || template.resources.as_ref()?.requests.as_ref()?.get(SIZE).cloned();
    Some(DeployedStorage {
        storage_class_name: class.or_else(|| template.storage_class_name.clone()),
        size: sizes
            .min_by_key(|size| amount(size).unwrap_or(i64::MAX))
            .or_else(asked),
    })
}

/// Key of the size of a volume.
const SIZE: &str = "storage";

fn capacity(claim: &PersistentVolumeClaim) -> Option<Quantity> {
    claim.status.as_ref()?.capacity.as_ref()?.get(SIZE).cloned()
}

/// The record after this pass: what was taken down, or what was known, as long as there are members or data.
pub fn recorded(world: &World, plan: &Plan) -> Option<Deployed> {
    if plan.deployed.is_some() {
        return plan.deployed.clone();
    }
    let known = world.postgres.deployed().cloned();
    let Secrets::Read(secrets) = &world.secrets else {
        return known;
    };
    if world.pet_set().is_none() && !has_data(world) {
        return None;
    }
    known.or_else(|| {
        let in_force = secrets
            .in_force
            .as_ref()
            .and_then(blueprint::AuthInForce::of_secret);
        Some(Deployed {
            version: version(world)?,
            auth: in_force.map(blueprint::AuthInForce::deployed),
            storage: None,
            replicas: world.pet_set().and_then(|pet_set| pet_set.spec.replicas),
            run_as_user: None,
            run_as_group: None,
        })
    })
}
