//! The internal CA of a database: what is issued when, who gets which part of it, and that nobody is locked out meanwhile.

mod world;

use blueprint::{MemberTls, MembersTls};
use instance::{CertificateFacts, PatroniTls, chain_of_pem, facts_of_pem, judge_client, judge_server};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Secret;
use provisioner::decide::decide;
use provisioner::decide::targets::targets;
use provisioner::members_tls::CaOrder;
use provisioner::plan::{Action, Plan};
use provisioner::world::{Version, World};
use serde_json::json;
use world::*;

const HOST: &str = "pg-1.pg-pods.shop.svc";

fn order(plan: &Plan) -> Option<CaOrder> {
    plan.actions.iter().find_map(|action| match action {
        Action::IssueMembersTls(order) => Some(order.ca.clone()),
        _ => None,
    })
}

fn issued(world: &World) -> MembersTls {
    let mut world = world.clone();
    let secret = secrets_of(&mut world).members_tls.take();
    MembersTls::of_secret(&secret.expect("a Secret")).expect("all of it")
}

fn given(world: &World) -> MemberTls {
    MemberTls::of_config(world.config_secret().expect("a config Secret")).expect("a member's part")
}

fn facts(pem: &str) -> CertificateFacts {
    facts_of_pem(pem.as_bytes()).expect("a certificate")
}

/// Whether a client that trusts these CAs accepts the certificate as a member's.
fn accepts_member(ca: &str, identity: &str, now: Timestamp) -> bool {
    let chain = chain_of_pem(identity.as_bytes()).expect("a chain");
    let judged = judge_server(&chain, ca.as_bytes(), Some(HOST), now).expect("PEM");
    judged.is_ok() && accepts_client(ca, identity, now)
}

fn accepts_client(ca: &str, identity: &str, now: Timestamp) -> bool {
    let chain = chain_of_pem(identity.as_bytes()).expect("a chain");
    judge_client(&chain, ca.as_bytes(), now).expect("PEM").is_ok()
}

fn later(mut world: World, days: i64) -> World {
    world.now += SignedDuration::from_hours(24 * days);
    world
}

/// The world after everything that is decided was done.
fn passes(mut world: World) -> World {
    for _ in 0..3 {
        let plan = decide(&world);
        world = reported(applied(world, &plan), &plan);
    }
    world
}

#[test]
fn members_wait_for_their_certificate_and_nothing_else_does() {
    let mut world = fresh(json!({}));
    secrets_of(&mut world).members_tls = None;
    let plan = decide(&world);
    let done = actions(&plan);
    assert!(
        done.contains(&"issue for members: a new CA".to_owned()),
        "{done:?}"
    );
    assert!(done.contains(&"apply Service pg".to_owned()), "{done:?}");
    let waits = |kind: &str| !done.iter().any(|it| it.starts_with(&format!("apply {kind}")));
    assert!(
        waits("Secret") && waits("PetSet") && waits("AppBinding"),
        "{done:?}"
    );
    assert!(plan.look_again.expect("a time").as_millis() < 100);

    let world = applied(world, &plan);
    let plan = decide(&world);
    assert_eq!(order(&plan), None);
    assert!(actions(&plan).contains(&"apply PetSet pg".to_owned()));
    assert_eq!(given(&applied(world.clone(), &plan)), issued(&world).of_member());
}

#[test]
fn the_certificates_are_for_those_who_show_them() {
    let world = fresh(json!({}));
    let issued = issued(&world);
    assert!(accepts_member(&issued.ca, &issued.member, world.now));
    assert!(accepts_client(&issued.ca, &issued.operator, world.now));
    assert!(
        !accepts_member(&issued.ca, &issued.operator, world.now),
        "no server"
    );
    PatroniTls::from_pem(issued.ca.as_bytes(), issued.operator.as_bytes()).expect("a way to call Patroni");
    let member = facts(&issued.member);
    assert_eq!(member.dns_names, ["*.pg-pods.shop.svc", "localhost"]);
    assert!(member.not_before < world.now, "clocks may be behind");
}

#[test]
fn no_pod_has_the_key_of_the_ca_or_of_the_operators() {
    let world = running(json!({}));
    let issued = issued(&world);
    let config = world.config_secret().expect("a config Secret");
    let texts: Vec<String> = config
        .data
        .iter()
        .flatten()
        .map(|(_, value)| String::from_utf8_lossy(&value.0).into_owned())
        .collect();
    let key_of = |identity: &str| {
        identity
            .split_once("-----BEGIN PRIVATE KEY-----")
            .expect("a key")
            .1
            .to_owned()
    };
    assert!(texts.iter().any(|text| text.contains(&key_of(&issued.member))));
    for secret in [key_of(&issued.operator), key_of(&issued.ca_key)] {
        assert!(!texts.iter().any(|text| text.contains(&secret)));
    }
}

