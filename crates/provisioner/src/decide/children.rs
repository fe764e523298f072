//! Which children are applied, which are left alone, which are taken away.

use std::time::Duration;

use blueprint::{Children, Resolved};

use crate::child::{Child, is_labelled_for};
use crate::decide::drift;
use crate::plan::{Action, Plan};
use crate::world::World;

/// Fallback while an older object of the same name goes.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Every child in the order of application: identity and rights before the Pods that need them, the config Secret before
/// the Pods that mount it, Services before the members that look each other up, the PetSet when all it needs is there,
/// the AppBinding last because it says that there is something to connect to.
pub fn ordered(resolved: &Resolved) -> Vec<Child> {
    let Children {
        service_account,
        role,
        role_binding,
        config_secret,
        services,
        pod_disruption_budget,
        pet_set,
        app_binding,
    } = blueprint::build(resolved);
    let certificates = blueprint::certificates(resolved).into_iter();
    let mut list = Vec::new();
    list.extend(certificates.map(|(_, certificate)| Child::Certificate(Box::new(certificate))));
    list.extend(service_account.map(Child::ServiceAccount));
    list.extend(role.map(Child::Role));
    list.extend(role_binding.map(Child::RoleBinding));
    list.extend(services.into_iter().map(Child::Service));
    list.extend(pod_disruption_budget.map(Child::PodDisruptionBudget));
    list.push(Child::Secret(config_secret));
    list.push(Child::PetSet(Box::new(pet_set)));
    list.push(Child::AppBinding(Box::new(app_binding)));
    list
}

/// Adds what has to be written so that the live children are as wanted.
pub fn apply(world: &World, wanted: &[Child], plan: &mut Plan) {
    for child in wanted {
        match judge(world, child) {
            Verdict::AsWanted => {}
            Verdict::Apply => plan.act(Action::Apply(child.clone())),
            Verdict::Wait(why) => plan.wait(why, LOOK_AGAIN),
        }
    }
}

enum Verdict {
    AsWanted,
    Apply,
    Wait(String),
}

fn judge(world: &World, wanted: &Child) -> Verdict {
    let Some(live) = world.live_twin(wanted) else {
        return Verdict::Apply;
    };
    let what = || format!("{} {}", live.kind(), live.name());
    if matches!(live, Child::ServiceAccount(_)) && !live.is_owned_by(world.uid()) {
        // The user's own, as KubeDB's custom RBAC has it.
        return Verdict::AsWanted;
    }
    if live.meta().deletion_timestamp.is_some() {
        return Verdict::Wait(format!("the old {} to go", what()));
    }
    if live.is_owned_by_another_than(world.uid()) {
        return Verdict::Wait(format!("{}, which belongs to another object, to go", what()));
    }
    if !live.is_owned_by(world.uid()) && !is_labelled_for(live.meta(), world.name()) {
        return Verdict::Wait(format!(
            "{}, which was not made for this database, to go: rename or delete it",
            what()
        ));
    }
    if live.is_as(wanted) {
        Verdict::AsWanted
    } else {
        Verdict::Apply
    }
}

/// Takes away children of ours that are no longer wanted, such as the standby Service of a database with one member.
/// Certificates and Secrets are never pruned here: taking TLS away is a request's work.
pub fn prune(world: &World, wanted: &[Child], plan: &mut Plan) {
    let unwanted = world.live.iter().filter(|live| {
        !drift::holds(live)
            && live.is_owned_by(world.uid())
            && live.meta().deletion_timestamp.is_none()
            && !wanted.iter().any(|child| child.is_same(live))
    });
    for child in unwanted {
        plan.act(Action::Delete(child.clone()));
    }
}
