//! Phases of TLS, and certificates.

use super::*;

#[test]
fn whoever_could_connect_without_tls_still_can_while_tls_is_accepted() {
    for mode in ["md5", "scram"] {
        let spec = format!("{HA}clientAuthMode: {mode}\n");
        let of = |phase| {
            lines_of_users(&blueprint::build(
                &Scenario::new(&spec).phase(phase, ca("one")).resolved(),
            ))
        };
        let (off, accept, enforce) = (of(TlsPhase::Off), of(TlsPhase::Accept), of(TlsPhase::Enforce));
        assert!(off.iter().all(|line| accept.contains(line)), "{accept:?}");
        assert!(enforce.iter().all(|line| accept.contains(line)), "{accept:?}");
        assert!(!off.iter().any(|line| line.starts_with("hostssl ")));
        assert!(
            !enforce.iter().any(|line| line.starts_with("host ")),
            "{enforce:?}"
        );
    }
}

/// A client that proves itself by its certificate may have no password.
#[test]
fn whoever_could_connect_over_tls_still_can_until_it_is_taken_away() {
    for mode in ["md5", "scram", "cert"] {
        let of = |phase| {
            let mut scenario =
                Scenario::new(&format!("{HA}{TLS}clientAuthMode: {mode}\n")).phase(phase, ca("one"));
            scenario.tls.removing_tls = true;
            lines_of_users(&blueprint::build(&scenario.resolved()))
        };
        let over_tls = |lines: &[String]| {
            let lines = lines.iter().filter(|line| line.starts_with("hostssl "));
            lines.cloned().collect::<Vec<_>>()
        };
        let (accept, enforce) = (of(TlsPhase::Accept), of(TlsPhase::Enforce));
        assert_eq!(over_tls(&accept), over_tls(&enforce), "{mode}");
        assert!(
            accept
                .iter()
                .any(|line| line.starts_with("host all all 0.0.0.0/0 ")),
            "{mode}"
        );
    }
}

#[test]
fn neighbouring_phases_can_replicate_with_each_other() {
    for (mode, removing_tls) in ["md5", "scram", "cert"]
        .into_iter()
        .flat_map(|mode| [(mode, false), (mode, true)])
    {
        let spec = format!("{HA}{TLS}clientAuthMode: {mode}\n");
        let of = |phase| {
            let mut scenario = Scenario::new(&spec).phase(phase, ca("one"));
            scenario.tls.removing_tls = removing_tls;
            blueprint::build(&scenario.resolved())
        };
        let accept = of(TlsPhase::Accept);
        let connection = patroni(&accept)["postgresql"]["authentication"]["replication"].clone();
        // Over TLS where the other side enforces it, in plaintext where it has no TLS; by password either way.
        assert_eq!(connection["sslmode"], "prefer");
        assert_eq!(connection["sslcert"], Value::Null);
        assert_eq!(connection["sslrootcert"], Value::Null);
        // A member that enforces TLS finds a line for it at one that accepts it.
        let enforce = of(TlsPhase::Enforce);
        let connection = patroni(&enforce)["postgresql"]["authentication"]["replication"].clone();
        assert_eq!(connection["sslmode"], "verify-full");
        let lets_in = |children: &Children, kind: &str| {
            let line = format!("{kind} all,replication sealwright_replication 0.0.0.0/0 scram-sha-256");
            lines(children).contains(&line)
        };
        assert!(lets_in(&accept, "host"), "with TLS and without");
        assert!(lets_in(&enforce, "hostssl") && !lets_in(&enforce, "host"));
    }
}

#[test]
fn a_changing_ca_is_trusted_by_servers_and_standbys() {
    let spec = format!("{HA}{TLS}clientAuthMode: cert\n");
    let file = |trust: CaBundle| {
        let children = blueprint::build(&Scenario::new(&spec).phase(TlsPhase::Enforce, trust).resolved());
        patroni(&children)["postgresql"]["parameters"]["ssl_ca_file"].clone()
    };
    assert_eq!(file(ca("one")), "/tls/certs/server/ca.crt");
    assert_eq!(file(ca("one").union(&ca("two"))), "/etc/config/trust.crt");
    assert_eq!(file(CaBundle::default()), Value::Null);
}

#[test]
fn certificates_are_what_cert_manager_takes() {
    let name = "a".repeat(50);
    for scenario in scenarios() {
        let mut resolved = scenario.resolved();
        check_certificates(&resolved);
        resolved.name.clone_from(&name);
        resolved.namespace.clone_from(&name);
        check_certificates(&resolved);
    }
}

fn check_certificates(resolved: &blueprint::Resolved) {
    const USAGES: [&str; 4] = [
        "digital signature",
        "key encipherment",
        "server auth",
        "client auth",
    ];
    for (alias, certificate) in blueprint::certificates(resolved) {
        let spec = certificate.spec;
        let common_name = spec.common_name.expect("a common name");
        assert!(common_name.len() <= 64, "{common_name}");
        if alias == CertificateAlias::Client {
            assert_eq!(common_name, resolved.username);
        }
        assert!(spec.usages.iter().all(|usage| USAGES.contains(&usage.as_str())));
        assert!(spec.issuer_ref.kind.is_some() && spec.issuer_ref.group.is_some());
        let distinct: BTreeSet<&String> = spec.dns_names.iter().collect();
        assert_eq!(distinct.len(), spec.dns_names.len(), "{:?}", spec.dns_names);
    }
}
