//! A real Prometheus scrapes all three operators, and its queries return what operators of Sealwright are run by.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::cluster::{Cluster, TestNamespace, in_namespace};
use e2e::install::{self, OPERATORS, SYSTEM_NAMESPACE};
use e2e::monitoring::metric_names;
use e2e::poll::{self, Look};
use e2e::{manifests, monitoring, requests, story};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use crate::{DATABASE, standalone};

const SCRAPE_TIMEOUT: Duration = Duration::from_secs(60);
const METRICS_PORT: &str = "metrics";

/// PromQL that must return something after an operation, with what it is for.
fn queries(namespace: &str) -> Vec<(&'static str, String)> {
    let of = |query: &str| query.replace("NS", namespace);
    vec![
        ("every operator is scraped", "count(up == 1) == 3".to_owned()),
        ("who leads", "count(sealwright_leader == 1) >= 1".to_owned()),
        (
            "reconciles",
            "sum by (job) (sealwright_reconciles_total) > 0".to_owned(),
        ),
        (
            "how long reconciles take",
            "histogram_quantile(0.95, sum by (le) (sealwright_reconcile_duration_seconds_bucket)) > 0"
                .to_owned(),
        ),
        (
            "queue depth",
            "count(sealwright_reconcile_queue_depth) >= 3".to_owned(),
        ),
        (
            "operations by type and phase",
            "sealwright_ops_requests{phase=\"Successful\"} > 0".to_owned(),
        ),
        (
            "step durations",
            "sealwright_ops_step_duration_seconds_count > 0".to_owned(),
        ),
        ("pauses", "sealwright_pauses_held >= 0".to_owned()),
        (
            "phases",
            of("sealwright_database_phase{namespace=\"NS\",phase=\"Ready\"} == 1"),
        ),
        (
            "certificate expiry per database",
            of("sealwright_certificate_expiry_timestamp_seconds{namespace=\"NS\"} > time()"),
        ),
        (
            "and per member, as served",
            of("sealwright_served_certificate_expiry_timestamp_seconds{namespace=\"NS\"} > time()"),
        ),
        (
            "which is that of the Secret",
            of("sealwright_served_certificate_matches_secret{namespace=\"NS\"} == 1"),
        ),
        (
            "sessions by protection",
            of("sealwright_application_sessions{namespace=\"NS\",tls=\"false\"} >= 0"),
        ),
        (
            "how long requests ran",
            "sealwright_ops_phase_duration_seconds_count{phase=\"Progressing\"} > 0".to_owned(),
        ),
        (
            "since when the database was paused, while it was",
            of(
                "last_over_time(sealwright_database_paused_since_timestamp_seconds{namespace=\"NS\"}[5m]) > 0",
            ),
        ),
        (
            "since when the operation was at a step, while it ran",
            of("last_over_time(sealwright_ops_step_since_timestamp_seconds{namespace=\"NS\"}[5m]) > 0"),
        ),
        (
            "the same of the phase",
            of(
                "last_over_time(sealwright_ops_phase_since_timestamp_seconds{namespace=\"NS\",phase=\"Progressing\"}[5m]) > 0",
            ),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_prometheus_gets_what_it_needs() -> Result<()> {
    in_namespace("metrics", |namespace| async move { scraped(&namespace).await }).await
}

async fn scraped(namespace: &TestNamespace) -> Result<()> {
    standalone(namespace).await?;
    let cluster = Cluster {
        client: namespace.client.clone(),
    };
    let mut targets = BTreeMap::new();
    for operator in OPERATORS {
        targets.insert(
            operator,
            forward_leader(&cluster, operator).await.context(operator)?,
        );
    }
    // Some series exist only while an operation runs, so Prometheus is there first.
    let prometheus = Prometheus::start(&targets).await?;
    let add_tls = requests::run(
        namespace,
        manifests::ADD_TLS,
        "add-tls",
        DATABASE,
        story::OPERATION_TIMEOUT,
    );
    add_tls.await?;
    for (what, query) in queries(&namespace.name) {
        prometheus.until_it_returns(&query).await.context(what)?;
    }
    alerts_and_dashboard_work(&prometheus).await
}

/// Prometheus understands every alert and every panel, and has seen every metric that they ask for.
async fn alerts_and_dashboard_work(prometheus: &Prometheus) -> Result<()> {
    let seen = prometheus.metric_names().await?;
    let mut unseen = BTreeSet::new();
    for query in monitoring::everything()? {
        let answer = prometheus.answer(&query.expression).await?;
        ensure!(answer["status"] == "success", "{}: {answer}", query.of);
        let names = metric_names(&query.expression).into_iter();
        unseen.extend(names.filter(|name| !seen.contains(name)));
    }
    ensure!(
        unseen.is_empty(),
        "Prometheus has not seen {unseen:?}, only {seen:?}"
    );
    Ok(())
}

/// Forwards a loopback port to the operator's Pod that holds the lease (all of them serve metrics, it has them all).
async fn forward_leader(cluster: &Cluster, operator: &str) -> Result<u16> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), SYSTEM_NAMESPACE);
    let list = pods
        .list(&ListParams::default().labels(&install::selector(operator)))
        .await?
        .items;
    for pod in list {
        let ports = pod
            .spec
            .iter()
            .flat_map(|s| &s.containers)
            .flat_map(|c| c.ports.iter().flatten());
        let port = ports
            .clone()
            .find(|p| p.name.as_deref() == Some(METRICS_PORT))
            .map(|p| p.container_port);
        let Some(port) = port.and_then(|p| u16::try_from(p).ok()) else {
            continue;
        };
        let local = forward(pods.clone(), pod.name_any(), port).await?;
        let text = reqwest::get(format!("http://127.0.0.1:{local}/metrics"))
            .await?
            .text()
            .await?;
        if text
            .lines()
            .any(|l| l.starts_with("sealwright_leader") && l.trim_end().ends_with(" 1"))
        {
            return Ok(local);
        }
    }
    anyhow::bail!("no Pod of {operator} says in its metrics that it leads")
}

