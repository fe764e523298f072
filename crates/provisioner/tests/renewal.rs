//! What is decided when cert-manager issues by itself: who is given what, and when.

mod world;

use std::collections::BTreeMap;

use api_types::postgres::conditions::ISSUER_CA_CHANGED;
use api_types::reported::postgres::events::CERTIFICATES_RENEWED;
use api_types::tls::CertificateAlias;
use k8s_openapi::ByteString;
use provisioner::decide::decide;
use provisioner::plan::{Action, Plan};
use provisioner::world::{Version, World};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, date_time_ymd};
use testkit::authority::Authority;
use world::*;

/// The server certificate as an issuer gives it again.
fn renew(world: &mut World, authority: &Authority) -> String {
    let renewed = certificate_secret(authority, &certificate(world, CertificateAlias::Server));
    let leaf = fingerprint(&renewed);
    secrets_of(world)
        .certificates
        .insert(CertificateAlias::Server, renewed);
    leaf
}

fn serving(mut world: World, members: &[(&str, &str)]) -> World {
    let served = |fingerprint: &str| provisioner::health::Member {
        served: Some(provisioner::health::Served {
            fingerprint: fingerprint.into(),
            not_after: jiff::Timestamp::UNIX_EPOCH,
        }),
        trusted: None,
        problem: None,
        sessions: None,
        ..provisioner::health::Member::default()
    };
    let mut report = provisioner::health::Report::clone(world.health.as_ref().expect("a report"));
    report.members = members
        .iter()
        .map(|(pod, leaf)| ((*pod).to_owned(), served(leaf)))
        .collect();
    world.health = Some(report.into());
    world
}

#[test]
fn a_renewed_certificate_goes_to_the_config_secret_then_touches_the_pods_that_serve_the_old_one() {
    let mut world = running(tls());
    let old = fingerprint(&secrets_of(&mut world).certificates[&CertificateAlias::Server]);
    let new = renew(&mut world, authority());
    let plan = decide(&world);
    assert_eq!(actions(&plan), ["apply Secret pg-bc1234"]);
    let told = |plan: &Plan| {
        let mut news = plan.news.iter();
        news.any(|it| it.reason == CERTIFICATES_RENEWED && it.note.ends_with("reload: server"))
    };
    assert!(told(&plan), "{:?}", plan.news);
    let asked = plan.renewal.as_ref().map(|renewal| renewal.fingerprint.as_str());
    assert_eq!(asked, Some(new.as_str()), "the agents bring the files meanwhile");

    let mut world = serving(applied(world, &plan), &[("pg-0", &old), ("pg-1", &new)]);
    let plan = decide(&world);
    assert_eq!(actions(&plan), ["touch pg-0"], "pg-2 could not be asked");
    assert!(!told(&plan), "once is enough");
    assert_eq!(
        plan.renewal.as_ref().map(|renewal| renewal.fingerprint.clone()),
        Some(new)
    );

    let Action::TouchPod { token, .. } = &plan.actions[0] else {
        panic!("a touch")
    };
    let annotations = world.pods[0].metadata.annotations.get_or_insert_default();
    annotations.insert("ops.kubedb.com/files-token".into(), token.clone());
    assert_eq!(actions(&decide(&world)), Vec::<String>::new(), "once is enough");
    assert!(decide(&pause(world, "x/y")).renewal.is_none(), "not while paused");
}

/// Every member serves this leaf and has loaded these CAs.
fn trusting(world: World, leaf: &str, trusted: &[&str]) -> World {
    let mut world = serving(world, &[("pg-0", leaf), ("pg-1", leaf), ("pg-2", leaf)]);
    let mut report = provisioner::health::Report::clone(world.health.as_ref().expect("a report"));
    for (member, pem) in report.members.values_mut().zip(trusted) {
        member.trusted = Some(blueprint::CaBundle::from_pem(pem).expect("PEM"));
    }
    world.health = Some(report.into());
    world
}

