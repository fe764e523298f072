//! Whether the members can run the requested version.

use api_types::deployed::Deployed;
use api_types::ops_request::{PinnedVersion, VersionName, VersionPlan};
use api_types::{PetSet, Postgres, PostgresVersion};
use blueprint::database_image;

use super::{constraints, steps};
use crate::admit::{self, Admission};
use crate::moves::{children, rolling};
use crate::waiting::WaitingOn;
use crate::world::{Observed, World};

/// What the request changes into what.
///
/// # Errors
/// What happens to it instead.
pub fn plan(target: &str, world: &World) -> Result<VersionPlan, Admission> {
    let postgres = world.postgres.require("the Postgres").map_err(admit::wait_for)?;
    let pet_set = world.pet_set.require("the PetSet").map_err(admit::wait_for)?;
    let deployed = deployed(postgres)?;
    let source = entry(world, &deployed.version.name)?;
    let Some(wanted) = entry(world, target)? else {
        return Err(Admission::Refuse(format!(
            "there is no PostgresVersion {target:?}; write one of those that kubectl get pgversion lists"
        )));
    };
    let plan = VersionPlan {
        found: VersionName::of(&postgres.spec),
        before: before(deployed, source, pet_set),
        after: after(target, wanted),
    };
    let refuse = |why: String| Err(Admission::Refuse(why));
    can_be_run(deployed, &plan, wanted).or_else(refuse)?;
    if let Some(source) = source {
        may_follow(source, &plan, wanted).or_else(refuse)?;
    }
    keeps_owner(world, deployed, &plan, wanted)?;
    let is_same = plan.before.name == plan.after.name && plan.before.image == plan.after.image;
    if is_same && plan.found == plan.after.to_name() && rolling::is_rolled_out(pet_set) {
        return Err(Admission::NothingToDo(format!(
            "Nothing to change: the members run {} already",
            steps::words(&plan.after)
        )));
    }
    Ok(plan)
}

fn deployed(postgres: &Postgres) -> Result<&Deployed, Admission> {
    postgres.deployed().ok_or_else(|| {
        admit::wait_for(WaitingOn::Missing {
            what: "status.deployed of the Postgres, the provisioner's record of what the members run".into(),
        })
    })
}

/// The PostgresVersion of this name; none when there is none.
fn entry<'a>(world: &'a World, name: &str) -> Result<Option<&'a PostgresVersion>, Admission> {
    match world.version_named(name) {
        Observed::Present(version) => Ok(Some(version)),
        Observed::Absent => Ok(None),
        Observed::Unknown(why) => Err(admit::wait_for(WaitingOn::Unread {
            what: format!("the PostgresVersion {name}"),
            why,
        })),
    }
}

/// The catalog identifies the running PostgreSQL only while it lists the running image.
fn before(deployed: &Deployed, source: Option<&PostgresVersion>, pet_set: &PetSet) -> PinnedVersion {
    let image = database_image(pet_set).unwrap_or(&deployed.version.image);
    let source = source.filter(|source| source.spec.db.image == image);
    PinnedVersion {
        name: deployed.version.name.clone(),
        version: source.map(|source| source.spec.version.clone()),
        image: image.to_owned(),
    }
}

fn after(target: &str, wanted: &PostgresVersion) -> PinnedVersion {
    PinnedVersion {
        name: target.to_owned(),
        version: Some(wanted.spec.version.clone()),
        image: wanted.spec.db.image.clone(),
    }
}

fn can_be_run(deployed: &Deployed, plan: &VersionPlan, wanted: &PostgresVersion) -> Result<(), String> {
    let (name, version) = (&plan.after.name, &wanted.spec.version);
    if wanted.spec.deprecated == Some(true) {
        return Err(format!(
            "the PostgresVersion {name} is deprecated; write another one (kubectl get pgversion)"
        ));
    }
    if wanted.spec.server_version_num().is_none() {
        return Err(format!(
            "the PostgresVersion {name} does not say which minor version it runs, so no member could be checked: its \
             spec.version is {version:?}"
        ));
    }
    let (old, new) = (deployed.version.major, wanted.spec.major());
    if new == Some(old) {
        return Ok(());
    }
    let new = new.map_or_else(|| version.clone(), |new| new.to_string());
    Err(format!(
        "the PostgresVersion {name} is PostgreSQL {new}, the data of this database is of PostgreSQL {old}. Requests of this type go \
         to another minor version of PostgreSQL {old} only; updates to another major version are not carried out yet. Nothing \
         was touched. To go to PostgreSQL {new} now: create a second Postgres with version {name:?}, stop the applications, \
         copy the data (pg_dumpall -h <old> | psql -h <new>), and let the applications use the second one"
    ))
}

/// KubeDB's rules of the catalog: what the version that runs admits, on the same system and of the same distribution.
fn may_follow(source: &PostgresVersion, plan: &VersionPlan, wanted: &PostgresVersion) -> Result<(), String> {
    let (from, to) = (&plan.before.name, &plan.after.name);
    if let Some(all) = &source.spec.update_constraints {
        let may = constraints::allow(all, &wanted.spec.version).map_err(|range| {
            format!("updateConstraints of the PostgresVersion {from} has a range that can't be read: {range}")
        })?;
        if !may && from != to {
            return Err(format!(
                "upgrade from version {from} to {to} is not supported: updateConstraints of the PostgresVersion {from} do not \
                 admit PostgreSQL {}; write another one",
                wanted.spec.version
            ));
        }
    }
    for (field, old, new) in [
        ("db.baseOS", &source.spec.db.base_os, &wanted.spec.db.base_os),
        (
            "distribution",
            &source.spec.distribution,
            &wanted.spec.distribution,
        ),
    ] {
        if let (Some(old), Some(new)) = (old, new)
            && old != new
        {
            return Err(format!(
                "upgrade from version {from} to {to} is not supported: {field} is {new} instead of {old}, and indexes may be \
                 sorted otherwise there; write a PostgresVersion with {field} {old}"
            ));
        }
    }
    Ok(())
}

/// PostgreSQL must own its files, so it goes on as the same user; and the rest of the spec fits the version.
fn keeps_owner(
    world: &World,
    deployed: &Deployed,
    plan: &VersionPlan,
    wanted: &PostgresVersion,
) -> Result<(), Admission> {
    let name = plan.after.to_name();
    let kept = children::followed_with(world, &name).map_err(admit::wait_for)?;
    let resolved = admit::as_admission(children::check_version(world, &kept, wanted))?;
    match deployed.run_as_user {
        Some(owner) if owner != resolved.run_as_user => Err(Admission::Refuse(format!(
            "the PostgresVersion {} runs PostgreSQL as user {}, and the files belong to user {owner}, so it could not start; \
             write another version, or securityContext.runAsUser: {owner} into spec.podTemplate",
            plan.after.name, resolved.run_as_user
        ))),
        _ => Ok(()),
    }
}
