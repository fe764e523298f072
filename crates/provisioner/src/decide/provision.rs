//! The ordinary pass: make the database what its spec says, as far as that needs no restart.

use std::time::Duration;

use api_types::postgres::conditions as types;
use api_types::reported::postgres::reasons;
use api_types::vocabulary::USER_CONF;
use blueprint::{Inputs, Invalid, LiveFacts, Resolved, TlsInputs};

use crate::child::Child;
use crate::decide::auth::{self, Auth};
use crate::decide::{Refusal, children, drift, issuer, patroni, renewal, tls};
use crate::plan::{Action, Plan};
use crate::world::{SecretFacts, Secrets, UserConf, Version, World};

/// Time until a fresh RoleBinding has surely reached the API server's authorizer.
const GRANTED_SOON: Duration = Duration::from_millis(200);

/// Secrets are not watched, so what is missing in one is looked for this often.
const SECRETS_AGAIN: Duration = Duration::from_secs(5);

/// cert-manager issues in well under a second; the Certificate's status wakes us, its Secret can't.
const CERTIFICATES_AGAIN: Duration = Duration::from_millis(500);

/// What this pass does about a database that is to be up.
pub fn plan(world: &World) -> Plan {
    let mut plan = Plan {
        checks_health: true,
        ..Plan::default()
    };
    plan.remove(types::HALTED);
    if !world.has_finalizer() {
        plan.act(Action::AddFinalizer);
    }
    let Secrets::Read(secrets) = &world.secrets else {
        plan.act(Action::GrantSecrets);
        plan.wait("access to the namespace's Secrets", GRANTED_SOON);
        return plan;
    };
    match resolve(world, secrets) {
        Ok((resolved, refused)) => provision(world, secrets, resolved, refused, &mut plan),
        Err(refusal) => refuse(world, secrets, refusal, &mut plan),
    }
    plan
}

/// Everything that the builders need, with the certificate that members do not get; or what the user has to change.
fn resolve(world: &World, secrets: &SecretFacts) -> Result<(Resolved, Option<Refusal>), Refusal> {
    let version = match &world.version {
        Version::Found(version) => version,
        Version::Unknown { known } => return Err(unknown_version(world, known)),
    };
    let superuser = match auth::judge(world, secrets) {
        Auth::Missing => None,
        Auth::Usable(credentials) => Some(credentials.username.to_owned()),
        Auth::Refused(refusal) => return Err(refusal),
    };
    let inputs = Inputs {
        postgres: &world.postgres,
        version,
        user_conf: user_conf(&secrets.user_conf)?,
        tls: TlsInputs::default(),
        live: live_facts(world, superuser),
    };
    let mut resolved = blueprint::resolve(&inputs).map_err(|invalid| invalid_spec(&invalid))?;
    let chosen = tls::choose(world, secrets, &blueprint::certificates(&resolved))?;
    resolved.tls = TlsInputs::steady(&world.postgres.spec, chosen.trust, chosen.material);
    Ok((resolved, chosen.refused))
}

fn live_facts(world: &World, superuser: Option<String>) -> LiveFacts {
    let account = world
        .live
        .iter()
        .find(|child| matches!(child, Child::ServiceAccount(_)));
    LiveFacts {
        make_named_service_account: account.is_none_or(|account| account.is_owned_by(world.uid())),
        ..LiveFacts::from_pet_set(world.pet_set())
    }
    .with_superuser(superuser)
}

fn user_conf(facts: &UserConf) -> Result<Option<&str>, Refusal> {
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

/// Nothing is changed but certificates that were renewed; the user is told what to change.
fn refuse(world: &World, secrets: &SecretFacts, refusal: Refusal, plan: &mut Plan) {
    let mut refusal = refusal;
    if world.is_provisioned() {
        refusal = refusal.and(renewal::plan_for_what_runs(world, secrets, plan));
        plan.set(
            types::SPEC_APPLIED,
            false,
            refusal.reason,
            refusal.message.clone(),
        );
    } else {
        plan.set(
            types::PROVISIONING_STARTED,
            false,
            refusal.reason,
            refusal.message.clone(),
        );
        plan.set(types::READY, false, refusal.reason, refusal.message.clone());
        plan.checks_health = false;
    }
    plan.tell(true, refusal.reason, refusal.message.clone());
    plan.acts_on_spec = true;
    plan.soon(SECRETS_AGAIN);
}

fn provision(
    world: &World,
    secrets: &SecretFacts,
    mut resolved: Resolved,
    refused: Option<Refusal>,
    plan: &mut Plan,
) {
    plan.acts_on_spec = true;
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

    let leaving = drift::leaving(world, &resolved).map(|(running, refusal)| {
        resolved.replicas = running;
        refusal
    });
    let mut wanted = children::ordered(&resolved);
    let mut held = drift::held(world, &resolved);
    if let Some(refusal) = held.take() {
        wanted.retain(|child| !drift::holds(child));
        held = Some(refusal.and(renewal::plan_for_what_runs(world, secrets, plan)));
    } else if let Some(missing) = tls::missing(world, secrets, &resolved) {
        wanted.retain(|child| !waits_for_certificates(world, child));
        plan.wait(missing, CERTIFICATES_AGAIN);
    } else {
        renewal::publish(secrets, &resolved.tls.trust, plan);
        renewal::plan(world, &resolved.tls, plan);
        patroni::plan(world, &resolved, plan);
    }
    children::apply(world, &wanted, plan);
    children::prune(world, &wanted, plan);
    // The members' certificates are not of the issuer that an edited spec names.
    let is_edited = held
        .as_ref()
        .is_some_and(|held| held.reason == reasons::RECONFIGURE_TLS_NEEDED);
    match issuer::replaced(world, secrets).filter(|_| !is_edited) {
        Some(message) => {
            let type_ = types::ISSUER_CA_CHANGED;
            plan.set(type_, true, type_, message.clone());
            plan.tell(true, type_, message);
        }
        None => plan.remove(types::ISSUER_CA_CHANGED),
    }
    applied(held.or(refused).or(leaving), plan);
}

/// Makes the auth Secret when there is none, and names it in the spec.
fn credentials(world: &World, secrets: &SecretFacts, resolved: &Resolved, plan: &mut Plan) {
    let name = world.auth_secret_name();
    if secrets.auth.is_none() {
        plan.act(Action::CreateAuthSecret(Box::new(resolved.clone())));
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
