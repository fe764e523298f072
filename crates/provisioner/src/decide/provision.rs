//! The ordinary pass: make the database match its spec, as far as that needs no restart.

use std::time::Duration;

use api_types::deployed::DeployedAuth;
use api_types::postgres::conditions as types;
use api_types::reported::postgres::reasons;
use api_types::vocabulary::USER_CONF;
use blueprint::{Inputs, Invalid, LiveFacts, Resolved, TlsInputs};

use crate::child::Child;
use crate::decide::auth::{self, Auth};
use crate::decide::{
    Refusal, children, deployed, drift, members_tls, names, outdated, parameters, patroni, renewal, rows,
    services, tls, volumes,
};
use crate::plan::{Action, Plan};
use crate::world::{SecretFacts, Secrets, UserConf, Version, World};

/// Time until a fresh RoleBinding has surely reached the API server's authorizer.
const RBAC_DELAY: Duration = Duration::from_millis(200);

/// Secrets are not watched, so the provisioner polls for what is missing in one.
const SECRETS_POLL_INTERVAL: Duration = Duration::from_secs(5);

/// cert-manager issues in well under a second; the Certificate's status wakes us, its Secret can't.
const CERTIFICATES_POLL_INTERVAL: Duration = Duration::from_millis(500);

/// What this pass does about a database that is to be up.
pub fn plan(world: &World) -> Plan {
    let mut plan = Plan {
        checks_health: true,
        ..Plan::default()
    };
    if !world.has_finalizer() {
        plan.act(Action::AddFinalizer);
    }
    let Secrets::Read(secrets) = &world.secrets else {
        match names::taken_before_access(world) {
            Some(refusal) => refuse(world, None, refusal, &mut plan),
            None => {
                plan.act(Action::GrantSecrets);
                plan.wait("access to the namespace's Secrets", RBAC_DELAY);
            }
        }
        return plan;
    };
    let members = members_tls::choose(world, secrets);
    let known = Known { secrets, members };
    match resolve(world, &known) {
        Ok((resolved, refused)) => provision(world, &known, resolved, refused, &mut plan),
        Err(refusal) => refuse(world, Some(&known), refusal, &mut plan),
    }
    plan
}

/// The facts in the namespace's Secrets, and what follows for the members' own certificate.
struct Known<'a> {
    secrets: &'a SecretFacts,
    members: members_tls::Chosen,
}

impl Known<'_> {
    /// Gives members that run what was renewed, and nothing else.
    fn renew(&self, world: &World, plan: &mut Plan) -> Option<Refusal> {
        renewal::plan_for_what_runs(world, self.secrets, self.members.deployed.as_ref(), plan)
    }
}

/// Everything that the builders need, with what of the spec is held, and the certificate or the password that not every member
/// can use; or what the user has to change.
fn resolve(world: &World, known: &Known<'_>) -> Result<(Resolved, Option<Refusal>), Refusal> {
    let secrets = known.secrets;
    let version = match &world.version {
        Version::Found(version) => version,
        Version::Unknown { known } => return Err(unknown_version(world, known)),
    };
    // Running members keep their settings; `drift` reports what is held.
    if !drift::may_hold(world)
        && let Some(refusal) = deployed::other_major(world, version)
    {
        return Err(refusal);
    }
    if let Some(refusal) = names::of_auth_in_force(world, secrets) {
        return Err(refusal);
    }
    let (followed, unusable) = match auth::judge(world, secrets) {
        Auth::Missing => (auth::first(world), None),
        Auth::Usable(credentials, unusable) => {
            let (in_force, held) = auth::in_force(world, secrets, credentials);
            (in_force.deployed(), Refusal::join([held, unusable]))
        }
        Auth::Refused(refusal) => return Err(refusal),
    };
    let inputs = Inputs {
        postgres: &world.postgres,
        version,
        user_conf: user_conf(world, &secrets.user_conf)?,
        tls: TlsInputs::default(),
        live: LiveFacts {
            member_tls: known.members.deployed.clone(),
            ..live_facts(world, followed)
        },
    };
    let mut resolved = blueprint::resolve(&inputs).map_err(|invalid| invalid_spec(&invalid))?;
    let held = volumes::hold(world, &mut resolved)?;
    rows::limit(world, &mut resolved);
    let chosen = tls::choose(world, secrets, &blueprint::certificates(&resolved))?;
    resolved.tls = TlsInputs::steady(&world.postgres.spec, chosen.trust, chosen.material);
    let refused = Refusal::join([held, unusable, chosen.refused]);
    Ok((resolved, refused))
}

