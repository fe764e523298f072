//! Certificates that must not reach a member, each made for its rule.

use std::process::Command;

use instance::{Distrust, Fault, Purpose, examine, examine_issuer};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose as Use, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, date_time_ymd,
};

use testkit::authority::{Authority, Issued};

const NAMES: [&str; 3] = ["pg", "pg.shop.svc", "*.pg-pods.shop.svc"];

fn names() -> Vec<String> {
    NAMES.map(str::to_owned).into()
}

fn as_server(issued: &Issued, ca: &str) -> Vec<Fault> {
    let names = names();
    let purpose = Purpose::Server { names: &names };
    examine(&issued.certificate, &issued.key, ca, purpose, Timestamp::now())
        .err()
        .unwrap_or_default()
}

fn as_client(issued: &Issued, ca: &str) -> Vec<Fault> {
    let purpose = Purpose::Client { role: "postgres" };
    examine(&issued.certificate, &issued.key, ca, purpose, Timestamp::now())
        .err()
        .unwrap_or_default()
}

fn ca() -> Authority {
    Authority::new("demo-ca")
}

/// A server's certificate with one thing changed.
fn server(ca: &Authority, change: impl FnOnce(&mut CertificateParams)) -> Issued {
    ca.issue("server", &NAMES, Use::ServerAuth, change)
}

fn with_key(ca: &Authority, key: KeyPair) -> Issued {
    ca.sign("server", &NAMES, Use::ServerAuth, key, |_| {})
}

/// A certificate that signs itself, by the command line: kinds of keys that rcgen does not make.
fn by_openssl(arguments: &[&str]) -> Issued {
    let folder = std::env::temp_dir().join(format!("preflight-{}", rand_name()));
    std::fs::create_dir_all(&folder).unwrap();
    let (key, certificate) = (folder.join("key"), folder.join("crt"));
    let fixed = ["req", "-x509", "-nodes", "-days", "30", "-subj", "/CN=server"];
    let output = Command::new("openssl")
        .args(fixed)
        .args([
            "-addext",
            "subjectAltName=DNS:pg,DNS:pg.shop.svc,DNS:*.pg-pods.shop.svc",
        ])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(arguments)
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output()
        .expect("openssl is installed");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let issued = Issued {
        certificate: std::fs::read_to_string(&certificate).unwrap(),
        key: std::fs::read_to_string(&key).unwrap(),
    };
    std::fs::remove_dir_all(&folder).unwrap();
    issued
}

fn rand_name() -> String {
    format!("{}-{:?}", std::process::id(), std::thread::current().id())
}

#[test]
fn good_certificates_have_no_fault() {
    let ca = ca();
    assert_eq!(as_server(&server(&ca, |_| {}), ca.pem_text()), []);
    assert_eq!(as_client(&ca.client("postgres"), ca.pem_text()), []);
    let p384 = with_key(&ca, KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap());
    assert_eq!(as_server(&p384, ca.pem_text()), []);
    let rsa = by_openssl(&["-newkey", "rsa:2048"]);
    assert_eq!(
        as_server(&rsa, &rsa.certificate),
        [],
        "RSA, as the issuer SelfSigned signs"
    );
}

#[test]
fn a_bundle_with_more_cas_is_good() {
    let (ca, other) = (ca(), Authority::new("other"));
    let bundle = format!("{}{}", other.pem_text(), ca.pem_text());
    assert_eq!(as_server(&server(&ca, |_| {}), &bundle), []);
}

/// `matches!` with the fault in the message when it does not.
macro_rules! refused {
    ($what:literal, $faults:expr, $pattern:pat $(if $guard:expr)?) => {{
        let faults = $faults;
        assert!(
            faults.iter().any(|fault| matches!(fault, $pattern $(if $guard)?)),
            "{}: {faults:?}",
            $what
        );
        for fault in &faults {
            assert!(!fault.to_string().is_empty());
        }
    }};
}

