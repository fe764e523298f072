//! Services whose address the spec changes: Kubernetes never changes the address of a Service that exists, and refuses all
//! else that is applied with it.

use api_types::names;
use api_types::reported::postgres::reasons;
use k8s_openapi::api::core::v1::Service;

use crate::child::Child;
use crate::decide::Refusal;
use crate::world::World;

const HEADLESS: &str = "None";

/// The Services that keep another address than that of the spec, and what to do about it.
pub fn held(world: &World, wanted: &[Child]) -> Vec<(String, Refusal)> {
    let services = wanted.iter().filter_map(|child| match child {
        Child::Service(service) => Some(service),
        _ => None,
    });
    services
        .filter_map(|service| {
            let name = service.metadata.name.clone()?;
            let alias = alias(world, &name)?;
            let kept = other_address(service, world.service(&name)?)?;
            let message = refusal(world, &name, alias, kept);
            Some((name, Refusal::new(reasons::INVALID_SPEC, message)))
        })
        .collect()
}

/// The live Service's address, when the wanted one has another.
fn other_address<'a>(wanted: &Service, live: &'a Service) -> Option<&'a str> {
    let address = |service: &'a Service| service.spec.as_ref()?.cluster_ip.as_deref();
    let live = address(live).filter(|address| !address.is_empty())?;
    let wanted = wanted.spec.as_ref()?.cluster_ip.as_deref();
    match wanted.filter(|address| !address.is_empty()) {
        Some(wanted) => (wanted != live).then_some(live),
        // When the spec sets none, any address is good, but a headless Service stays headless.
        None => (live == HEADLESS).then_some(live),
    }
}

/// The template of a Service; `None` for one that users do not change.
fn alias(world: &World, name: &str) -> Option<&'static str> {
    let db = world.name();
    let templates = [
        (db.to_owned(), "primary"),
        (names::standby_service(db), "standby"),
        (names::stats_service(db), "stats"),
    ];
    templates
        .into_iter()
        .find(|(known, _)| known == name)
        .map(|(_, alias)| alias)
}

fn refusal(world: &World, name: &str, alias: &str, kept: &str) -> String {
    let kept = if kept == HEADLESS { "no address" } else { kept };
    format!(
        "spec.serviceTemplates[{alias}].spec.clusterIP: the Service {name} has {kept}, which Kubernetes does not change. Write the old value back, or delete the Service (kubectl delete service {name} -n {}), and it is made again as the spec says",
        world.namespace()
    )
}
