//! Whether a `ReconfigureTLS` can be carried out on the current database, and what it would change. Pure.

use api_types::ops_request::{TlsPlan, TlsRequest, TlsSettings};
use api_types::tls::IssuerRef;
use jiff::SignedDuration;

use super::target::{self, CurrentSettings, Target};
use crate::admit::{self, Admission, reasons};
use crate::moves::children::{self, effective_settings};
use crate::request_type::Proposal;
use crate::world::{IssuerState, Observed, World};

/// How long an issuer may take to appear and become Ready: it may have been applied together with the request.
const ISSUER_GRACE: SignedDuration = SignedDuration::from_secs(15);

/// Fixes what the request changes into what.
///
/// # Errors
/// What happens to the request instead.
pub fn plan(request: &TlsRequest, proposal: &Proposal<'_>) -> Result<TlsPlan, Admission> {
    let world = proposal.world;
    let postgres = world.postgres.require("the Postgres").map_err(admit::wait_for)?;
    let version = match &world.version {
        Observed::Absent => {
            let name = &postgres.spec.version;
            return Err(Admission::Refuse(format!(
                "PostgresVersion {name}, which the Postgres names, does not exist"
            )));
        }
        other => other.require("the PostgresVersion").map_err(admit::wait_for)?,
    };
    let mut without_choice = postgres.clone();
    without_choice.spec.client_auth_mode = None;
    let (_, default_auth) = blueprint::effective_defaults(&without_choice, version);
    let spec = TlsSettings::of(&postgres.spec);
    let effective = effective_settings(world).map_err(admit::wait_for)?;
    let found = CurrentSettings {
        spec: &spec,
        effective: &effective,
        default_auth,
    };
    let plan = match target::plan(request, found) {
        Ok(Target::Change(plan)) => *plan,
        Ok(Target::Nothing(why)) => return Err(Admission::NothingToDo(why)),
        Err(why) => return Err(Admission::Refuse(why)),
    };
    if plan.after.tls.is_some() {
        issuers_are_ready(&plan, proposal)?;
    }
    can_be_built(&plan, world)?;
    Ok(plan)
}

fn issuers_are_ready(plan: &TlsPlan, proposal: &Proposal<'_>) -> Result<(), Admission> {
    let Proposal { request, world, now } = proposal;
    let Some(tls) = &plan.after.tls else { return Ok(()) };
    if tls.issuer_ref.is_none() {
        return Err(Admission::Refuse(
            "the Postgres has spec.tls without issuerRef; set spec.tls.issuerRef in the request".into(),
        ));
    }
    let asked = tls.issuer_ref.iter().chain(
        tls.certificates
            .iter()
            .filter_map(|certificate| certificate.issuer_ref.as_ref()),
    );
    for issuer in asked {
        let state = world
            .issuers
            .iter()
            .find(|(known, _)| known.is_same_as(issuer))
            .map(|(_, state)| state);
        let Some(why) = issuer_trouble(issuer, state) else {
            continue;
        };
        let created = request
            .metadata
            .creation_timestamp
            .as_ref()
            .map_or(*now, |time| time.0);
        let unread = matches!(state, Some(Observed::Unknown(_)) | None);
        return Err(if unread || now.duration_since(created) < ISSUER_GRACE {
            admit::wait(reasons::DEPENDENCY, why)
        } else {
            Admission::Refuse(why)
        });
    }
    Ok(())
}

fn issuer_trouble(issuer: &IssuerRef, state: Option<&Observed<IssuerState>>) -> Option<String> {
    let name = format!("{} {}", issuer.kind, issuer.name);
    match state {
        None => Some(format!("{name} has not been looked for yet")),
        Some(Observed::Unknown(why)) => Some(format!("{name} could not be read: {why}")),
        Some(Observed::Absent) => Some(format!(
            "{name} does not exist; create it, or name another one in issuerRef (of the request, or of spec.tls of the Postgres if the \
             request names none), and create the request again if it has failed"
        )),
        Some(Observed::Present(state)) if !state.ready => Some(format!(
            "{name} is not Ready: {}; repair it, or name another one in issuerRef, and create the request again if it has failed",
            state.message
        )),
        Some(Observed::Present(_)) => None,
    }
}

/// A proposal that the blueprint refuses is refused before anything is touched.
fn can_be_built(plan: &TlsPlan, world: &World) -> Result<(), Admission> {
    admit::can_be_built(world, &children::with_tls(&plan.after)).map(drop)
}
