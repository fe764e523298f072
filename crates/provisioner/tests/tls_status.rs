//! What the status tells of TLS.

mod world;

use std::sync::Arc;

use api_types::postgres::TlsMode;
use jiff::SignedDuration;
use provisioner::decide::decide;
use provisioner::health::{Member, Served};
use provisioner::world::{Secrets, World};
use serde_json::json;
use world::*;

#[test]
fn the_status_tells_how_clients_are_served_and_until_when() {
    let status = |world: &World| {
        world
            .postgres
            .status
            .as_ref()
            .and_then(|status| status.tls.clone())
    };
    let plain = status(&running(json!({}))).expect("a status");
    assert_eq!((plain.mode, plain.earliest_expiry), (TlsMode::Disabled, None));

    let mut world = running(tls());
    let given = status(&world).expect("a status");
    assert_eq!(given.mode, TlsMode::Required);
    let end = given.earliest_expiry.clone().expect("an end").0;
    assert!(end > world.now, "{end}");

    // A member that still serves a certificate that ends sooner counts.
    let sooner = end - SignedDuration::from_hours(1);
    let member = Member {
        served: Some(Served {
            fingerprint: "old".into(),
            not_after: sooner,
        }),
        ..Member::default()
    };
    let mut report = world.health.as_deref().cloned().expect("a report");
    report.members.insert("pg-1".into(), member);
    world.health = Some(Arc::new(report));
    let told = status(&reported(world.clone(), &decide(&world))).expect("a status");
    assert_eq!(told.earliest_expiry.map(|time| time.0), Some(sooner));

    // What can't be looked at stays as it was told.
    world.secrets = Secrets::Denied;
    assert_eq!(status(&reported(world.clone(), &decide(&world))), Some(given));
}
