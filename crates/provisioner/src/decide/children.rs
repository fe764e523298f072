//! Which children are applied, which are left alone, which are taken away.

use std::time::Duration;

use blueprint::{Children, Resolved};

use crate::child::Child;
use crate::decide::drift;
use crate::decide::names::{self, Whose};
use crate::plan::{Action, Plan};
use crate::world::World;

/// Fallback while an older object of the same name goes.
const REPLACEMENT_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Every child in the order of application: identity and rights before the Pods that need them, the config Secret before
/// the Pods that mount it, Services before the members that resolve each other's names, the PetSet when everything it
/// needs is there, the AppBinding last because it announces that there is something to connect to.
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

/// Adds what has to be written so that the live children are as wanted. The members come when nothing else is waited for: what
/// goes now would go from under them.
pub fn apply(world: &World, wanted: &[Child], plan: &mut Plan) {
    let mut is_complete = true;
    for child in wanted {
        match judge(world, child) {
            Verdict::AsWanted => {}
            Verdict::Apply if matches!(child, Child::PetSet(_)) && world.is_unborn() && !is_complete => {}
            Verdict::Apply => plan.act(Action::Apply(child.clone())),
            Verdict::Wait(why) => {
                plan.wait(why, REPLACEMENT_POLL_INTERVAL);
                is_complete = false;
            }
        }
    }
}

enum Verdict {
    AsWanted,
    Apply,
    Wait(String),
}

/// An object of another owner under the name of a child is not touched; [`names::taken`] reports it.
fn judge(world: &World, wanted: &Child) -> Verdict {
    let Some(live) = world.find_live(wanted) else {
        return Verdict::Apply;
    };
    match names::of_child(world, live) {
        Whose::Going(what) => Verdict::Wait(what),
        Whose::Others(_) => Verdict::AsWanted,
        Whose::Ours if names::is_users_account(world, live) || live.is_up_to_date(wanted) => {
            Verdict::AsWanted
        }
        Whose::Ours => Verdict::Apply,
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