fn live_facts(world: &World, followed: DeployedAuth) -> LiveFacts {
    let account = world
        .live
        .iter()
        .find(|child| matches!(child, Child::ServiceAccount(_)));
    LiveFacts {
        make_named_service_account: account.is_none_or(|account| account.is_owned_by(world.uid())),
        // As the spec has it: `storage` compares it with what there is.
        storage: None,
        ..LiveFacts::from_pet_set(world.pet_set())
    }
    .with_superuser(Some(followed.username.clone()))
    .with_auth(Some(followed))
    .with_configuration(world.config_secret())
}

/// Running members keep the file that they have: the blueprint reports what is missing.
fn user_conf<'a>(world: &World, facts: &'a UserConf) -> Result<Option<&'a str>, Refusal> {
    if world.config_secret().is_some() && matches!(facts, UserConf::Missing(_) | UserConf::WithoutKey(_)) {
        return Ok(None);
    }
    let refuse = |message| Err(Refusal::new(reasons::INVALID_SPEC, message));
    match facts {
        UserConf::NotNamed => Ok(None),
        UserConf::Content(text) => Ok(Some(text)),
        UserConf::Missing(name) => refuse(format!(
            "spec.configuration.secretName: Secret {name:?} does not exist; create it with the key {USER_CONF}"
        )),
        UserConf::WithoutKey(name) => refuse(format!(
            "spec.configuration.secretName: Secret {name:?} has no key {USER_CONF}; put PostgreSQL parameters there"
        )),
    }
}

fn unknown_version(world: &World, known: &[String]) -> Refusal {
    let there_are = if known.is_empty() {
        "none; install the catalog chart".to_owned()
    } else {
        known.join(", ")
    };
    let message = format!(
        "spec.version: there is no PostgresVersion {:?}; there are: {there_are}",
        world.postgres.spec.version
    );
    Refusal::new(reasons::VERSION_NOT_FOUND, message)
}

fn invalid_spec(invalid: &[Invalid]) -> Refusal {
    let list: Vec<String> = invalid.iter().map(ToString::to_string).collect();
    Refusal::new(reasons::INVALID_SPEC, list.join("; "))
}

/// Only renewed certificates are deployed; the condition names what the user has to change.
fn refuse(world: &World, known: Option<&Known<'_>>, refusal: Refusal, plan: &mut Plan) {
    let mut refusal = refusal;
    if drift::may_hold(world) {
        if let Some(known) = known {
            known.members.issue(plan);
            refusal = refusal.and(known.renew(world, plan));
        }
    } else {
        // A database that was ready once stays provisioned.
        let first = if world.is_provisioned() {
            types::ACCEPTING_CONNECTION
        } else {
            types::PROVISIONING_STARTED
        };
        plan.set(first, false, refusal.reason, refusal.message.clone());
        plan.set(types::READY, false, refusal.reason, refusal.message.clone());
        plan.checks_health = false;
    }
    plan.set(
        types::SPEC_APPLIED,
        false,
        refusal.reason,
        refusal.message.clone(),
    );
    plan.tell(true, refusal.reason, refusal.message.clone());
    plan.acts_on_spec = true;
    plan.soon(SECRETS_POLL_INTERVAL);
}