#[test]
fn certificates_are_renewed_when_half_of_their_life_is_over() {
    let world = running(json!({}));
    for (days, renews) in [
        (0, false),
        (300, false),
        (360, false),
        (370, true),
        (700, true),
        (900, true),
    ] {
        let plan = decide(&later(world.clone(), days));
        let keeps = matches!(order(&plan), Some(CaOrder::Keep { .. }));
        assert_eq!(keeps, renews, "after {days} days: {:?}", order(&plan));
    }
    let renewed = passes(later(world.clone(), 400));
    let (before, after) = (issued(&world), issued(&renewed));
    assert_eq!((&before.ca, &before.ca_key), (&after.ca, &after.ca_key));
    // Patroni reads a certificate with another serial number only.
    assert_ne!(facts(&before.member).serial, facts(&after.member).serial);
    assert_eq!(given(&renewed), after.of_member());
    assert_eq!(order(&decide(&renewed)), None, "once");
}

/// Two generations of everybody meet while members read their files one by one.
#[test]
fn for_thirty_years_nobody_is_locked_out() {
    let mut world = running(json!({}));
    let first = issued(&world);
    let mut renewed_ca = 0;
    for _ in 0..100 {
        let before = issued(&world);
        world = passes(later(world, 110));
        let after = issued(&world);
        let now = world.now;
        for (trusting, shown) in [(&before, &after), (&after, &before), (&after, &after)] {
            assert!(accepts_member(&trusting.ca, &shown.member, now), "{now}");
            assert!(accepts_client(&trusting.ca, &shown.operator, now), "{now}");
        }
        assert!(
            facts(&after.member).not_after <= facts(&after.ca).not_after,
            "{now}"
        );
        renewed_ca += usize::from(before.ca != after.ca);
    }
    assert_eq!(issued(&world).ca_key, first.ca_key);
    assert!((3..=6).contains(&renewed_ca), "{renewed_ca}");
}

#[test]
fn a_lost_secret_is_made_again_and_the_operators_still_get_in() {
    let mut world = running(json!({}));
    let before = issued(&world);
    secrets_of(&mut world).members_tls = None;
    assert_eq!(order(&decide(&world)), Some(CaOrder::New));
    let world = passes(world);
    let after = issued(&world);
    assert_ne!(before.ca_key, after.ca_key);
    assert_ne!(facts(&before.ca).subject, facts(&after.ca).subject);
    // A member that has read nothing yet accepts the operators, and is accepted by them; so is one that has.
    assert!(accepts_client(&before.ca, &after.operator, world.now));
    assert!(accepts_member(&after.ca, &before.member, world.now));
    assert!(accepts_client(&given(&world).ca, &after.operator, world.now));
    assert!(accepts_member(&after.ca, &given(&world).identity, world.now));
    assert_ne!(given(&world).identity, before.member);

    let world = passes(later(world, 400));
    let last = issued(&world);
    assert!(accepts_client(&given(&world).ca, &last.operator, world.now));
    assert!(
        !accepts_member(&last.ca, &before.member, world.now),
        "the former CA is gone"
    );
}

/// Something that happens to a Secret.
type Damage<'a> = &'a dyn Fn(&mut Secret);

