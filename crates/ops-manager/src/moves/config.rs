//! What the members are told: the children that the blueprint builds for a stage of an operation.

use api_types::ops_request::TlsSettings;
use api_types::tls::CertificateAlias;
use api_types::vocabulary::PAUSED_BY;
use api_types::{Postgres, PostgresVersion};
use blueprint::{CaBundle, Children, Inputs, Invalid, LiveFacts, Resolved, TlsInputs, database_image};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::effect::{Child, Effect};
use crate::operation::Operation;
use crate::step::{Needs, Progress};
use crate::world::{Observed, World};

/// A database as some stage of an operation wants it.
pub struct Stage {
    /// Every question answered.
    pub resolved: Resolved,
    /// The objects that follow.
    pub children: Children,
}

/// The Postgres with these TLS settings and without the traces of the pause, as the provisioner will see it.
pub fn proposed(world: &World, settings: &TlsSettings) -> Needs<Postgres> {
    let mut postgres = world.postgres.need("the Postgres")?.clone();
    postgres.spec.tls.clone_from(&settings.tls);
    postgres.spec.ssl_mode = settings.ssl_mode;
    postgres.spec.client_auth_mode = settings.client_auth_mode;
    if let Some(annotations) = postgres.metadata.annotations.as_mut() {
        annotations.remove(PAUSED_BY);
    }
    Ok(postgres)
}

/// The TLS settings that the members follow: the spec's, unless it was edited and the provisioner holds that back.
///
/// # Errors
/// Why it is not known.
pub fn followed_settings(world: &World) -> Result<TlsSettings, String> {
    let spec = TlsSettings::of(&world.postgres.need("the Postgres")?.spec);
    let written = match &world.pet_set {
        Observed::Absent => None,
        other => blueprint::followed_settings(&other.need("the PetSet")?.metadata),
    };
    Ok(written.unwrap_or(spec))
}

/// Builds the children for these settings and switches. `token` overrides the PetSet's restart token.
pub fn stage(world: &World, settings: &TlsSettings, tls: TlsInputs, token: Option<&str>) -> Needs<Stage> {
    let postgres = proposed(world, settings)?;
    let version = world.version.need("the PostgresVersion")?;
    let resolved = resolve(world, &postgres, version, tls, token)?;
    let children = blueprint::build(&resolved);
    Ok(Stage { resolved, children })
}

/// [`stage`] without the objects, for names and certificates.
pub fn resolved(world: &World, settings: &TlsSettings) -> Needs<Resolved> {
    let postgres = proposed(world, settings)?;
    let version = world.version.need("the PostgresVersion")?;
    resolve(world, &postgres, version, TlsInputs::default(), None)
}

/// [`resolved`] for a proposal that is only judged: no Secret has to be read for it, and the user's `user.conf`, which a
/// TLS change leaves as it is, counts as there.
pub fn resolved_without_secrets(world: &World, settings: &TlsSettings) -> Needs<Resolved> {
    let postgres = &proposed(world, settings)?;
    let version = world.version.need("the PostgresVersion")?;
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
) -> Needs<Resolved> {
    let user_conf = match &world.user_conf {
        Observed::Absent => None,
        other => Some(other.need("the Secret with user.conf")?.as_str()),
    };
    let mut live = live_facts(world)?;
    live.restart_token = token.map(str::to_owned).or(live.restart_token);
    blueprint::resolve(&Inputs {
        postgres,
        version,
        user_conf,
        tls,
        live,
    })
    .map_err(refused)
}

fn refused(all: Vec<Invalid>) -> Progress {
    let all: Vec<_> = all.iter().map(ToString::to_string).collect();
    Progress::Impossible(format!("the Postgres can't be built: {}", all.join("; ")))
}

/// What is carried over from live children; all of it must have been read, or children would change by accident.
fn live_facts(world: &World) -> Needs<LiveFacts> {
    let pet_set = world.pet_set.need("the PetSet")?;
    let superuser = world.superuser.need("the auth Secret")?;
    let mut live = LiveFacts::from_pet_set(Some(pet_set)).with_superuser(Some(superuser.clone()));
    live.make_named_service_account = world.makes_named_service_account;
    Ok(live)
}

/// Applies the config Secret if it is not as the stage wants it.
pub fn config_effects(world: &World, stage: &Stage) -> Needs<Vec<Effect>> {
    let config = &stage.children.config_secret;
    let live = match &world.config {
        Observed::Absent => None,
        other => Some(&other.need("the config Secret")?.meta),
    };
    Ok(
        effect_if_changed(live, &config.metadata, || Child::Config(config.clone()))
            .into_iter()
            .collect(),
    )
}

