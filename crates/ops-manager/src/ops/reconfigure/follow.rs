//! Whether members have their parameters, and what makes them read their configuration.

use blueprint::{MARK, ParameterChange, is_same_value, mark};

use super::states::Target;
use crate::step::{Progress, StepResult};
use crate::tls::verification;
use crate::waiting::WaitingOn;
use crate::world::{Member, Observed, World};

/// How far a member has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// It has read its configuration; a parameter may wait for a restart.
    Read,
    /// Nothing waits.
    InForce,
}

/// Every member is as far as this; the others are made to read their configuration.
///
/// # Errors
/// What is waited for.
pub fn reload(world: &World, target: &Target) -> StepResult {
    world.all_seen()?;
    let outdated = outdated(world, target, Until::Read);
    let files = target.files();
    let effects: Vec<_> = outdated
        .iter()
        .flat_map(|(pod, _)| verification::tell(pod, &world.members()[pod], &files, true))
        .collect();
    match (effects.is_empty(), outdated.is_empty()) {
        (true, true) => Ok(Progress::Done),
        (true, false) => Err(WaitingOn::Outdated(outdated).into()),
        (false, _) => Ok(Progress::Act(effects)),
    }
}

/// Members that are not as far as this, and what each lacks.
pub fn outdated(world: &World, target: &Target, until: Until) -> Vec<(String, String)> {
    let members = world.members().iter();
    members
        .filter_map(|(pod, member)| Some((pod.clone(), check(member, target, until).err()?)))
        .collect()
}

/// Whether a member is as far as this.
///
/// # Errors
/// In a few words, what it lacks.
pub fn check(member: &Member, target: &Target, until: Until) -> Result<(), String> {
    let parameters = match &member.server {
        Observed::Present(server) => server.parameters.as_ref(),
        Observed::Absent => None,
        Observed::Unknown(why) => return Err(format!("which parameters it has is not known: {why}")),
    };
    let parameters = parameters.ok_or("it was not asked which parameters it has")?;
    if parameters.values.get(MARK) != Some(&mark(&target.state.resolved)) {
        return Err("it has not read its parameters yet".into());
    }
    let state = member.patroni.present();
    let waits = |name: &str| {
        let by_patroni =
            state.is_some_and(|state| state.pending.keys().any(|it| it.eq_ignore_ascii_case(name)));
        by_patroni || parameters.pending.iter().any(|it| it.eq_ignore_ascii_case(name))
    };
    if until == Until::InForce {
        if let Some(name) = parameters.pending.first() {
            return Err(format!("{name} waits for a restart"));
        }
        if state.is_none_or(|state| state.pending_restart) {
            return Err("a parameter waits for a restart".into());
        }
    }
    let major = target.state.resolved.major;
    for change in &target.changes {
        // What a session or a role sets for itself is not reported, nor is a parameter of an extension that is not loaded.
        let value = parameters.values.get(&change.name.to_lowercase());
        let (Some(value), Some(wanted)) = (value, &change.new) else {
            continue;
        };
        let is_read = until == Until::Read && waits(&change.name);
        if !is_same_value(major, &change.name, value, wanted) && !is_read {
            return Err(differs(change, value, wanted));
        }
    }
    Ok(())
}

fn differs(change: &ParameterChange, value: &str, wanted: &str) -> String {
    if change.is_public {
        format!("{} is {value}, not {wanted}", change.name)
    } else {
        format!("{} does not have its new value", change.name)
    }
}
