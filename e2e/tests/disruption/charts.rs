//! Each release is installed, upgraded, tested and uninstalled on its own, and databases serve all the while.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::Postgres;
use e2e::cluster::{Cluster, TestNamespace};
use e2e::install::{self, FOUNDATIONS, OPERATORS, SYSTEM_NAMESPACE};
use e2e::writer::{Choice, Writer};
use e2e::{checks, manifests, members, requests, shell, wait};
use kube::Api;

use crate::{PROVISIONING_TIMEOUT, alone, as_it_is};

const DATABASE: &str = "standalone";
/// No operator has a part in serving; what is left is the noise of a busy machine.
const LONGEST_GAP: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn releases_come_and_go_and_databases_serve_on() -> Result<()> {
    alone("charts", prepare, |namespace| async move {
        let outcome = come_and_go(&namespace).await;
        // Whatever happened: the next test, and this namespace's removal, need the operators.
        install::everything(&Cluster {
            client: namespace.client.clone(),
        })
        .await?;
        outcome
    })
    .await
}

async fn prepare(namespace: TestNamespace) -> Result<()> {
    manifests::apply(&namespace, manifests::STANDALONE).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    Ok(())
}

async fn come_and_go(namespace: &TestNamespace) -> Result<()> {
    let cluster = Cluster {
        client: namespace.client.clone(),
    };
    let member = members::primary(namespace, DATABASE).await?;
    let writer = Writer::start(namespace, DATABASE, Choice::MEASURING).await?;
    let mark = writer.mark().await?;
    for release in OPERATORS {
        helm_test(release).await?;
        install::uninstall(release)
            .await
            .with_context(|| format!("uninstall {release}"))?;
        writer
            .wait_for_rows(writer.mark().await?)
            .await
            .with_context(|| format!("without {release}"))?;
        let attempt =
            e2e::client::connect_once(namespace, DATABASE, e2e::client::PLAINTEXT, "select 1").await?;
        attempt
            .connected()
            .with_context(|| format!("without {release}"))?;
        install::operator_release(&cluster, release)
            .await
            .with_context(|| format!("install {release}"))?;
        install::operator_release(&cluster, release)
            .await
            .with_context(|| format!("upgrade {release}"))?;
    }
    for release in FOUNDATIONS {
        install::uninstall(release)
            .await
            .with_context(|| format!("uninstall {release}"))?;
        let kept: Postgres = namespace
            .api()
            .get(DATABASE)
            .await
            .with_context(|| format!("without {release}"))?;
        ensure!(
            kept.metadata.deletion_timestamp.is_none(),
            "uninstalling {release} deletes databases"
        );
    }
    for release in FOUNDATIONS {
        install::release(release)
            .await
            .with_context(|| format!("install {release} again"))?;
    }
    checks::writer_served(&writer.since(mark).await?, LONGEST_GAP)?;
    let now = members::primary(namespace, DATABASE).await?;
    ensure!(now.uid == member.uid, "the Pod was replaced");
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    requests::run(
        namespace,
        manifests::RESTART,
        "restart",
        DATABASE,
        PROVISIONING_TIMEOUT,
    )
    .await?;
    println!("{} acknowledged rows, none lost", writer.finish().await?);
    Ok(())
}

async fn helm_test(release: &str) -> Result<()> {
    let arguments = [
        "test",
        release,
        "--namespace",
        SYSTEM_NAMESPACE,
        "--timeout",
        "90s",
    ];
    shell::host("helm", &arguments)
        .await
        .with_context(|| format!("helm test {release}"))
        .map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_leader_goes_the_other_replica_takes_over() -> Result<()> {
    alone("lease", as_it_is, |namespace| async move {
        use k8s_openapi::api::coordination::v1::Lease;
        let leases: Api<Lease> = Api::namespaced(namespace.client.clone(), SYSTEM_NAMESPACE);
        let cluster = Cluster {
            client: namespace.client.clone(),
        };
        for operator in OPERATORS {
            let name = kube::ResourceExt::name_any(&install::deployment(&cluster, operator).await?);
            let holder = |l: &Lease| {
                l.spec
                    .as_ref()
                    .and_then(|s| s.holder_identity.clone())
                    .filter(|h| !h.is_empty())
            };
            let old = wait::until(&leases, &name, "held", PROVISIONING_TIMEOUT, |l| {
                holder(l).is_some()
            })
            .await?;
            let old = holder(&old).context("a holder")?;
            let pods: Api<k8s_openapi::api::core::v1::Pod> =
                Api::namespaced(namespace.client.clone(), SYSTEM_NAMESPACE);
            pods.delete(&old, &kube::api::DeleteParams::default())
                .await
                .with_context(|| format!("the holder {old:?} of {name}'s Lease is a Pod's name"))?;
            let taken = |l: &Lease| holder(l).is_some_and(|h| h != old);
            wait::until(
                &leases,
                &name,
                "held by the other replica",
                PROVISIONING_TIMEOUT,
                taken,
            )
            .await?;
            install::rolled_out(&cluster, operator).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_of_one_namespace_work_with_rights_there_only() -> Result<()> {
    alone("one-namespace", as_it_is, |namespace| async move {
        let outcome = one_namespace(&namespace).await;
        install::everything(&Cluster {
            client: namespace.client.clone(),
        })
        .await?;
        outcome
    })
    .await
}

async fn one_namespace(namespace: &TestNamespace) -> Result<()> {
    let watched = format!("watchNamespace={}", namespace.name);
    for operator in OPERATORS {
        install::release_with(operator, &["--set", &watched]).await?;
    }
    for operator in OPERATORS {
        ensure!(
            may(operator, "list", "pods", &namespace.name).await?,
            "{operator} can't see the namespace that it watches"
        );
        ensure!(
            !may(operator, "list", "pods", SYSTEM_NAMESPACE).await?,
            "{operator} sees other namespaces"
        );
    }
    manifests::apply(namespace, manifests::ISSUERS).await?;
    requests::issuer_ready(namespace, "pg-issuer").await?;
    manifests::apply(namespace, manifests::STANDALONE).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    requests::run(
        namespace,
        manifests::ADD_TLS,
        "add-tls",
        DATABASE,
        PROVISIONING_TIMEOUT,
    )
    .await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT)
        .await
        .map(|_| ())
}

/// Whether the operator's ServiceAccount may do something in a namespace.
async fn may(operator: &str, verb: &str, resource: &str, namespace: &str) -> Result<bool> {
    let account = format!("--as=system:serviceaccount:{SYSTEM_NAMESPACE}:{operator}");
    let question = [
        "auth",
        "can-i",
        verb,
        resource,
        "--namespace",
        namespace,
        &account,
    ];
    // It ends with 1 when the answer is no.
    let answer = tokio::process::Command::new("kubectl")
        .args(question)
        .output()
        .await?;
    match String::from_utf8_lossy(&answer.stdout).trim() {
        "yes" => Ok(true),
        "no" => Ok(false),
        other => anyhow::bail!("{other}{}", String::from_utf8_lossy(&answer.stderr)),
    }
}