#[test]
fn what_can_not_be_read_is_refused() {
    let ca = ca();
    let good = server(&ca, |_| {});
    let changed = |certificate: &str, key: &str| Issued {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
    };
    refused!(
        "no certificate",
        as_server(&changed("", &good.key), ca.pem_text()),
        Fault::Unreadable(_)
    );
    refused!(
        "no PEM",
        as_server(&changed("nonsense", &good.key), ca.pem_text()),
        Fault::Unreadable(_)
    );
    let cut = &good.certificate[..good.certificate.len() / 2];
    refused!(
        "half a certificate",
        as_server(&changed(cut, &good.key), ca.pem_text()),
        Fault::Unreadable(_)
    );
    refused!(
        "no key",
        as_server(&changed(&good.certificate, ""), ca.pem_text()),
        Fault::Unreadable(_)
    );
    refused!(
        "a certificate as key",
        as_server(&changed(&good.certificate, &good.certificate), ca.pem_text()),
        Fault::Unreadable(_)
    );
    refused!("no CA", as_server(&good, ""), Fault::NoCa);
    refused!("a key as CA", as_server(&good, &good.key), Fault::Unreadable(_));
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let ca = ca();
    let (one, two) = (server(&ca, |_| {}), server(&ca, |_| {}));
    let mixed = Issued {
        certificate: one.certificate.clone(),
        key: two.key,
    };
    refused!(
        "another's key",
        as_server(&mixed, ca.pem_text()),
        Fault::KeyMismatch
    );
    let other = Authority::new("other-ca");
    refused!(
        "another's CA",
        as_server(&one, other.pem_text()),
        Fault::Distrusted(Distrust::UnknownIssuer(_))
    );
    let twin = Authority::new("demo-ca");
    refused!(
        "a CA of the same name",
        as_server(&one, twin.pem_text()),
        Fault::Distrusted(Distrust::UnknownIssuer(_))
    );
}

