//! Which members a health check probes, and how it gets in.

use std::time::Duration;

use api_types::postgres::conditions as types;
use api_types::tls::CertificateAlias;
use api_types::vocabulary::{ROLE_LABEL, ROLE_PRIMARY, TRUST_CRT};
use api_types::{Major, names, roles};
use blueprint::pg::parameters::recorded_mark;
use blueprint::{
    LiveFacts, MemberTls, MembersTls, TlsMaterial, TlsPhase, postgres_port, recorded_phase, secret_text,
};
use k8s_openapi::api::core::v1::Pod;

use crate::decide::{auth, parameters, slots};
use crate::health::{Candidate, Login, PatroniAccess, Target, Targets};
use crate::plan::Plan;
use crate::world::{SecretFacts, Secrets, Version, World, is_ready};

/// KubeDB's default of every number in `spec.healthChecker` but the threshold.
const DEFAULT_SECONDS: i32 = 10;

/// What to check; `None` while there is nothing to check or no way in.
pub fn targets(world: &World, plan: &Plan) -> Option<Targets> {
    let Secrets::Read(secrets) = &world.secrets else {
        return None;
    };
    if !plan.checks_health || world.is_deleting() && world.pods.is_empty() {
        return None;
    }
    let pet_set = world.pet_set()?;
    let checker = world.postgres.spec.health_checker.clone().unwrap_or_default();
    let service = world.service(world.name());
    let service = service.and_then(|service| {
        let address = service.spec.as_ref()?.cluster_ip.as_deref()?.parse().ok()?;
        Some((address, postgres_port(service)?))
    });
    Some(Targets {
        database: world.key(),
        members: world.pods.iter().filter_map(|pod| target(world, pod)).collect(),
        replicas: usize::try_from(pet_set.spec.replicas.unwrap_or(1)).unwrap_or(1),
        service,
        major: major(world),
        volume_bytes: LiveFacts::from_pet_set(Some(pet_set))
            .volume
            .and_then(|bytes| u64::try_from(bytes).ok()),
        service_host: format!("{}.{}.svc", world.name(), world.namespace()),
        login: login(world, secrets)?,
        roles: world
            .config_secret()
            .and_then(MemberTls::of_config)
            .map(|given| given.roles.digest()),
        candidate: auth::to_try(world, secrets).map(|it| Candidate {
            username: it.username.to_owned(),
            password: it.password.to_owned(),
        }),
        period: seconds(checker.period_seconds),
        timeout: seconds(checker.timeout_seconds),
        threshold: checker
            .failure_threshold
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(1)
            .max(1),
        write_check: checker.disable_write_check != Some(true),
        unsettled: is_unsettled(world, plan),
        configuration: world
            .config_secret()
            .filter(|_| plan.acts_on_spec)
            .and_then(recorded_mark),
        patroni: patroni(world, secrets),
        kept_slots: slots::kept(world),
        left_slots: slots::left(world),
        renewal: plan.renewal.clone(),
    })
}

fn major(world: &World) -> Option<Major> {
    match &world.version {
        Version::Found(version) => version.spec.major(),
        Version::Unknown { .. } => None,
    }
}

fn seconds(configured: Option<i32>) -> Duration {
    let seconds = configured
        .filter(|seconds| *seconds > 0)
        .unwrap_or(DEFAULT_SECONDS);
    Duration::from_secs(seconds.unsigned_abs().into())
}

fn target(world: &World, pod: &Pod) -> Option<Target> {
    let name = pod.metadata.name.clone()?;
    let role = pod
        .metadata
        .labels
        .as_ref()
        .and_then(|labels| labels.get(ROLE_LABEL));
    let address = pod
        .status
        .as_ref()
        .and_then(|status| status.pod_ip.as_deref()?.parse().ok());
    Some(Target {
        host: names::member_host(world.name(), world.namespace(), &name),
        address,
        is_labelled_primary: role.is_some_and(|role| role == ROLE_PRIMARY),
        is_ready: is_ready(pod),
        pod: name,
    })
}

/// The operators' certificate, and which one the members have: they read it again once they get a request.
fn patroni(world: &World, secrets: &SecretFacts) -> Option<PatroniAccess> {
    let issued = MembersTls::of_secret(secrets.members_tls.as_ref()?)?;
    let given = world.config_secret().and_then(MemberTls::of_config);
    Some(PatroniAccess {
        ca: issued.ca,
        identity: issued.operator,
        served: given.and_then(|given| given.fingerprint()),
    })
}

fn login(world: &World, secrets: &SecretFacts) -> Option<Login> {
    let issued = MembersTls::of_secret(secrets.members_tls.as_ref()?)?;
    let config = world.config_secret()?;
    // What members are given, not what was issued since: they may not know its CA yet.
    let material = TlsMaterial::of_config(config);
    let client = material.get(CertificateAlias::Client);
    Some(Login {
        username: roles::OPERATOR.to_owned(),
        password: issued.roles.operator.password,
        phase: recorded_phase(&config.metadata).unwrap_or(TlsPhase::Off),
        trust: secret_text(config, TRUST_CRT).unwrap_or_default().to_owned(),
        client: client.map(|pair| (pair.certificate.clone(), pair.key.clone())),
    })
}

/// Whether news may come any second: it is not ready, it is paused, or members have to read new files.
fn is_unsettled(world: &World, plan: &Plan) -> bool {
    let ready = api_types::condition::is_true(world.conditions(), types::READY);
    let serving_old = plan.renewal.as_ref().is_some_and(|renewal| {
        let members = world.health.iter().flat_map(|report| report.members.values());
        let mut missed =
            members.map(|member| renewal.is_missed_by(member.served.as_ref(), member.trusted.as_ref()));
        missed.any(|missed| missed)
    });
    let reading = !parameters::unread(world).is_empty();
    !ready
        || reading
        || world.paused_by().is_some()
        || serving_old
        || world.pods.iter().any(|pod| !is_ready(pod))
}
