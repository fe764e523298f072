//! What clients are given to trust: in the AppBinding, and in the Secret of the client certificate.

use api_types::tls::CertificateAlias;
use blueprint::{CaBundle, Resolved};

use crate::effect::Effect;
use crate::moves::children::{self, RenderedState};
use crate::step::StepResult;
use crate::tls::effect::TlsEffect;
use crate::tls::world as tls_world;
use crate::world::{Observed, World};

/// Publishes to clients what this state wants them to know.
pub fn published_effects(world: &World, state: &RenderedState) -> StepResult<Vec<Effect>> {
    let mut effects = children::app_binding_effects(world, state)?;
    effects.extend(client_ca_effects(
        world,
        &state.resolved,
        &state.resolved.tls.trust,
    )?);
    Ok(effects)
}

/// Lets clients find these CAs in the Secret of the client certificate, whatever cert-manager has written there since. While
/// TLS is being removed, the Secret is not changed.
pub fn client_ca_effects(
    world: &World,
    resolved: &Resolved,
    needed: &CaBundle,
) -> StepResult<Option<Effect>> {
    if needed.is_empty() || resolved.tls.removing_tls {
        return Ok(None);
    }
    let secret = resolved.certificate_secret(CertificateAlias::Client);
    let issued = match tls_world::of(world)?.secrets.get(&secret) {
        None | Some(Observed::Absent) => return Ok(None),
        Some(other) => other.require(&format!("Secret {secret}"))?,
    };
    let own = issued.pair.as_ref().map(|pair| CaBundle::from_pem(&pair.ca));
    let Some(Ok(own)) = own else {
        return Ok(None);
    };
    let needed = needed.clone();
    Ok((issued.shown_ca != blueprint::client_ca(&own, &needed))
        .then(|| TlsEffect::PublishCa { secret, needed }.into()))
}