#[test]
fn a_damaged_secret_is_as_good_as_none() {
    let other = {
        let mut world = fresh(json!({}));
        secrets_of(&mut world).members_tls = None;
        let plan = decide(&world);
        let mut world = applied(world, &plan);
        secrets_of(&mut world).members_tls.take().expect("a Secret")
    };
    for key in ["ca.crt", "ca.key", "member.pem", "operator.pem"] {
        let damages: [(&str, Damage<'_>); 3] = [
            ("absent", &|secret| {
                drop(secret.data.as_mut().expect("data").remove(key))
            }),
            ("garbage", &|secret| {
                secret.data.as_mut().expect("data").get_mut(key).expect("it").0 = b"garbage".to_vec();
            }),
            ("another database's", &|secret| {
                let theirs = other.data.as_ref().expect("data")[key].clone();
                secret.data.as_mut().expect("data").insert(key.to_owned(), theirs);
            }),
        ];
        for (how, damage) in damages {
            let mut world = running(json!({}));
            damage(secrets_of(&mut world).members_tls.as_mut().expect("a Secret"));
            assert_eq!(order(&decide(&world)), Some(CaOrder::New), "{key} is {how}");
            assert_eq!(order(&decide(&passes(world))), None, "{key} is {how}");
        }
    }
}

#[test]
fn somebody_elses_secret_of_that_name_is_left_alone() {
    let theirs = secret("pg-members-tls", &[("note", "mine")]);
    let mut world = fresh(json!({}));
    secrets_of(&mut world).members_tls = Some(theirs.clone());
    let plan = decide(&world);
    assert_eq!(order(&plan), None);
    assert!(!actions(&plan).contains(&"apply PetSet pg".to_owned()));
    let (_, reason, message) = set(&plan, "Ready").expect("a condition");
    assert_eq!(reason, "NameTaken");
    assert!(message.contains("Secret pg-members-tls has a name"), "{message}");

    let mut world = running(json!({}));
    let before = given(&world);
    secrets_of(&mut world).members_tls = Some(theirs);
    let plan = decide(&world);
    assert_eq!(order(&plan), None);
    assert_eq!(set(&plan, "SpecApplied").expect("a condition").1, "NameTaken");
    assert_eq!(given(&applied(world, &plan)), before, "members go on");
}

#[test]
fn a_secret_that_goes_with_an_earlier_database_is_waited_for() {
    let mut world = fresh(json!({}));
    let secret = secrets_of(&mut world).members_tls.as_mut().expect("a Secret");
    let owners = secret.metadata.owner_references.as_mut().expect("owners");
    owners[0].uid = "earlier".into();
    let plan = decide(&world);
    assert_eq!(order(&plan), None);
    assert!(!actions(&plan).contains(&"apply PetSet pg".to_owned()));
    assert!(plan.look_again.expect("a time").as_secs() <= 1);
    secrets_of(&mut world).members_tls = None;
    assert_eq!(order(&decide(&world)), Some(CaOrder::New));
}

#[test]
fn an_edit_that_waits_keeps_no_certificate_from_being_renewed() {
    let mut refused = running(json!({}));
    refused.version = Version::Unknown { known: Vec::new() };
    for (what, edited) in [
        (
            "held",
            edit(running(json!({})), |spec| {
                spec.tls = serde_json::from_value(tls()["tls"].clone()).ok();
            }),
        ),
        ("refused", refused),
        ("held with TLS", edit(running(tls()), |spec| spec.tls = None)),
    ] {
        let world = later(edited, 400);
        let before = given(&world);
        let world = passes(world);
        assert_ne!(given(&world), before, "{what}");
        assert_eq!(given(&world), issued(&world).of_member(), "{what}");
        let applied = condition(&world, "SpecApplied").expect("a condition");
        assert_eq!(applied.status, "False", "{what}");
    }
}

#[test]
fn nothing_is_issued_for_a_database_that_is_not_made() {
    let mut world = fresh(json!({}));
    world.version = Version::Unknown { known: Vec::new() };
    secrets_of(&mut world).members_tls = None;
    assert_eq!(order(&decide(&world)), None);
    let mut world = delete(running(json!({})));
    secrets_of(&mut world).members_tls = None;
    assert_eq!(order(&decide(&world)), None, "it goes");
    let world = later(pause(running(json!({})), "alice"), 400);
    assert_eq!(order(&decide(&world)), None, "somebody holds the pause");
}

/// The operation calls members, and gives them what was issued; the provisioner keeps off all else.
#[test]
fn an_operation_gets_back_what_was_lost_under_it() {
    let world = pause(running(json!({})), "restart/0b3c1111-2222-4333-8444-55550aeba1da");
    let world = reported(world.clone(), &decide(&world));
    assert_eq!(
        order(&decide(&later(world.clone(), 400))),
        None,
        "a renewal waits"
    );
    let before = issued(&world);
    let mut world = world;
    secrets_of(&mut world).members_tls = None;
    let plan = decide(&world);
    assert_eq!(actions(&plan), ["issue for members: a new CA"]);
    let world = applied(world, &plan);
    assert!(accepts_client(&before.ca, &issued(&world).operator, world.now));
    assert!(actions(&decide(&world)).is_empty());
}

/// Members are asked to read what they were given, not what was issued since.
#[test]
fn the_health_check_calls_patroni_as_the_operators_do() {
    let world = later(running(json!({})), 400);
    let plan = decide(&world);
    let access = targets(&world, &plan)
        .expect("targets")
        .patroni
        .expect("a way in");
    assert_eq!(access.identity, issued(&world).operator);
    assert_eq!(access.served, given(&world).fingerprint());
    let renewed = passes(world);
    let access = targets(&renewed, &decide(&renewed))
        .expect("targets")
        .patroni
        .expect("a way in");
    assert_eq!(
        access.served.as_deref(),
        Some(facts(&issued(&renewed).member).fingerprint.as_str())
    );
}