/// Tells applications what the stage wants them to know: in the AppBinding, and in the Secret of the client certificate.
pub fn published_effects(world: &World, stage: &Stage) -> Needs<Vec<Effect>> {
    let wanted = &stage.children.app_binding;
    let live = match &world.app_binding {
        Observed::Absent => None,
        other => Some(other.need("the AppBinding")?),
    };
    let app_binding = effect_if_changed(live, &wanted.metadata, || Child::AppBinding(wanted.clone()));
    let mut effects: Vec<Effect> = app_binding.into_iter().collect();
    effects.extend(client_ca_effects(
        world,
        &stage.resolved,
        &stage.resolved.tls.trust,
    )?);
    Ok(effects)
}

/// Lets clients find these CAs in the Secret of the client certificate, whatever cert-manager has written there since. What
/// is about to be taken away stays as it is.
pub fn client_ca_effects(world: &World, resolved: &Resolved, needed: &CaBundle) -> Needs<Option<Effect>> {
    if needed.is_empty() || resolved.tls.is_ending {
        return Ok(None);
    }
    let secret = resolved.certificate_secret(CertificateAlias::Client);
    let issued = match world.secrets.get(&secret) {
        None | Some(Observed::Absent) => return Ok(None),
        Some(other) => other.need(&format!("Secret {secret}"))?,
    };
    let own = issued.pair.as_ref().map(|pair| CaBundle::from_pem(&pair.ca));
    let Some(Ok(own)) = own else {
        return Ok(None);
    };
    let needed = needed.clone();
    Ok((issued.shown_ca != blueprint::client_ca(&own, &needed))
        .then_some(Effect::PublishCa { secret, needed }))
}

/// Applies the PetSet if it is not as the stage wants it.
pub fn pet_set_effects(world: &World, stage: &Stage) -> Needs<Vec<Effect>> {
    keeps_version(world, stage)?;
    let wanted = &stage.children.pet_set;
    let live = world.pet_set.need("the PetSet")?;
    let effect = effect_if_changed(Some(&live.metadata), &wanted.metadata, || {
        Child::PetSet(Box::new(wanted.clone()))
    });
    Ok(effect.into_iter().collect())
}

/// No operation here may start members with other binaries: they might not read the data.
///
/// # Errors
/// [`Progress::Impossible`] when the spec means another image than the one that members run.
fn keeps_version(world: &World, stage: &Stage) -> Needs<()> {
    let live = world.pet_set.need("the PetSet")?;
    let (running, wanted) = (database_image(live), database_image(&stage.children.pet_set));
    if running.is_none() || running == wanted {
        return Ok(());
    }
    let version = &world.postgres.need("the Postgres")?.spec.version;
    Err(Progress::Impossible(format!(
        "spec.version {version:?} means image {}, the members run {}; write the old version back (or the image of that name \
         in the catalog), then create the request again",
        wanted.unwrap_or_default(),
        running.unwrap_or_default(),
    )))
}

fn effect_if_changed(
    live: Option<&ObjectMeta>,
    wanted: &ObjectMeta,
    child: impl FnOnce() -> Child,
) -> Option<Effect> {
    runtime::needs_apply(live, wanted).then(|| Effect::Apply(Box::new(child())))
}

/// Only the PetSet changes, and of it only the restart token: whatever else the spec says is the provisioner's to do.
pub fn restart_token(op: &Operation, world: &World) -> Result<Progress, Progress> {
    let live = world.pet_set.need("the PetSet")?;
    if LiveFacts::from_pet_set(Some(live)).restart_token.as_deref() == Some(op.uid.as_str()) {
        return Ok(revision_is_known(world)?.map_or(Progress::Done, Progress::Wait));
    }
    let stage = stage(
        world,
        &followed_settings(world)?,
        TlsInputs::default(),
        Some(&op.uid),
    )?;
    Ok(Progress::Act(pet_set_effects(world, &stage)?))
}

/// Whether the petset operator has seen the PetSet as it is now; if not, what is waited for.
pub fn revision_is_known(world: &World) -> Needs<Option<String>> {
    let pet_set = world.pet_set.need("the PetSet")?;
    let status = pet_set.status.as_ref();
    let seen = status.and_then(|status| status.observed_generation) >= pet_set.metadata.generation
        && status.is_some_and(|status| status.update_revision.is_some());
    Ok((!seen).then(|| "waits for petset to see the new Pod template".to_owned()))
}
