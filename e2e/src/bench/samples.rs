//! What was measured, and the tables that tell it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::attempts::Probes;
use crate::report;
use crate::story::Performed;

/// Everything that was measured, by title, in the order in which it was first seen.
#[derive(Debug, Default)]
pub struct Samples {
    order: Vec<String>,
    all: BTreeMap<String, Measured>,
}

#[derive(Debug, Default)]
struct Measured {
    durations: Vec<Duration>,
    gaps: Vec<Duration>,
    steps: Vec<(String, Vec<Duration>)>,
    failed_writes: usize,
    connections: Probes,
}

impl Samples {
    /// A thing that took so long, and for so long no row was acknowledged meanwhile.
    pub fn add(&mut self, title: &str, duration: Duration, gap: Option<Duration>) {
        let measured = self.of(title);
        measured.durations.push(duration);
        measured.gaps.extend(gap);
    }

    /// An operation.
    pub fn add_performed(&mut self, title: &str, performed: &Performed) {
        let stretch = performed.stretch.as_ref();
        self.add(title, performed.duration, stretch.map(|s| s.longest_gap));
        let measured = self.of(title);
        measured.failed_writes += stretch.map_or(0, |s| s.error_count());
        measured.connections.current.add(&performed.probes.current);
        measured.connections.held.add(&performed.probes.held);
        let mut before = Duration::ZERO;
        for (step, at) in &performed.steps {
            measured.add_step(step, at.saturating_sub(before));
            before = *at;
        }
        measured.add_step("the end", performed.duration.saturating_sub(before));
    }

    /// New connections that were made since this was first measured.
    pub fn connections(&self, title: &str) -> usize {
        self.all
            .get(title)
            .map_or(0, |measured| measured.connections.all().made)
    }

    /// Durations, gaps and failures.
    pub fn table(&self) -> String {
        let head = [
            "",
            "runs",
            "p50",
            "p95",
            "max",
            "write gap p50",
            "p95",
            "max",
            "failed writes",
            "new connections",
            "failed",
            "with CAs of before too",
            "failed",
        ];
        let rows = self.each().map(|(title, measured)| {
            let mut row = vec![title.clone(), measured.durations.len().to_string()];
            row.extend(quantiles(&measured.durations));
            row.extend(quantiles(&measured.gaps));
            row.push(measured.failed_writes.to_string());
            for attempts in [&measured.connections.current, &measured.connections.held] {
                row.push(attempts.made.to_string());
                row.push(attempts.failed().to_string());
            }
            row
        });
        report::table(&head, rows)
    }

    /// The median time of every step, one operation per line.
    pub fn breakdown(&self) -> String {
        let rows = self.each().filter(|(_, measured)| !measured.steps.is_empty());
        let lines = rows.map(|(title, measured)| {
            let steps = measured.steps.iter().map(|(step, times)| {
                let [median, ..] = quantiles(times);
                format!("{step} {median}")
            });
            vec![title.clone(), steps.collect::<Vec<_>>().join(", ")]
        });
        report::table(&["", "step after step"], lines)
    }

    fn each(&self) -> impl Iterator<Item = (&String, &Measured)> {
        self.order
            .iter()
            .filter_map(|title| Some((title, self.all.get(title)?)))
    }

    fn of(&mut self, title: &str) -> &mut Measured {
        if !self.all.contains_key(title) {
            self.order.push(title.to_owned());
        }
        self.all.entry(title.to_owned()).or_default()
    }
}

impl Measured {
    fn add_step(&mut self, step: &str, time: Duration) {
        match self.steps.iter_mut().find(|(known, _)| known == step) {
            Some((_, times)) => times.push(time),
            None => self.steps.push((step.to_owned(), vec![time])),
        }
    }
}

/// p50, p95 and maximum (nearest rank), or dashes.
fn quantiles(samples: &[Duration]) -> [String; 3] {
    let mut samples = samples.to_vec();
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
        let samples: Vec<Duration> = (1..=20).rev().map(Duration::from_secs).collect();
        assert_eq!(quantiles(&samples), ["10.00 s", "19.00 s", "20.00 s"]);
        assert_eq!(quantiles(&[]), ["-", "-", "-"]);
    }

    #[test]
    fn things_stay_in_the_order_in_which_they_came() {
        let mut samples = Samples::default();
        for title in ["rotate", "add", "rotate"] {
            samples.add(title, Duration::from_secs(1), None);
        }
        let table = samples.table();
        let titles: Vec<&str> = table.lines().filter_map(|line| line.split("  ").next()).collect();
        assert_eq!(titles, ["", "rotate", "add"]);
        assert!(table.contains("rotate  2 "), "{table}");
    }
}