#[test]
fn what_is_not_valid_now_is_refused() {
    let ca = ca();
    refused!(
        "expired",
        as_server(&ca.expired_server(&NAMES), ca.pem_text()),
        Fault::Distrusted(Distrust::Expired(_))
    );
    let future = server(&ca, |params| {
        params.not_before = date_time_ymd(2090, 1, 1);
        params.not_after = date_time_ymd(2091, 1, 1);
    });
    refused!(
        "not yet valid",
        as_server(&future, ca.pem_text()),
        Fault::Distrusted(Distrust::NotYetValid(_))
    );
    let over = Authority::with("old-ca", |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    refused!(
        "a CA that is over",
        as_server(&server(&over, |_| {}), over.pem_text()),
        Fault::Distrusted(Distrust::CaNotValid { .. })
    );
    let early = Authority::with("early-ca", |params| params.not_before = date_time_ymd(2090, 1, 1));
    refused!(
        "a CA that has not begun",
        as_server(&server(&early, |_| {}), early.pem_text()),
        Fault::Distrusted(Distrust::CaNotValid { .. })
    );
}

#[test]
fn what_is_for_others_is_refused() {
    let ca = ca();
    let few = ca.server(&["pg"]);
    refused!(
        "too few names",
        as_server(&few, ca.pem_text()),
        Fault::MissingNames(missing) if missing == &["pg.shop.svc", "*.pg-pods.shop.svc"]
    );
    let none = ca.server(&[]);
    refused!("no names", as_server(&none, ca.pem_text()), Fault::MissingNames(missing) if missing.len() == 3);
    refused!(
        "a client's certificate served",
        as_server(
            &ca.issue("server", &NAMES, Use::ClientAuth, |_| {}),
            ca.pem_text()
        ),
        Fault::Distrusted(Distrust::WrongPurpose)
    );
    refused!(
        "a server's certificate shown by a client",
        as_client(&ca.issue("postgres", &[], Use::ServerAuth, |_| {}), ca.pem_text()),
        Fault::Distrusted(Distrust::WrongPurpose)
    );
    refused!(
        "another role",
        as_client(&ca.client("admin"), ca.pem_text()),
        Fault::WrongRole { .. }
    );
    let nameless = ca.issue("", &[], Use::ClientAuth, |params| {
        params.distinguished_name.remove(DnType::CommonName);
    });
    refused!(
        "no role",
        as_client(&nameless, ca.pem_text()),
        Fault::WrongRole { .. }
    );
    let encipherment = server(&ca, |params| {
        params.key_usages = vec![KeyUsagePurpose::KeyEncipherment]
    });
    refused!(
        "no digital signature",
        as_server(&encipherment, ca.pem_text()),
        Fault::KeyUsage
    );
}

/// Before it has issued anything for the database.
#[test]
fn an_issuer_that_would_lock_clients_out_is_known_by_any_certificate_of_it() {
    let root = Authority::new("Root");
    let intermediate = root.intermediate("Issuing CA");
    let ed25519 = Authority::with_key("Ed25519", KeyPair::generate_for(&PKCS_ED25519).unwrap(), |_| {});
    let over = Authority::with("over", |params| params.not_after = date_time_ymd(2021, 1, 1));
    let whole = format!("{}{}", intermediate.pem_text(), root.pem_text());
    let cases = [
        (&root, root.pem_text(), None),
        (&intermediate, root.pem_text(), None),
        (&intermediate, whole.as_str(), None),
        (
            &intermediate,
            intermediate.pem_text(),
            Some("append the root to tls.crt of its Secret"),
        ),
        (&ed25519, ed25519.pem_text(), Some("no channel binding")),
        (&over, over.pem_text(), Some("renew the CA of the issuer")),
        (&root, "", Some("use an issuer that publishes its CA")),
        (
            &root,
            intermediate.pem_text(),
            Some("was not issued by a CA of the bundle"),
        ),
    ];
    for (number, (issuer, ca, why)) in cases.into_iter().enumerate() {
        let found = examine_issuer(&issuer.client("probe").certificate, ca, Timestamp::now());
        match why {
            None => assert_eq!(found, Ok(()), "{number}"),
            Some(why) => assert!(
                found.clone().is_err_and(|it| it.contains(why)),
                "{number}: {found:?}"
            ),
        }
    }
}

#[test]
fn an_address_counts_as_a_name() {
    let ca = ca();
    let names = vec!["127.0.0.1".to_owned()];
    let purpose = Purpose::Server { names: &names };
    let judge = |issued: &Issued| {
        examine(
            &issued.certificate,
            &issued.key,
            ca.pem_text(),
            purpose,
            Timestamp::now(),
        )
    };
    assert!(judge(&ca.server(&["127.0.0.1"])).is_ok());
    refused!(
        "no address",
        judge(&ca.server(&["localhost"])).unwrap_err(),
        Fault::MissingNames(_)
    );
}

#[test]
fn keys_that_postgresql_or_its_clients_can_not_use_are_refused() {
    let ca = ca();
    let ed25519 = with_key(&ca, KeyPair::generate_for(&PKCS_ED25519).unwrap());
    refused!("Ed25519", as_server(&ed25519, ca.pem_text()), Fault::KeyAlgorithm(kind) if kind.contains("Ed25519"));
    let small = by_openssl(&["-newkey", "rsa:1024"]);
    refused!("RSA 1024", as_server(&small, &small.certificate), Fault::KeyAlgorithm(kind) if kind.contains("1024"));
    let p521 = by_openssl(&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"]);
    refused!(
        "P-521",
        as_server(&p521, &p521.certificate),
        Fault::KeyAlgorithm(_)
    );
    let sha1 = by_openssl(&["-newkey", "rsa:2048", "-sha1"]);
    refused!(
        "SHA-1",
        as_server(&sha1, &sha1.certificate),
        Fault::BrokenSignature(_)
    );
}

#[test]
fn what_is_not_a_leaf_or_not_a_ca_is_refused() {
    let ca = ca();
    let also_ca = server(&ca, |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)
    });
    refused!("a CA served", as_server(&also_ca, ca.pem_text()), Fault::CaAsLeaf);
    let leaf_signs = Authority::with("leaf", |params| params.is_ca = IsCa::ExplicitNoCa);
    refused!(
        "a leaf that signs",
        as_server(&server(&leaf_signs, |_| {}), leaf_signs.pem_text()),
        Fault::Distrusted(Distrust::NotAuthority(_))
    );
    let no_sign = Authority::with("mute", |params| {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature]
    });
    refused!(
        "a CA that may not sign",
        as_server(&server(&no_sign, |_| {}), no_sign.pem_text()),
        Fault::Distrusted(Distrust::NotAuthority(_))
    );
}
