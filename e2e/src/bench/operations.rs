//! The operations, without a restart and with one, and renewals that nobody asked for.

use anyhow::Result;
use api_types::Postgres;
use tokio::time::Instant;

use super::samples::Samples;
use super::{PROVISIONING_TIMEOUT, Runs, renewal};
use crate::cluster::TestNamespace;
use crate::progress::Narrator;
use crate::story::{self, Performed, Stage};
use crate::writer::{Choice, Writer};
use crate::{manifests, report, requests, wait};

const DATABASE: &str = "ha-postgres";
/// One round; each leaves the database as the next round needs it.
const ROUND: [(&str, &str); 6] = [
    ("add TLS", manifests::ADD_TLS),
    ("rotate", manifests::ROTATE_TLS),
    ("change issuer", manifests::CHANGE_ISSUER),
    ("change certificates", manifests::UPDATE_CERTIFICATES),
    ("restart", manifests::RESTART),
    ("remove TLS", manifests::REMOVE_TLS),
];
/// Every rolling restart, whatever it is for.
const ANY_RESTART: &str = "any rolling restart of three";
const ROTATIONS: &str = "rotate, in a row";
const MOVES: &str = "change issuer, in a row";

/// Returns how many rows were acknowledged.
pub(super) async fn measure(namespace: &TestNamespace, runs: Runs, samples: &mut Samples) -> Result<usize> {
    requests::issuers(namespace).await?;
    let begin = Instant::now();
    manifests::apply(namespace, manifests::HA_POSTGRES).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, PROVISIONING_TIMEOUT).await?;
    samples.add("create, until Ready", begin.elapsed(), None);
    let narrator = Narrator::silent();
    // Speed first, with one application that writes; then many that connect, which takes much of the processor.
    let writer = Writer::start(namespace, DATABASE, Choice::MEASURING).await?;
    let stage = self::stage(namespace, &narrator, &writer);
    let mut bench = Bench {
        stage,
        asked: 0,
        samples,
    };
    bench.rounds(runs).await?;
    bench.perform("add TLS", manifests::ADD_TLS, "auto").await?;
    for _ in 0..runs.renewals {
        let served = renewal::measure(&writer, namespace, DATABASE).await?;
        eprintln!("renewed: {served:.2?}");
        bench
            .samples
            .add("a renewal: Secret changed, served by all", served, None);
    }
    let asked = bench.asked;
    let rows = writer.finish().await?;
    let choice = Choice {
        companions: true,
        ..Choice::MEASURING
    };
    let writer = Writer::start(namespace, DATABASE, choice).await?;
    let stage = self::stage(namespace, &narrator, &writer);
    let mut bench = Bench {
        stage,
        asked,
        samples,
    };
    bench.connections(runs.connections).await?;
    Ok(rows + writer.finish().await?)
}

fn stage<'a>(namespace: &'a TestNamespace, narrator: &'a Narrator, writer: &'a Writer) -> Stage<'a> {
    Stage {
        namespace,
        database: DATABASE,
        narrator,
        writer: Some(writer),
    }
}

struct Bench<'a> {
    stage: Stage<'a>,
    /// Requests so far, for their names.
    asked: usize,
    samples: &'a mut Samples,
}

impl Bench<'_> {
    async fn rounds(&mut self, runs: Runs) -> Result<()> {
        for (restart, rounds) in [("auto", runs.rounds), ("true", runs.restarting)] {
            for _ in 0..rounds {
                self.round(restart).await?;
            }
        }
        Ok(())
    }

    async fn round(&mut self, restart: &str) -> Result<()> {
        for (title, yaml) in ROUND {
            if restart == "true" {
                let title = format!("{title}, with a restart");
                let performed = self.perform(&title, yaml, restart).await?;
                let gap = performed.stretch.as_ref().map(|s| s.longest_gap);
                self.samples.add(ANY_RESTART, performed.duration, gap);
            } else if yaml != manifests::RESTART {
                self.perform(title, yaml, restart).await?;
            }
        }
        Ok(())
    }

    /// Rotations, then changes of issuer to and fro, until so many new connections were made during each.
    async fn connections(&mut self, wanted: usize) -> Result<()> {
        while self.samples.connections(ROTATIONS) < wanted {
            self.perform(ROTATIONS, manifests::ROTATE_TLS, "auto").await?;
        }
        while self.samples.connections(MOVES) < wanted {
            for yaml in [manifests::CHANGE_ISSUER, &back_again()] {
                self.perform(MOVES, yaml, "auto").await?;
            }
        }
        Ok(())
    }

    /// Does an operation, and takes down what it cost.
    async fn perform(&mut self, title: &str, yaml: &str, restart: &str) -> Result<Performed> {
        self.asked += 1;
        let name = format!("bench-{}", self.asked);
        let yaml = manifests::with_restart(yaml, restart);
        let performed = story::perform(&self.stage, title, &yaml, &name).await?;
        eprintln!("{name}: {title}: {}", report::seconds(performed.duration));
        self.samples.add_performed(title, &performed);
        Ok(performed)
    }
}

/// The change of issuer, back to the first one.
fn back_again() -> String {
    manifests::CHANGE_ISSUER.replace("pg-new-issuer", "pg-issuer")
}

#[cfg(test)]
mod tests {
    use api_types::PostgresOpsRequest;

    use super::*;

    #[test]
    fn the_way_back_names_the_first_issuer() {
        let request: PostgresOpsRequest = manifests::parse(&back_again()).unwrap();
        let issuer = request.spec.tls.unwrap().issuer_ref.unwrap();
        assert_eq!(issuer.name, "pg-issuer");
    }
}
