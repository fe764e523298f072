//! Certificates that are issued anew, or spoiled, while an operation runs.

use api_types::names;
use api_types::ops_request::OpsRequestPhase;
use api_types::tls::CertificateAlias;
use blueprint::TlsMaterial;

use crate::cluster::Cluster;
use crate::objects::set_issuing;
use crate::run::{CALM, Run};
use crate::{by_reload, with_tls};

const ROTATE: &str = "{rotateCertificates: true}";

impl Cluster {
    /// Somebody asks for every certificate anew, and gets it at once.
    pub fn reissue(&mut self) {
        self.certificates.values_mut().for_each(set_issuing);
        self.cert_manager_ticks();
    }

    /// The key in a Secret is that of another certificate.
    pub fn spoil(&mut self, alias: CertificateAlias) {
        let other = self.secrets[&secret(CertificateAlias::Client)].pair.clone();
        let spoiled = self
            .secrets
            .get_mut(&secret(alias))
            .and_then(|issued| issued.pair.as_mut());
        spoiled.expect("a pair").key = other.expect("a pair").key;
    }

    pub fn issued_leaf(&self, alias: CertificateAlias) -> Option<String> {
        self.secrets[&secret(alias)].pair.as_ref()?.fingerprint()
    }

    /// Whether the members have the very key that a Secret holds.
    pub fn was_given(&self, alias: CertificateAlias) -> bool {
        let given = TlsMaterial::of_config(&self.config);
        let issued = self.secrets[&secret(alias)].pair.as_ref();
        given.get(alias).map(|pair| &pair.key) == issued.map(|pair| &pair.key)
    }
}

fn secret(alias: CertificateAlias) -> String {
    names::certificate("pg", alias)
}

/// Steps after certificates were found good, by the conditions that latch them.
const AFTER_SYNC: [&str; 5] = [
    "CertificateSynced",
    "TrustCA",
    "ReloadTLS",
    "UpdatePetSets",
    "RestartNodes",
];

#[test]
fn what_is_issued_anew_meanwhile_is_served_in_the_end_and_no_pod_is_restarted_twice() {
    for latched in AFTER_SYNC {
        for restart in ["true", "auto"] {
            let mut cluster = with_tls(3);
            let mut run = Run::new("rotate", &by_reload(ROTATE, restart), 0);
            run.then = Some((latched, Cluster::reissue));
            let phase = run.run(&mut cluster, CALM);
            assert_eq!(phase, OpsRequestPhase::Successful, "{latched}: {:#?}", run.log);
            if run.then.is_some() {
                continue;
            }
            let newest = cluster.issued_leaf(CertificateAlias::Server);
            assert_eq!(cluster.served(), [newest].into(), "{latched}: {:#?}", run.log);
            let pods = if restart == "true" { 3 } else { 0 };
            assert_eq!(cluster.evictions.len(), pods, "{latched}: {:#?}", run.log);
        }
    }
}

/// Whatever was examined: what is given to members is what was found good.
#[test]
fn what_was_spoiled_after_it_was_examined_is_given_to_nobody() {
    for latched in AFTER_SYNC {
        for restart in ["true", "auto"] {
            let mut cluster = with_tls(3);
            let mut run = Run::new("rotate", &by_reload(ROTATE, restart), 0);
            run.then = Some((latched, |cluster| {
                cluster.spoil(CertificateAlias::Server);
            }));
            let phase = run.run(&mut cluster, CALM);
            if run.then.is_some() {
                continue;
            }
            assert_eq!(phase, OpsRequestPhase::Failed, "{latched}: {:#?}", run.log);
            assert_eq!(cluster.served().len(), 1, "{latched}: {:#?}", run.log);
            assert!(
                !cluster.was_given(CertificateAlias::Server),
                "{latched}: {:#?}",
                run.log
            );
            assert_eq!(cluster.world().holder(), None);
        }
    }
}

/// While members restart one may come up without: then the request fails, and leaves it mended.
#[test]
fn a_config_secret_that_lost_its_certificates_gets_them_again() {
    let (done, failed) = (OpsRequestPhase::Successful, OpsRequestPhase::Failed);
    for (latched, restart, end) in [
        ("ReloadTLS", "true", done),
        ("CertificateSynced", "auto", done),
        ("UpdatePetSets", "true", failed),
    ] {
        let mut cluster = with_tls(3);
        let mut run = Run::new("rotate", &by_reload(ROTATE, restart), 0);
        run.request.spec.timeout = Some("30s".into());
        run.then = Some((latched, |cluster| {
            let data = cluster.config.data.as_mut().expect("data");
            data.retain(|key, _| !key.ends_with(".crt") && !key.ends_with(".key"));
            cluster.config.metadata.annotations = None;
        }));
        let phase = run.run(&mut cluster, CALM);
        assert!(run.then.is_none());
        assert_eq!(phase, end, "{latched}: {:#?}", run.log);
        assert!(cluster.was_given(CertificateAlias::Server));
        assert_eq!(cluster.served().len(), 1);
        assert!(!cluster.served().contains(&None));
    }
}
