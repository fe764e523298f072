//! The children of a database as a state of an operation wants them: what the blueprint builds, and what of it is not so yet.

use api_types::ops_request::{ConfigurationSettings, TlsSettings, VolumeSize};
use api_types::postgres::PostgresSpec;
use api_types::vocabulary::PAUSED_BY;
use api_types::{Postgres, PostgresVersion};
use blueprint::{Children, Inputs, Invalid, LiveFacts, Resolved, TlsInputs, database_image, recorded_phase};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::effect::{Child, Effect};
use crate::operation::Operation;
use crate::section::Section;
use crate::step::{Progress, StepResult};
use crate::waiting::WaitingOn;
use crate::world::{Observed, World};

/// What Patroni could not start without; the provisioner issues it.
const MEMBERS_TLS: &str = "the Secret with the certificates of members and operators";

/// A database as some state of an operation wants it.
pub struct RenderedState {
    /// Every setting resolved.
    pub resolved: Resolved,
    /// The objects that follow.
    pub children: Children,
}

/// What an operation changes in the spec before children are built from it.
pub type Edit<'a> = &'a dyn Fn(&mut PostgresSpec);

/// The edit that writes these TLS settings.
pub fn with_tls(settings: &TlsSettings) -> impl Fn(&mut PostgresSpec) {
    move |spec| settings.write(spec)
}

/// The edit that keeps what the members follow where the spec was edited and the provisioner holds that back: TLS, and members
/// that are to leave.
///
/// # Errors
/// Why it is not known.
pub fn as_followed(world: &World) -> Result<impl Fn(&mut PostgresSpec) + use<>, WaitingOn> {
    let (settings, count) = (effective_settings(world)?, world.replicas());
    Ok(move |spec: &mut PostgresSpec| {
        settings.write(spec);
        spec.replicas = Some(count);
    })
}

/// The edit that writes these fields over what the members follow.
///
/// # Errors
/// As [`as_followed`].
pub fn followed_with<'a, S: Section>(
    world: &World,
    section: &'a S,
) -> Result<impl Fn(&mut PostgresSpec) + use<'a, S>, WaitingOn> {
    let kept = as_followed(world)?;
    Ok(move |spec: &mut PostgresSpec| {
        kept(spec);
        section.write(spec);
    })
}

/// The children with these fields of the spec, and with the current TLS.
///
/// # Errors
/// What is waited for, or why they can't be built.
pub fn rendered_with<S: Section>(world: &World, section: &S) -> StepResult<RenderedState> {
    render(world, &followed_with(world, section)?, tls_in_force(world)?, None)
}

/// The children with volumes of this size for new members; everything else stays. Otherwise a PetSet keeps its size, whatever the
/// spec has.
///
/// # Errors
/// As [`rendered_with`].
pub fn rendered_with_volumes(world: &World, size: &VolumeSize) -> StepResult<RenderedState> {
    let postgres = proposed(world, &as_followed(world)?)?;
    let version = world.version.require("the PostgresVersion")?;
    let mut live = live_facts(world)?;
    if let Some(size) = &size.storage {
        live = live.with_volume_size(size);
    }
    let resolved = resolve_from(world, &postgres, version, tls_in_force(world)?, live)?;
    let children = blueprint::build(&resolved);
    Ok(RenderedState { resolved, children })
}

/// The TLS switches of the config Secret: an operation that is not about TLS does not change them.
///
/// # Errors
/// Why they are not known.
pub fn tls_in_force(world: &World) -> Result<TlsInputs, WaitingOn> {
    let config = world.config.require("the config Secret")?;
    let phase = recorded_phase(&config.meta).unwrap_or_default();
    Ok(TlsInputs::of(
        phase,
        config.trust.clone(),
        config.material.clone(),
    ))
}

/// The Postgres with this edit and without the traces of the pause, as the provisioner will see it.
fn proposed(world: &World, edit: Edit<'_>) -> StepResult<Postgres> {
    let mut postgres = world.postgres.require("the Postgres")?.clone();
    edit(&mut postgres.spec);
    if let Some(annotations) = postgres.metadata.annotations.as_mut() {
        annotations.remove(PAUSED_BY);
    }
    Ok(postgres)
}

/// The TLS settings that the members follow: the spec's, unless it was edited and the provisioner holds that back.
///
/// # Errors
/// Why they are not known.
pub fn effective_settings(world: &World) -> Result<TlsSettings, WaitingOn> {
    let spec = TlsSettings::of(&world.postgres.require("the Postgres")?.spec);
    let written = match &world.pet_set {
        Observed::Absent => None,
        other => blueprint::effective_settings(&other.require("the PetSet")?.metadata),
    };
    Ok(written.unwrap_or(spec))
}