async fn forward(pods: Api<Pod>, pod: String, port: u16) -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let local = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (pods, pod) = (pods.clone(), pod.clone());
            tokio::spawn(async move {
                let Ok(mut forward) = pods.portforward(&pod, &[port]).await else {
                    return;
                };
                let Some(mut stream) = forward.take_stream(port) else {
                    return;
                };
                let _ = tokio::io::copy_bidirectional(&mut socket, &mut stream).await;
            });
        }
    });
    Ok(local)
}

struct Prometheus {
    address: String,
    _process: Child,
}

impl Prometheus {
    async fn start(targets: &BTreeMap<&str, u16>) -> Result<Self> {
        let folder =
            std::env::temp_dir().join(format!("sealwright-prometheus-{:08x}", rand::random::<u32>()));
        tokio::fs::create_dir_all(&folder).await?;
        let jobs: String = targets
            .iter()
            .map(|(job, port)| {
                format!("- job_name: {job}\n  static_configs:\n  - targets: ['127.0.0.1:{port}']\n")
            })
            .collect();
        let config = folder.join("prometheus.yml");
        let text = format!("global:\n  scrape_interval: 1s\nscrape_configs:\n{jobs}");
        tokio::fs::write(&config, text).await?;
        // A port that was free a moment ago; Prometheus can't be told to choose one.
        let address = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.to_string();
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("Debian's package prometheus gives the program prometheus: is it installed?")?;
        Ok(Self {
            address,
            _process: process,
        })
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let url = format!("http://{}/api/v1/{path}", self.address);
        let request = reqwest::Client::new().get(&url).query(query);
        Ok(serde_json::from_str(&request.send().await?.text().await?)?)
    }

    async fn answer(&self, query: &str) -> Result<Value> {
        self.get("query", &[("query", query)]).await
    }

    /// The names of every series that was scraped so far.
    async fn metric_names(&self) -> Result<BTreeSet<String>> {
        let answer = self.get("label/__name__/values", &[]).await?;
        let names = answer["data"].as_array().context("no names")?.iter();
        Ok(names.filter_map(Value::as_str).map(str::to_owned).collect())
    }

    async fn until_it_returns(&self, query: &str) -> Result<()> {
        let answer = poll::until(query, SCRAPE_TIMEOUT, Duration::from_secs(1), || async {
            let answer = self.answer(query).await?;
            let found = answer["data"]["result"].as_array().is_some_and(|r| !r.is_empty());
            Ok(if found {
                Look::Found(answer)
            } else {
                Look::NotYet(answer.to_string())
            })
        })
        .await?;
        ensure!(answer["status"] == "success", "{answer}");
        Ok(())
    }
}
