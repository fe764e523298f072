//! `make bench`: how long operations take and how long writes stand still, over several runs on the real cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use api_types::Postgres;
use clap::Parser;
use e2e::cluster::{Cluster, TestNamespace};
use e2e::progress::Narrator;
use e2e::story::{self, Performed, Stage};
use e2e::writer::Writer;
use e2e::{install, manifests, report, requests, wait};
use tokio::time::Instant;

const NAMESPACE: &str = "sealwright-bench";
const DATABASE: &str = "ha-postgres";
const PROVISIONING: Duration = Duration::from_secs(180);

/// One round; each leaves the database as the next round needs it.
const ROUND: [(&str, &str); 6] = [
    ("add TLS", manifests::ADD_TLS),
    ("rotate", manifests::ROTATE_TLS),
    ("change issuer", manifests::CHANGE_ISSUER),
    ("change certificates", manifests::UPDATE_CERTIFICATES),
    ("restart", manifests::RESTART),
    ("remove TLS", manifests::REMOVE_TLS),
];

/// How a round is done: `spec.tls.restart`, and what the table calls it.
const WAYS: [(&str, &str); 2] = [("true", ""), ("auto", ", no restart")];

/// Measure operations.
#[derive(Parser)]
struct Arguments {
    /// Rounds over all operations.
    #[arg(long, default_value_t = 3, env = "SEALWRIGHT_BENCH_ROUNDS")]
    rounds: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let cluster = Cluster::connect().await?;
    install::everything(&cluster).await?;
    cluster.remove_namespace(NAMESPACE).await?;
    let namespace = cluster.namespace(NAMESPACE).await?;
    let outcome = measure(&namespace, arguments.rounds).await;
    namespace.remove().await?;
    println!("{}", outcome?);
    Ok(())
}

async fn measure(namespace: &TestNamespace, rounds: usize) -> Result<String> {
    manifests::apply(namespace, manifests::ISSUERS).await?;
    requests::issuer_ready(namespace, "pg-issuer").await?;
    requests::issuer_ready(namespace, "pg-new-issuer").await?;
    let mut samples = Samples::default();
    let begin = Instant::now();
    manifests::apply(namespace, manifests::HA_POSTGRES).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING).await?;
    samples.add("create", begin.elapsed(), None);
    let writer = Writer::start(namespace, DATABASE).await?;
    let narrator = Narrator::silent();
    let stage = Stage {
        namespace,
        database: DATABASE,
        narrator: &narrator,
        writer: Some(&writer),
    };
    for round in 0..rounds {
        for (restart, suffix) in WAYS {
            for (number, (title, yaml)) in ROUND.into_iter().enumerate() {
                if restart != "true" && yaml == manifests::RESTART {
                    continue;
                }
                let (title, name) = (
                    format!("{title}{suffix}"),
                    format!("bench-{round}-{restart}-{number}"),
                );
                let yaml = manifests::with_restart(yaml, restart);
                let performed = story::perform(&stage, &title, &yaml, &name).await?;
                eprintln!("round {round}: {title}: {}", report::seconds(performed.duration));
                samples.add_performed(&performed);
            }
        }
    }
    let rows = writer.finish().await?;
    Ok(format!(
        "{}\n{rows} acknowledged rows, none lost",
        samples.table()
    ))
}

#[derive(Default)]
struct Samples {
    order: Vec<String>,
    durations: BTreeMap<String, Vec<Duration>>,
    gaps: BTreeMap<String, Vec<Duration>>,
    errors: BTreeMap<String, usize>,
}

impl Samples {
    fn add_performed(&mut self, performed: &Performed) {
        let errors = performed.stretch.as_ref().map_or(0, |s| s.error_count());
        *self.errors.entry(performed.title.clone()).or_default() += errors;
        self.add(
            &performed.title,
            performed.duration,
            performed.stretch.as_ref().map(|s| s.longest_gap),
        );
    }

    fn add(&mut self, title: &str, duration: Duration, gap: Option<Duration>) {
        if !self.durations.contains_key(title) {
            self.order.push(title.to_owned());
        }
        self.durations.entry(title.to_owned()).or_default().push(duration);
        self.gaps.entry(title.to_owned()).or_default().extend(gap);
    }

    fn table(mut self) -> String {
        let head = [
            "operation",
            "runs",
            "duration p50",
            "p95",
            "max",
            "write gap p50",
            "write gap p95",
            "write gap max",
            "failed connections and writes",
        ];
        let rows: Vec<Vec<String>> = self
            .order
            .iter()
            .map(|title| {
                let durations = self.durations.entry(title.clone()).or_default();
                let mut row = vec![title.clone(), durations.len().to_string()];
                row.extend(quantiles(durations));
                row.extend(quantiles(self.gaps.entry(title.clone()).or_default()));
                row.push(self.errors.get(title).copied().unwrap_or(0).to_string());
                row
            })
            .collect();
        report::table(&head, rows.into_iter())
    }
}

/// p50, p95 and maximum (nearest rank), or dashes.
fn quantiles(samples: &mut [Duration]) -> [String; 3] {
    samples.sort();
    let at = |percent: usize| {
        let rank = (samples.len() * percent).div_ceil(100).saturating_sub(1);
        samples
            .get(rank)
            .map_or_else(|| "-".to_owned(), |d| report::seconds(*d))
    };
    [at(50), at(95), at(100)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let mut samples: Vec<Duration> = (1..=20).map(Duration::from_secs).collect();
        assert_eq!(quantiles(&mut samples), ["10.00 s", "19.00 s", "20.00 s"]);
        assert_eq!(quantiles(&mut []), ["-", "-", "-"]);
    }
}