/// Builds the children for this edit and these inputs. `token` overrides the PetSet's restart token.
pub fn render(
    world: &World,
    edit: Edit<'_>,
    tls: TlsInputs,
    token: Option<&str>,
) -> StepResult<RenderedState> {
    let version = world.version.require("the PostgresVersion")?;
    render_version(world, edit, version, tls, token)
}

/// [`render`] with another PostgresVersion than that of the spec.
pub fn render_version(
    world: &World,
    edit: Edit<'_>,
    version: &PostgresVersion,
    tls: TlsInputs,
    token: Option<&str>,
) -> StepResult<RenderedState> {
    let postgres = proposed(world, edit)?;
    let resolved = resolve(world, &postgres, version, tls, token)?;
    let children = blueprint::build(&resolved);
    Ok(RenderedState { resolved, children })
}

/// [`render`] without the objects, for names and certificates.
pub fn resolved(world: &World, settings: &TlsSettings) -> StepResult<Resolved> {
    let postgres = proposed(world, &with_tls(settings))?;
    let version = world.version.require("the PostgresVersion")?;
    resolve(world, &postgres, version, TlsInputs::default(), None)
}

/// [`resolved`] for a proposal that is only checked. It needs no Secret: the user's `user.conf`, which the proposal does
/// not change, counts as present.
pub fn check(world: &World, edit: Edit<'_>) -> StepResult<Resolved> {
    check_version(world, edit, world.version.require("the PostgresVersion")?)
}

/// [`check`] with another PostgresVersion than that of the spec.
pub fn check_version(world: &World, edit: Edit<'_>, version: &PostgresVersion) -> StepResult<Resolved> {
    let postgres = &proposed(world, edit)?;
    let (tls, live) = (TlsInputs::default(), LiveFacts::default());
    blueprint::resolve(&Inputs {
        postgres,
        version,
        user_conf: Some(""),
        tls,
        live,
    })
    .map_err(refused)
}

fn resolve(
    world: &World,
    postgres: &Postgres,
    version: &PostgresVersion,
    tls: TlsInputs,
    token: Option<&str>,
) -> StepResult<Resolved> {
    let mut live = live_facts(world)?;
    live.restart_token = token.map(str::to_owned).or(live.restart_token);
    resolve_from(world, postgres, version, tls, live)
}

fn resolve_from(
    world: &World,
    postgres: &Postgres,
    version: &PostgresVersion,
    tls: TlsInputs,
    live: LiveFacts,
) -> StepResult<Resolved> {
    let user_conf = user_conf(world, postgres)?;
    blueprint::resolve(&Inputs {
        postgres,
        version,
        user_conf,
        tls,
        live,
    })
    .map_err(refused)
}

/// `user.conf` of the Secret that this Postgres names.
fn user_conf<'a>(world: &'a World, postgres: &Postgres) -> Result<Option<&'a str>, WaitingOn> {
    let settings = ConfigurationSettings::of(&postgres.spec);
    let Some(name) = settings.secret() else {
        return Ok(None);
    };
    let what = format!("the Secret {name} with user.conf");
    let of_spec = ConfigurationSettings::of(&world.postgres.require("the Postgres")?.spec);
    let observed = match world.other_user_confs.get(name) {
        Some(other) => other,
        None if of_spec.secret() == Some(name) => &world.user_conf,
        None => return Err(WaitingOn::Missing { what }),
    };
    observed.require(&what).map(|text| Some(text.as_str()))
}

fn refused(all: Vec<Invalid>) -> Progress {
    let all: Vec<_> = all.iter().map(ToString::to_string).collect();
    Progress::Impossible(format!("the Postgres can't be built: {}", all.join("; ")))
}

/// What is carried over from live children; all of it must have been read, or children would change by accident.
fn live_facts(world: &World) -> StepResult<LiveFacts> {
    let pet_set = world.pet_set.require("the PetSet")?;
    let superuser = world.superuser.require("the auth Secret")?;
    let mut live = LiveFacts::from_pet_set(Some(pet_set)).with_superuser(Some(superuser.clone()));
    let deployed = world.postgres.present().and_then(Postgres::deployed);
    live.auth = deployed.and_then(|deployed| deployed.auth.clone());
    live.make_named_service_account = world.makes_named_service_account;
    let member_tls = world.member_tls.require(MEMBERS_TLS)?;
    live.member_tls = Some(member_tls.clone());
    Ok(live)
}

