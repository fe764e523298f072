//! TLS in the status: how members serve clients, and when the first of their certificates ends.

use api_types::status::{TlsMode, TlsStatus};
use blueprint::{KeyPair, TlsMaterial, TlsPhase, recorded_phase};
use instance::facts_of_pem;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::world::{Secrets, World};

/// TLS as deployed to the members and as they serve it; the former status when that could not be observed.
pub fn observed(world: &World) -> Option<TlsStatus> {
    if matches!(world.secrets, Secrets::Denied) {
        return world.postgres.status.as_ref()?.tls.clone();
    }
    let config = world.config_secret()?;
    let mode = match recorded_phase(&config.metadata).unwrap_or(TlsPhase::Off) {
        TlsPhase::Off => TlsMode::Disabled,
        TlsPhase::Accept => TlsMode::Allowed,
        TlsPhase::Enforce => TlsMode::Required,
    };
    let deployed = TlsMaterial::of_config(config);
    let deployed = deployed.iter().filter_map(|(_, pair)| end_of(pair));
    let members = world.checked_members();
    let served = members.filter_map(|(_, member)| Some(member.served.as_ref()?.not_after));
    let earliest = deployed.chain(served).min().filter(|_| mode != TlsMode::Disabled);
    Some(TlsStatus {
        mode,
        earliest_expiry: earliest.map(Time),
    })
}

fn end_of(pair: &KeyPair) -> Option<Timestamp> {
    Some(facts_of_pem(pair.certificate.as_bytes()).ok()?.not_after)
}
