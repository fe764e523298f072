//! The members' parameters before and after a change, whether members have them, and what makes members read them.

use api_types::ops_request::PlannedParameter;
use blueprint::{MARK, ParameterChange, Resolved, is_same_value, is_shared_parameter, mark, recorded_hash};
use serde_json::Value;

use crate::effect::{Effect, MemberEffect};
use crate::member::sql;
use crate::moves::children::{self, RenderedState};
use crate::moves::in_place;
use crate::section::Section;
use crate::step::{Progress, StepResult};
use crate::tls::verification::{self, TargetConfig};
use crate::waiting::WaitingOn;
use crate::world::{Member, Observed, World};

/// What members are to have.
pub struct Target {
    /// The objects.
    pub state: RenderedState,
    /// The configuration that it comes from; none when that can't be built.
    pub before: Option<Resolved>,
    /// What is different between the two.
    pub changes: Vec<ParameterChange>,
}

impl Target {
    /// From one value of a group of fields of the spec to another; all of it is new when the first is not known, or can't be built.
    ///
    /// # Errors
    /// What is waited for, or why the second can't be built.
    pub fn between<S: Section>(world: &World, from: Option<&S>, to: &S) -> StepResult<Self> {
        let before = match from.map(|from| children::rendered_with(world, from)) {
            Some(Ok(state)) => Some(state.resolved),
            None | Some(Err(Progress::Impossible(_))) => None,
            Some(Err(other)) => return Err(other),
        };
        let state = children::rendered_with(world, to)?;
        let changes = blueprint::changes(before.as_ref(), &state.resolved);
        Ok(Self {
            state,
            before,
            changes,
        })
    }

    /// Whether a parameter changes that all members share.
    pub fn changes_shared(&self) -> bool {
        self.changes
            .iter()
            .any(|change| is_shared_parameter(&change.name))
    }

    /// Whether a parameter needs a restart.
    pub fn needs_restart(&self) -> bool {
        self.changes.iter().any(|change| change.needs_restart)
    }

    /// Whether a parameter goes down that the primary must take before a standby can.
    pub fn is_lowered(&self) -> bool {
        self.changes.iter().any(|change| change.is_lowered)
    }

    /// Changes that would show no effect, because `ALTER SYSTEM` has set another value on a member, which wins; none without any.
    pub fn shadowed(&self, world: &World) -> Option<String> {
        let major = self.state.resolved.major;
        let on = |(pod, member): (&String, &Member)| {
            let loaded = member.server.present().and_then(|it| it.parameters.as_ref());
            let is_other = |change: &&ParameterChange| {
                let name = change.name.to_lowercase();
                let value = loaded.and_then(|it| it.values.get(&name));
                let is_wanted = |value: &String| {
                    let wanted = change.new.as_deref();
                    wanted.is_some_and(|wanted| is_same_value(major, &name, value, wanted))
                };
                loaded.is_some_and(|it| it.altered.contains(&name)) && !value.is_some_and(is_wanted)
            };
            let names: Vec<&str> = self
                .changes
                .iter()
                .filter(is_other)
                .map(|change| change.name.as_str())
                .collect();
            (!names.is_empty()).then(|| format!("{} on {pod}", names.join(", ")))
        };
        let all: Vec<String> = world.members().iter().filter_map(on).collect();
        (!all.is_empty()).then(|| {
            format!(
                "ALTER SYSTEM has set {}, which wins over the configuration; write ALTER SYSTEM RESET for each there, and SELECT \
                 pg_reload_conf(), then create the request again",
                all.join("; ")
            )
        })
    }

    /// The files by which it reaches the members.
    pub fn files(&self) -> TargetConfig {
        let hash = recorded_hash(&self.state.children.config_secret.metadata);
        TargetConfig {
            token: hash.unwrap_or_default().to_owned(),
            files: sql::files_of(&self.state),
        }
    }
}

/// What has to be written for the members to get it: their configuration, and what Patroni keeps for all of them.
///
/// # Errors
/// What is waited for.
pub fn effects(world: &World, target: &Target) -> StepResult<Vec<Effect>> {
    let mut effects = children::config_effects(world, &target.state)?;
    match shared(world, target) {
        Ok(shared) => effects.extend(shared),
        // Whether Patroni responds may depend on the file.
        Err(waiting) if effects.is_empty() => return Err(waiting.into()),
        Err(_) => {}
    }
    Ok(effects)
}

/// What Patroni is to keep for all members.
///
/// # Errors
/// What is waited for.
pub fn shared(world: &World, target: &Target) -> Result<Option<Effect>, WaitingOn> {
    let members = world.members.as_ref();
    let now: Option<&Value> = members.and_then(|members| members.dynamic_configuration.as_ref());
    let any = world
        .leader()
        .or(world.members().keys().next().map(String::as_str));
    let (Some(pod), Some(now)) = (any, now) else {
        return Err(WaitingOn::DynamicConfiguration);
    };
    let patch = blueprint::dynamic_patch(target.before.as_ref(), &target.state.resolved, now);
    Ok(patch.map(|patch| {
        let (pod, patch) = (pod.to_owned(), Box::new(patch));
        Effect::from(MemberEffect::ConfigurePatroni { pod, patch })
    }))
}

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

/// How each parameter changes, for a plan. A text is not shown: it may be a password.
pub fn planned(changes: &[ParameterChange]) -> Vec<PlannedParameter> {
    let planned = |change: &ParameterChange| {
        let shown = |value: &Option<String>| value.clone().filter(|_| change.is_public);
        PlannedParameter {
            name: change.name.clone(),
            old: shown(&change.old),
            new: shown(&change.new),
            context: change.context.map(str::to_owned),
            needs_restart: change.needs_restart,
            primary_first: change.is_lowered,
        }
    };
    changes.iter().map(planned).collect()
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

/// Which parameters wait for a restart, on which members; none when nothing waits.
pub fn waiting_for_restart(world: &World) -> Option<String> {
    let waiting = in_place::pending(world).into_iter();
    let all: Vec<String> = waiting
        .map(|(pod, member)| format!("{} on {pod}", names(member).join(", ")))
        .collect();
    (!all.is_empty()).then(|| format!("these wait for a restart: {}", all.join("; ")))
}

/// The parameters that wait for a restart of this member.
fn names(member: &Member) -> Vec<String> {
    let by_patroni = member
        .patroni
        .present()
        .into_iter()
        .flat_map(|state| state.pending.keys());
    let server = member
        .server
        .present()
        .and_then(|server| server.parameters.as_ref());
    let by_server = server.into_iter().flat_map(|parameters| &parameters.pending);
    let mut all: Vec<String> = by_patroni.chain(by_server).cloned().collect();
    all.sort();
    all.dedup();
    all
}