#[test]
fn a_certificate_of_a_new_ca_is_given_when_every_member_trusts_that_ca() {
    let given = |world: &World| blueprint::TlsMaterial::of_config(world.config_secret().unwrap());
    let trust = |world: &World| {
        let data = world.config_secret().unwrap().data.clone().unwrap();
        String::from_utf8(data["trust.crt"].0.clone()).unwrap()
    };
    let mut world = running(tls());
    let old_leaf = fingerprint(&secrets_of(&mut world).certificates[&CertificateAlias::Server]);
    let (before, old) = (given(&world), trust(&world));
    renew(&mut world, &Authority::new("another"));

    let plan = decide(&world);
    let world = applied(world, &plan);
    assert_eq!(
        actions(&plan),
        ["publish in cert", "apply Secret pg-bc1234", "apply AppBinding pg"]
    );
    let both = trust(&world);
    assert_eq!(both.matches("BEGIN").count(), 2, "both are trusted first");
    let clients = &secrets_of(&mut world.clone()).certificates[&CertificateAlias::Client].clone();
    assert_eq!(
        blueprint::shown_ca(clients).to_pem(),
        both,
        "and clients find both"
    );
    assert_eq!(given(&world), before);

    let world = trusting(world, &old_leaf, &[&both, &old, &both]);
    let plan = decide(&world);
    assert_eq!(actions(&plan), ["touch pg-1"], "one has not loaded it");
    assert!(plan.renewal.is_some_and(|renewal| renewal.trust.to_pem() == both));

    let plan = decide(&trusting(world.clone(), &old_leaf, &[&both, &both]));
    assert_eq!(
        actions(&plan),
        Vec::<String>::new(),
        "what one trusts is not known"
    );

    let world = trusting(world, &old_leaf, &[&both, &both, &both]);
    let plan = decide(&world);
    assert_eq!(actions(&plan), ["apply Secret pg-bc1234"]);
    let world = applied(world, &plan);
    assert_ne!(given(&world), before);
    assert_eq!(trust(&world), both, "only a request takes a CA away");
}

#[test]
fn a_bad_certificate_is_given_to_nobody_and_said_so() {
    let mut world = running(tls());
    let mut spec = certificate(&world, CertificateAlias::Server);
    spec.dns_names = vec!["elsewhere.example".into()];
    let bad = certificate_secret(authority(), &spec);
    secrets_of(&mut world)
        .certificates
        .insert(CertificateAlias::Server, bad);
    let plan = decide(&world);
    assert_eq!(actions(&plan), Vec::<String>::new());
    let (status, reason, message) = set(&plan, "SpecApplied").unwrap();
    assert!(!status && reason == "CertificateRefused", "{reason}");
    assert!(message.contains("it is not for pg"), "{message}");
}

/// Issuers whose certificates lock clients out: what is said of each.
fn issuers_that_lock_out() -> [(&'static str, Authority, &'static str); 3] {
    let ed25519 = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
    let over = |params: &mut CertificateParams| params.not_after = date_time_ymd(2021, 1, 1);
    [
        (
            "an intermediate that publishes no root",
            Authority::new("Root").intermediate("Issuing CA"),
            "append the root to tls.crt of its Secret",
        ),
        (
            "an Ed25519 key",
            Authority::with_key("Ed25519", ed25519, |_| {}),
            "no channel binding",
        ),
        (
            "a CA that is over",
            Authority::with("over", over),
            "renew the CA of the issuer",
        ),
    ]
}

fn issue_all(world: &mut World, authority: &Authority) {
    for alias in CertificateAlias::ALL {
        let secret = certificate_secret(authority, &certificate(world, alias));
        secrets_of(world).certificates.insert(alias, secret);
    }
}

