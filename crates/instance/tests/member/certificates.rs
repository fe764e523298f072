//! Reading and judging certificates.

use instance::{
    CertificateError, ClientIdentity, Distrust, chain_of_pem, facts_of_pem, judge_client, judge_server,
    key_matches,
};
use jiff::Timestamp;

use testkit::authority::{Authority, Issued};

fn judged(issued: &Issued, ca: &Authority, name: Option<&str>) -> Result<(), Distrust> {
    let chain = chain_of_pem(issued.certificate.as_bytes()).unwrap();
    judge_server(&chain, ca.pem(), name, Timestamp::now()).unwrap()
}

#[test]
fn facts_are_read() {
    let ca = Authority::new("demo-ca");
    let facts = facts_of_pem(
        ca.server(&["pg.shop.svc", "localhost", "127.0.0.1"])
            .certificate
            .as_bytes(),
    )
    .unwrap();
    assert_eq!(facts.dns_names, ["pg.shop.svc", "localhost"]);
    assert_eq!(facts.ip_addresses, [std::net::IpAddr::from([127, 0, 0, 1])]);
    assert_eq!(facts.common_name.as_deref(), Some("server"));
    assert!(facts.issuer.contains("demo-ca"), "{}", facts.issuer);
    assert_eq!(facts.fingerprint.len(), 64);
    assert!(facts.not_before < facts.not_after);
}

#[test]
fn a_good_chain_is_trusted_for_its_names_only() {
    let ca = Authority::new("demo-ca");
    let issued = ca.server(&["pg.shop.svc"]);
    assert_eq!(judged(&issued, &ca, None), Ok(()));
    assert_eq!(judged(&issued, &ca, Some("pg.shop.svc")), Ok(()));
    let wrong = judged(&issued, &ca, Some("other.shop.svc")).unwrap_err();
    assert!(
        matches!(&wrong, Distrust::WrongName { wanted, .. } if wanted == "other.shop.svc"),
        "{wrong:?}"
    );
}

#[test]
fn an_expired_leaf_says_since_when() {
    let ca = Authority::new("demo-ca");
    let expired = judged(&ca.expired_server(&["pg.shop.svc"]), &ca, Some("pg.shop.svc"));
    assert_eq!(
        expired,
        Err(Distrust::Expired("2021-01-01T00:00:00Z".parse().unwrap()))
    );
}

#[test]
fn a_leaf_of_another_authority_is_not_trusted_even_under_the_same_name() {
    let issued = Authority::new("demo-ca").server(&["pg.shop.svc"]);
    for ca in [Authority::new("other-ca"), Authority::new("demo-ca")] {
        let judged = judged(&issued, &ca, None);
        assert!(matches!(judged, Err(Distrust::UnknownIssuer(_))), "{judged:?}");
    }
}

#[test]
fn a_bundle_of_old_and_new_trusts_both() {
    let (old, new) = (Authority::new("demo-ca"), Authority::new("demo-ca"));
    let bundle = [old.pem(), new.pem()].concat();
    for issued in [old.server(&["a"]), new.server(&["a"])] {
        let chain = chain_of_pem(issued.certificate.as_bytes()).unwrap();
        assert_eq!(
            judge_server(&chain, &bundle, None, Timestamp::now()).unwrap(),
            Ok(())
        );
    }
}

#[test]
fn server_and_client_certificates_are_not_exchangeable() {
    let ca = Authority::new("demo-ca");
    let client = ca.client("postgres");
    let chain = chain_of_pem(client.certificate.as_bytes()).unwrap();
    assert_eq!(judge_client(&chain, ca.pem(), Timestamp::now()).unwrap(), Ok(()));
    assert_eq!(judged(&client, &ca, None), Err(Distrust::WrongPurpose));
}

#[test]
fn keys_belong_to_their_certificates() {
    let ca = Authority::new("demo-ca");
    let (a, b) = (ca.client("postgres"), ca.client("postgres"));
    key_matches(a.certificate.as_bytes(), a.key.as_bytes()).unwrap();
    let error = key_matches(a.certificate.as_bytes(), b.key.as_bytes()).unwrap_err();
    assert!(matches!(error, CertificateError::KeyMismatch), "{error}");
    assert!(ClientIdentity::from_pem(a.certificate.as_bytes(), b.key.as_bytes()).is_err());
}

#[test]
fn a_secret_without_certificate_is_named() {
    let error = facts_of_pem(b"").unwrap_err();
    assert!(error.to_string().contains("holds no certificate"), "{error}");
    assert!(facts_of_pem(b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n").is_err());
}

#[test]
fn keys_are_not_shown() {
    let issued = Authority::new("demo-ca").client("postgres");
    let identity = ClientIdentity::from_pem(issued.certificate.as_bytes(), issued.key.as_bytes()).unwrap();
    assert_eq!(format!("{identity:?}"), "ClientIdentity(…)");
}
