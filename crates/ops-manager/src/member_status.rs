//! What each member was observed to be, for the status of a request. Pure.

use api_types::ops_request::{MemberTlsStatus, ServedCertificate};
use api_types::tls::CertificateAlias;
use api_types::vocabulary::{ROLE_PRIMARY, ROLE_STANDBY};
use blueprint::KeyPair;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::operation::Operation;
use crate::world::{Member, ServedLeaf, World};

/// What every member was seen to serve, for the request's status. A time stays as long as nothing else changes.
pub fn observed(
    op: &Operation,
    world: &World,
    before: &[MemberTlsStatus],
    now: Timestamp,
) -> Vec<MemberTlsStatus> {
    if world.members().is_empty() {
        return before.to_vec();
    }
    let wanted = world.config.present().and_then(|config| {
        let server = config.material.get(CertificateAlias::Server)?;
        KeyPair::fingerprint(server)
    });
    let status = |(pod, member): (&String, &Member)| {
        let known = before.iter().find(|known| known.name == *pod);
        let Some(probe) = member.probe.present() else {
            return known.cloned();
        };
        let served = probe.served.as_ref();
        let seen = MemberTlsStatus {
            name: pod.clone(),
            role: role(world, pod).or_else(|| known.and_then(|known| known.role.clone())),
            served: served.map(certificate),
            matches_secret: served.map(|served| Some(&served.fingerprint) == wanted.as_ref()),
            plaintext: probe
                .plaintext
                .or_else(|| known.and_then(|known| known.plaintext)),
            restart_reason: op.progress.restart_reasons.get(pod).cloned(),
            seen_at: Time(whole_seconds(now)),
        };
        Some(match known {
            Some(known) if same(known, &seen) => known.clone(),
            _ => seen,
        })
    };
    world.members().iter().filter_map(status).collect()
}

/// `primary` or `standby`; unknown while no member is known to lead.
pub fn role(world: &World, pod: &str) -> Option<String> {
    let leader = world.leader()?;
    let role = if leader == pod { ROLE_PRIMARY } else { ROLE_STANDBY };
    Some(role.to_owned())
}

fn certificate(served: &ServedLeaf) -> ServedCertificate {
    ServedCertificate {
        fingerprint: served.fingerprint.clone(),
        issuer: served.issuer.clone(),
        serial: served.serial.clone(),
        not_after: Time(served.not_after),
        protocol: served.protocol.clone(),
    }
}

fn same(known: &MemberTlsStatus, seen: &MemberTlsStatus) -> bool {
    let seen = MemberTlsStatus {
        seen_at: known.seen_at.clone(),
        ..seen.clone()
    };
    *known == seen
}

/// As the API keeps times.
pub fn whole_seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}