/// Applies the config Secret if it is not as the state wants it.
pub fn config_effects(world: &World, state: &RenderedState) -> StepResult<Vec<Effect>> {
    let config = &state.children.config_secret;
    let live = match &world.config {
        Observed::Absent => None,
        other => Some(&other.require("the config Secret")?.meta),
    };
    Ok(
        effect_if_changed(live, &config.metadata, || Child::Config(config.clone()))
            .into_iter()
            .collect(),
    )
}

/// Applies the AppBinding if it is not as the state wants it.
pub fn app_binding_effects(world: &World, state: &RenderedState) -> StepResult<Vec<Effect>> {
    let wanted = &state.children.app_binding;
    let live = match &world.app_binding {
        Observed::Absent => None,
        other => Some(other.require("the AppBinding")?),
    };
    let effect = effect_if_changed(live, &wanted.metadata, || Child::AppBinding(wanted.clone()));
    Ok(effect.into_iter().collect())
}

/// Applies the PetSet if it is not as the state wants it.
pub fn pet_set_effects(world: &World, state: &RenderedState) -> StepResult<Vec<Effect>> {
    keeps_version(world, state)?;
    pet_set_as(world, state)
}

/// [`pet_set_effects`] where another version of the same major version is meant.
pub fn pet_set_with_version(world: &World, state: &RenderedState) -> StepResult<Vec<Effect>> {
    keeps_major(world, state)?;
    pet_set_as(world, state)
}

fn pet_set_as(world: &World, state: &RenderedState) -> StepResult<Vec<Effect>> {
    let wanted = &state.children.pet_set;
    let live = world.pet_set.require("the PetSet")?;
    let effect = effect_if_changed(Some(&live.metadata), &wanted.metadata, || {
        Child::PetSet(Box::new(wanted.clone()))
    });
    Ok(effect.into_iter().collect())
}

/// No operation here may start members with other binaries: they might not read the data.
///
/// # Errors
/// [`Progress::Impossible`] when the spec means another image than the one that members run.
fn keeps_version(world: &World, state: &RenderedState) -> StepResult<()> {
    let live = world.pet_set.require("the PetSet")?;
    let (running, wanted) = (database_image(live), database_image(&state.children.pet_set));
    if running.is_none() || running == wanted {
        return Ok(());
    }
    let version = &world.postgres.require("the Postgres")?.spec.version;
    Err(Progress::Impossible(format!(
        "spec.version {version:?} means image {}, the members run {}; write the old version back (or the image of that name \
         in the catalog), then create the request again",
        wanted.unwrap_or_default(),
        running.unwrap_or_default(),
    )))
}

/// Data files of one major version are of no use to another one.
///
/// # Errors
/// [`Progress::Impossible`] when the members' data is of another major version, or that is not known.
fn keeps_major(world: &World, state: &RenderedState) -> StepResult<()> {
    let deployed = world.postgres.require("the Postgres")?.deployed();
    let born = deployed.map(|deployed| deployed.version.major);
    let wanted = state.resolved.major;
    if born == Some(wanted) {
        return Ok(());
    }
    let born = born.map_or("a version that is not known".to_owned(), |born| {
        format!("PostgreSQL {born}")
    });
    Err(Progress::Impossible(format!(
        "the data is of {born}, and PostgreSQL {wanted} may not be able to read it"
    )))
}

fn effect_if_changed(
    live: Option<&ObjectMeta>,
    wanted: &ObjectMeta,
    child: impl FnOnce() -> Child,
) -> Option<Effect> {
    runtime::needs_apply(live, wanted).then(|| Effect::Apply(Box::new(child())))
}

/// Only the PetSet changes, and of it only the restart token: the provisioner carries out the rest of the spec.
pub fn restart_token(op: &Operation, world: &World) -> StepResult {
    let live = world.pet_set.require("the PetSet")?;
    if LiveFacts::from_pet_set(Some(live)).restart_token.as_deref() == Some(op.uid.as_str()) {
        template_is_observed(world)?;
        return Ok(Progress::Done);
    }
    let state = render(world, &as_followed(world)?, TlsInputs::default(), Some(&op.uid))?;
    Ok(Progress::Act(pet_set_effects(world, &state)?))
}

/// The petset operator has observed the current PetSet.
///
/// # Errors
/// What is waited for.
pub fn template_is_observed(world: &World) -> Result<(), WaitingOn> {
    let pet_set = world.pet_set.require("the PetSet")?;
    let status = pet_set.status.as_ref();
    let observed = status.and_then(|status| status.observed_generation) >= pet_set.metadata.generation
        && status.is_some_and(|status| status.update_revision.is_some());
    observed.then_some(()).ok_or(WaitingOn::PodTemplate)
}
