//! A certificate that cert-manager issues anew by itself reaches every member, and nobody is restarted for it.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use api_types::tls::CertificateAlias;
use api_types::{Postgres, condition, names};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::poll::{self, Look};
use e2e::{history, members, pki, wait};

use crate::{PROVISIONING_TIMEOUT, born_with_tls};

const DATABASE: &str = "ha-postgres";
/// From the renewal until every member serves it.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_nobody_asked_for_is_served_by_all_without_a_restart() -> Result<()> {
    in_namespace("renewal", |namespace| async move { renewed(&namespace).await }).await
}

async fn renewed(namespace: &TestNamespace) -> Result<()> {
    born_with_tls(namespace, DATABASE).await?;
    let old = pki::certificate(namespace, DATABASE, CertificateAlias::Server).await?;
    let recorder = history::record(namespace, DATABASE).await?;
    pki::renew(namespace, &certificate(CertificateAlias::Server)).await?;
    served_by_all(namespace, &old.leaf.fingerprint, "renewed").await?;
    the_ca_is_replaced(namespace).await?;
    recorder.finish().await?.check_untouched()?;
    let postgres = wait::database_ready(&namespace.api(), DATABASE, PROVISIONING_TIMEOUT).await?;
    ensure!(postgres.spec.tls.is_some(), "spec.tls is gone");
    Ok(())
}

/// Every member serves another certificate than this one, and the one that was issued.
pub(crate) async fn served_by_all(namespace: &TestNamespace, old: &str, what: &str) -> Result<()> {
    let begun = Instant::now();
    poll::until(
        "the new certificate on every member",
        RENEWAL_TIMEOUT,
        Duration::from_millis(200),
        || async {
            let new = pki::certificate(namespace, DATABASE, CertificateAlias::Server).await?;
            if new.leaf.fingerprint == old {
                return Ok(Look::NotYet("not issued".to_owned()));
            }
            for member in members::list(namespace, DATABASE).await? {
                let served = members::served(namespace, &member.name).await?;
                if served.as_ref().map(|served| &served.fingerprint) != Some(&new.leaf.fingerprint) {
                    return Ok(Look::NotYet(format!("{} serves {served:?}", member.name)));
                }
            }
            Ok(Look::Found(()))
        },
    )
    .await?;
    println!(
        "{what} and served by all after {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

/// It is told before anything is issued by the new CA; then every certificate is, and all go on.
async fn the_ca_is_replaced(namespace: &TestNamespace) -> Result<()> {
    pki::renew(namespace, "postgres-ca").await?;
    let says = |wanted: bool| {
        move |postgres: &Postgres| {
            let status = postgres.status.as_ref();
            status.is_some_and(|status| condition::is_true(&status.conditions, "IssuerCAChanged") == wanted)
        }
    };
    let told = "IssuerCAChanged, while all goes on";
    wait::until(&namespace.api(), DATABASE, told, RENEWAL_TIMEOUT, says(true)).await?;
    let old = pki::certificate(namespace, DATABASE, CertificateAlias::Server).await?;
    for alias in CertificateAlias::ALL {
        pki::renew(namespace, &certificate(alias)).await?;
    }
    served_by_all(namespace, &old.leaf.fingerprint, "issued by another CA").await?;
    wait::until(
        &namespace.api(),
        DATABASE,
        "nothing of it any more",
        RENEWAL_TIMEOUT,
        says(false),
    )
    .await?;
    Ok(())
}

pub(crate) fn certificate(alias: CertificateAlias) -> String {
    names::certificate(DATABASE, alias)
}
