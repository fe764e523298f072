//! What a user changed in the spec of a running database that a PostgresOpsRequest has to carry out.
//!
//! The running state is read from the live children, never remembered. Until a database was ready for the first time,
//! and while it is down, everything follows the spec at once.

use api_types::reported::postgres::reasons;
use api_types::tls::{ClientAuthMode, SslMode};
use api_types::vocabulary::PATRONI_YML;
use blueprint::{Resolved, TlsPhase, database_image, recorded_phase, secret_text};

use crate::child::Child;
use crate::decide::{Refusal, deployed};
use crate::world::World;

/// Whether running members keep their settings when the spec has others.
pub fn may_hold(world: &World) -> bool {
    world.is_provisioned() && world.pet_set().is_some()
}

/// Why the children that carry TLS and version are not changed; `None` when they may follow the spec.
pub fn held(world: &World, resolved: &Resolved) -> Option<Refusal> {
    if !may_hold(world) {
        return None;
    }
    version(world, resolved).or_else(|| tls(world, resolved))
}

/// Running members beyond `spec.replicas`: how many run, and what is reported. One that leaves may be the primary, or
/// the only one with the latest rows, so an operation checks that. Nothing else in the spec waits for it.
pub fn leaving(world: &World, resolved: &Resolved) -> Option<(i32, Refusal)> {
    let (running, wanted) = (with_data(world)?, resolved.replicas);
    (world.is_provisioned() && wanted < running).then(|| {
        let message = format!(
            "spec.replicas asks for {wanted} members, {running} run. ops-manager makes a PostgresOpsRequest of type HorizontalScaling for it, which moves the primary to a member that stays before others leave; if that request failed, it says why, and the members go on as they are",
        );
        (running, Refusal::new(reasons::HORIZONTAL_SCALING_NEEDED, message))
    })
}

/// How many members have the data, also while the database is down: when it was taken down, any of them may have been the
/// primary, or the only one with the latest rows.
fn with_data(world: &World) -> Option<i32> {
    match world.pet_set() {
        Some(pet_set) => pet_set.spec.replicas,
        None if deployed::has_data(world) => world.postgres.deployed()?.replicas,
        None => None,
    }
}

/// Whether a child is not changed while something is held: every child that tells members or clients about TLS or
/// version.
pub fn holds(child: &Child) -> bool {
    matches!(
        child,
        Child::Secret(_) | Child::Certificate(_) | Child::PetSet(_) | Child::AppBinding(_)
    )
}

fn version(world: &World, resolved: &Resolved) -> Option<Refusal> {
    let running = database_image(world.pet_set()?)?;
    if running == resolved.image {
        return None;
    }
    let message = deployed::held_while_running(world, resolved, running);
    Some(Refusal::new(reasons::UPDATE_VERSION_NEEDED, message))
}

fn tls(world: &World, resolved: &Resolved) -> Option<Refusal> {
    let difference = phase(world, resolved)
        .or_else(|| ssl_mode(world, resolved))
        .or_else(|| client_auth_mode(world, resolved))
        .or_else(|| issuer(world, resolved))?;
    let message = format!(
        "{difference}. Create a PostgresOpsRequest of type ReconfigureTLS, or write the old value back; the members go on as they are",
    );
    Some(Refusal::new(reasons::RECONFIGURE_TLS_NEEDED, message))
}

fn phase(world: &World, resolved: &Resolved) -> Option<String> {
    let running = recorded_phase(&world.config_secret()?.metadata)?;
    (running != resolved.tls.phase).then(|| {
        let says = |phase| {
            if phase == TlsPhase::Off {
                "without TLS"
            } else {
                "with TLS"
            }
        };
        format!(
            "spec.tls asks for members {}, they run {} (phase {running})",
            says(resolved.tls.phase),
            says(running)
        )
    })
}

/// The AppBinding publishes the mode to clients, so it is the record of it.
fn ssl_mode(world: &World, resolved: &Resolved) -> Option<String> {
    let query = world
        .app_binding()?
        .spec
        .client_config
        .service
        .as_ref()?
        .query
        .as_deref()?;
    let running = query.split('&').find_map(|pair| pair.strip_prefix("sslmode="))?;
    (running != SslMode::as_str(resolved.ssl_mode)).then(|| {
        format!(
            "spec.sslMode asks for {}, the members run {running}",
            resolved.ssl_mode.as_str()
        )
    })
}

fn client_auth_mode(world: &World, resolved: &Resolved) -> Option<String> {
    let running = recorded_auth_mode(secret_text(world.config_secret()?, PATRONI_YML)?)?;
    (running != resolved.client_auth_mode).then(|| {
        let (wanted, running) = (resolved.client_auth_mode.as_str(), running.as_str());
        format!("spec.clientAuthMode asks for {wanted}, the members run {running}")
    })
}

/// The authentication mode of a live Patroni configuration: the method of its `pg_hba` line for everybody.
pub fn recorded_auth_mode(patroni_yml: &str) -> Option<ClientAuthMode> {
    let method = |line: &str| {
        let bare = line
            .trim()
            .trim_start_matches("- ")
            .trim_matches(['\'', '"', ',']);
        let words: Vec<&str> = bare.split_whitespace().collect();
        match words.as_slice() {
            ["host" | "hostssl", "all", "all", "0.0.0.0/0" | "all", method, ..] => match *method {
                "md5" => Some(ClientAuthMode::Md5),
                "scram-sha-256" => Some(ClientAuthMode::Scram),
                "cert" => Some(ClientAuthMode::Cert),
                _ => None,
            },
            _ => None,
        }
    };
    patroni_yml.lines().find_map(method)
}

fn issuer(world: &World, resolved: &Resolved) -> Option<String> {
    blueprint::certificates(resolved)
        .into_iter()
        .find_map(|(alias, wanted)| {
            let live = world.certificate(wanted.metadata.name.as_deref()?)?;
            let (now, then) = (&wanted.spec, &live.spec);
            if now.issuer_ref == then.issuer_ref && now.secret_name == then.secret_name {
                return None;
            }
            let describe = |spec: &api_types::cert_manager::CertificateSpec| {
                let kind = spec.issuer_ref.kind.as_deref().unwrap_or("Issuer");
                format!("{kind} {} in Secret {}", spec.issuer_ref.name, spec.secret_name)
            };
            Some(format!(
                "spec.tls asks for a {} certificate of {}, the members have one of {}",
                alias.as_str(),
                describe(now),
                describe(then)
            ))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_for_everybody_tells_the_mode() {
        let conf = "postgresql:\n  pg_hba:\n  - local all all trust\n  - hostssl all all 127.0.0.1/32 md5\n  - hostssl all all 0.0.0.0/0 scram-sha-256\n";
        assert_eq!(recorded_auth_mode(conf), Some(ClientAuthMode::Scram));
        assert_eq!(
            recorded_auth_mode("\"host all all 0.0.0.0/0 md5\",\n"),
            Some(ClientAuthMode::Md5)
        );
        assert_eq!(recorded_auth_mode("- host replication all 0.0.0.0/0 md5"), None);
        assert_eq!(
            recorded_auth_mode("- 'hostssl all all 0.0.0.0/0 cert clientcert=verify-full'"),
            Some(ClientAuthMode::Cert)
        );
    }
}