#[test]
fn a_certificate_that_would_lock_clients_out_is_given_to_no_member() {
    for (what, authority, why) in issuers_that_lock_out() {
        let first = decide(&fresh(tls()));
        let mut new = applied(fresh(tls()), &first);
        issue_all(&mut new, &authority);
        let plan = decide(&new);
        let (status, reason, message) = set(&plan, "SpecApplied").expect("it says why");
        assert!(!status && reason == "CertificateRefused", "{what}: {reason}");
        assert!(
            message.contains(why) && message.contains("delete Secret"),
            "{what}: {message}"
        );
        let made = actions(&plan);
        assert!(
            !made.iter().any(|action| action.contains("PetSet")),
            "{what}: {made:?}"
        );

        let mut runs = running(tls());
        let before = runs.config_secret().unwrap().data.clone();
        issue_all(&mut runs, &authority);
        let plan = decide(&runs);
        let (_, reason, message) = set(&plan, "SpecApplied").expect("it says why");
        assert!(
            reason == "CertificateRefused" && message.contains(why),
            "{what}: {message}"
        );
        let runs = applied(runs, &plan);
        let after = runs.config_secret().unwrap().data.clone();
        let server =
            |data: &Option<BTreeMap<String, ByteString>>| data.as_ref().unwrap()["server.crt"].clone();
        assert_eq!(server(&after), server(&before), "{what}");
    }
}

#[test]
fn a_replaced_ca_is_told_before_a_certificate_is_renewed_with_it() {
    let mut world = running(tls());
    secrets_of(&mut world).issuing_ca = Some(authority().pem_text().to_owned());
    let plan = decide(&world);
    assert_eq!(set(&plan, ISSUER_CA_CHANGED), None);

    // Same name, other key.
    let other = Authority::new("ca");
    secrets_of(&mut world).issuing_ca = Some(other.pem_text().to_owned());
    let plan = decide(&world);
    let (status, reason, message) = set(&plan, ISSUER_CA_CHANGED).expect("a condition");
    assert!(status);
    assert_eq!(reason, ISSUER_CA_CHANGED);
    assert!(message.contains("rotateCertificates: true"), "{message}");
    assert!(
        plan.news
            .iter()
            .any(|news| news.reason == ISSUER_CA_CHANGED && news.warning)
    );
    assert_eq!(actions(&plan), [""; 0], "nothing is changed by itself");

    let mut world = reported(world, &plan);
    renew(&mut world, &other);
    let plan = decide(&world);
    assert!(removes(&plan, ISSUER_CA_CHANGED));
}

/// An edit that waits for a request, of TLS or of something else, or one that can't be followed at all.
#[test]
fn certificates_are_renewed_also_while_an_edit_of_the_spec_is_held_back() {
    let edits: [fn(&mut World); 4] = [
        |world| *world = edit(world.clone(), |spec| spec.tls = None),
        |world| {
            *world = edit(world.clone(), |spec| {
                spec.tls.as_mut().unwrap().issuer_ref.as_mut().unwrap().name = "other".into();
            });
        },
        |world| world.version = Version::Found(Box::new(version("15.5", "15.18"))),
        |world| world.version = Version::Unknown { known: Vec::new() },
    ];
    for (case, edit) in edits.into_iter().enumerate() {
        let mut world = running(tls());
        edit(&mut world);
        let plan = decide(&world);
        let (_, reason, _) = set(&plan, "SpecApplied").expect("it is held back");
        let before = world.config_secret().unwrap().data.clone().unwrap();

        let new = renew(&mut world, authority());
        let plan = decide(&world);
        assert_eq!(
            actions(&plan),
            ["apply Secret pg-bc1234"],
            "case {case}: {reason}"
        );
        let world = applied(world, &plan);
        let after = world.config_secret().unwrap().data.clone().unwrap();
        let changed = after
            .iter()
            .filter(|(key, value)| before.get(*key) != Some(value));
        let changed: Vec<&str> = changed.map(|(key, _)| key.as_str()).collect();
        assert_eq!(changed, ["server.crt", "server.key"], "case {case}");

        let plan = decide(&world);
        assert_eq!(actions(&plan), Vec::<String>::new(), "case {case}");
        assert_eq!(
            plan.renewal.map(|renewal| renewal.fingerprint),
            Some(new),
            "case {case}"
        );
    }
}