fn provision(
    world: &World,
    known: &Known<'_>,
    mut resolved: Resolved,
    refused: Option<Refusal>,
    plan: &mut Plan,
) {
    let secrets = known.secrets;
    let leaving = drift::leaving(world, &resolved).map(|(running, refusal)| {
        resolved.replicas = running;
        refusal
    });
    let mut wanted = children::ordered(&resolved);
    let taken = match names::taken(world, secrets, &wanted) {
        Some(taken) if world.is_unborn() => return refuse(world, Some(known), taken, plan),
        taken => taken,
    };
    plan.acts_on_spec = true;
    plan.wal_does_not_fit = blueprint::pg::wal::does_not_fit(&resolved);
    let message = format!(
        "The KubeDB operator has started the provisioning of Postgres: {}",
        world.key()
    );
    plan.set(
        types::PROVISIONING_STARTED,
        true,
        reasons::DATABASE_PROVISIONING_STARTED_SUCCESSFULLY,
        message,
    );
    credentials(world, secrets, &resolved, plan);
    known.members.issue(plan);

    let mut held = drift::held(world, &resolved);
    if let Some(refusal) = held.take() {
        wanted.retain(|child| !drift::holds(child));
        held = Some(refusal.and(known.renew(world, plan)));
    } else if known.members.deployed.is_none() {
        wanted.retain(|child| !waits_for_certificates(world, child));
    } else if let Some(missing) = tls::missing(world, secrets, &resolved) {
        wanted.retain(|child| !waits_for_certificates(world, child));
        plan.wait(missing, CERTIFICATES_POLL_INTERVAL);
    } else {
        renewal::publish(secrets, &resolved.tls.trust, plan);
        renewal::plan(world, &resolved.tls, plan);
        patroni::plan(world, &resolved, plan);
    }
    if names::of_new_members_are_taken(world) {
        wanted.retain(|child| !matches!(child, Child::PetSet(_)));
    }
    let kept = services::held(world, &wanted);
    let is_kept = |child: &Child| {
        matches!(child, Child::Service(_)) && kept.iter().any(|(name, _)| *name == child.name())
    };
    let applied_now: Vec<Child> = wanted.iter().filter(|child| !is_kept(child)).cloned().collect();
    children::apply(world, &applied_now, plan);
    children::prune(world, &wanted, plan);
    if taken.is_some() {
        plan.soon(SECRETS_POLL_INTERVAL);
    }
    let kept = kept.into_iter().map(|(_, refusal)| Some(refusal));
    deployed::follow(world, &resolved, &wanted, held.is_some(), plan);
    let restart = outdated::restart_needed(world);
    let refused = [
        held,
        taken,
        leaving,
        refused,
        parameters::refusal(world, &resolved),
        restart,
    ];
    applied(Refusal::join(refused.into_iter().chain(kept)), plan);
}

/// Makes the auth Secret when there is none, and names it in the spec; keeps the credentials that open the database.
fn credentials(world: &World, secrets: &SecretFacts, resolved: &Resolved, plan: &mut Plan) {
    let name = world.auth_secret_name();
    if secrets.auth.is_none() {
        plan.act(Action::CreateAuthSecret(Box::new(resolved.clone())));
    }
    if let Some(secret) = auth::to_keep(world, secrets) {
        plan.act(Action::KeepCredentials(Box::new(secret)));
    }
    let named = world
        .postgres
        .spec
        .auth_secret
        .as_ref()
        .is_some_and(|secret| secret.name == name);
    if !named {
        plan.act(Action::NameAuthSecret(name));
    }
}

/// Members that never ran wait for their certificates; members that run go on with those they have.
fn waits_for_certificates(world: &World, child: &Child) -> bool {
    let born = world.pet_set().is_some();
    match child {
        Child::Secret(_) | Child::AppBinding(_) => true,
        Child::PetSet(_) => !born,
        _ => false,
    }
}

fn applied(held: Option<Refusal>, plan: &mut Plan) {
    match held {
        Some(refusal) => {
            plan.set(
                types::SPEC_APPLIED,
                false,
                refusal.reason,
                refusal.message.clone(),
            );
            plan.tell(true, refusal.reason, refusal.message);
        }
        None => plan.remove(types::SPEC_APPLIED),
    }
}
