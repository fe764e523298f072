//! The process' metrics. Their labels are closed sets. Names of objects become labels only in [`Series`], which forgets
//! them again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use prometheus::{
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder, core::Collector,
};

use crate::apply_error::ApplyError;

/// Brings gauges up to date before they are read.
type Refresh = Box<dyn Fn() + Send + Sync>;

/// What is called before the metrics are read.
#[derive(Clone, Default)]
struct BeforeScrape(Arc<Mutex<Vec<Refresh>>>);

impl std::fmt::Debug for BeforeScrape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("functions")
    }
}

/// The registry of one process, with the metrics that all operators have.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    before_scrape: BeforeScrape,
    reconciles: IntCounterVec,
    errors: IntCounterVec,
    durations: HistogramVec,
    depth: IntGaugeVec,
    leader: IntGauge,
}

impl Metrics {
    /// Metrics of the operator with this name and version (`sealwright_build_info`).
    ///
    /// # Errors
    /// When the registry refuses a collector, which means a bug in a metric's name.
    pub fn new(operator: &str, version: &str) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            registry: Registry::new(),
            before_scrape: BeforeScrape::default(),
            reconciles: IntCounterVec::new(
                Opts::new(
                    "sealwright_reconciles_total",
                    "Reconciliations that ended, by outcome (success or error).",
                ),
                &["controller", "outcome"],
            )?,
            errors: IntCounterVec::new(
                Opts::new(
                    "sealwright_reconcile_errors_total",
                    "Reconciliations that failed, by the error's category.",
                ),
                &["controller", "category"],
            )?,
            durations: HistogramVec::new(
                HistogramOpts::new(
                    "sealwright_reconcile_duration_seconds",
                    "How long reconciliations took.",
                )
                .buckets(vec![0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]),
                &["controller"],
            )?,
            depth: IntGaugeVec::new(
                Opts::new(
                    "sealwright_reconcile_queue_depth",
                    "Objects being reconciled, or failed and waiting for their next attempt.",
                ),
                &["controller"],
            )?,
            leader: IntGauge::with_opts(
                Opts::new(
                    "sealwright_leader",
                    "1 while this process holds the Lease or needs none.",
                )
                .const_label("operator", operator),
            )?,
        };
        metrics.register(metrics.reconciles.clone())?;
        metrics.register(metrics.errors.clone())?;
        metrics.register(metrics.durations.clone())?;
        metrics.register(metrics.depth.clone())?;
        metrics.register(metrics.leader.clone())?;
        let build = GaugeVec::new(
            Opts::new("sealwright_build_info", "Always 1."),
            &["operator", "version"],
        )?;
        build.with_label_values(&[operator, version]).set(1.0);
        metrics.register(build)?;
        Ok(metrics)
    }

    /// The registry itself.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Adds a collector of the operator's own; keep a clone of it to change its values.
    ///
    /// # Errors
    /// When a collector with the same name is there already.
    pub fn register(&self, collector: impl Collector + 'static) -> Result<(), prometheus::Error> {
        self.registry.register(Box::new(collector))
    }

    /// The metrics of one controller. Its counters begin at 0: a rise from nothing is not seen by `increase()`.
    pub fn controller(&self, controller: &'static str) -> ControllerMetrics {
        for outcome in ["success", "error"] {
            self.reconciles.with_label_values(&[controller, outcome]);
        }
        for category in ApplyError::CATEGORIES {
            self.errors.with_label_values(&[controller, category]);
        }
        ControllerMetrics {
            metrics: self.clone(),
            controller,
        }
    }

    /// Calls `refresh` before the metrics are read, for gauges that are counted from what a process knows: nothing is
    /// counted without a scrape.
    pub fn before_scrape(&self, refresh: impl Fn() + Send + Sync + 'static) {
        let mut all = self
            .before_scrape
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.push(Box::new(refresh));
    }

    /// Records whether this process is the leader.
    pub fn set_leader(&self, leader: bool) {
        self.leader.set(leader.into());
    }

    /// All metrics in Prometheus' text format.
    ///
    /// # Errors
    /// When a metric can't be encoded.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        for refresh in &*self
            .before_scrape
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
        {
            refresh();
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// The metrics of one controller.
#[derive(Clone, Debug)]
pub struct ControllerMetrics {
    metrics: Metrics,
    controller: &'static str,
}

impl ControllerMetrics {
    /// A reconciliation ended: after how many seconds, and with which error category if it failed.
    pub fn ended(&self, seconds: f64, error: Option<&'static str>) {
        let outcome = if error.is_some() { "error" } else { "success" };
        self.metrics
            .reconciles
            .with_label_values(&[self.controller, outcome])
            .inc();
        self.metrics
            .durations
            .with_label_values(&[self.controller])
            .observe(seconds);
        if let Some(category) = error {
            self.metrics
                .errors
                .with_label_values(&[self.controller, category])
                .inc();
        }
    }

    /// How many objects are being reconciled or wait for another attempt.
    pub fn depth(&self, objects: usize) {
        let objects = i64::try_from(objects).unwrap_or(i64::MAX);
        self.metrics
            .depth
            .with_label_values(&[self.controller])
            .set(objects);
    }
}

/// A whole number as a gauge takes it. An f64 holds those up to 2^53 exactly: seconds of the next hundred million years.
#[allow(clippy::cast_precision_loss)]
pub fn exact(whole: i64) -> f64 {
    whole as f64
}

/// A time as Prometheus has it: Unix time in seconds.
pub fn unix_seconds(time: Timestamp) -> f64 {
    exact(time.as_second())
}

/// One series of a [`Series`]: the values of its labels, and its own; none when it is not known now.
pub type Sample = (Vec<String>, Option<f64>);

/// A gauge whose series belong to owners, such as the databases. What an owner no longer has is no longer exported: a
/// certificate that was removed must not expire in an alert.
#[derive(Clone, Debug)]
pub struct Series {
    gauge: GaugeVec,
    owned: Arc<Mutex<BTreeMap<String, BTreeSet<Vec<String>>>>>,
}

impl Series {
    /// Registers the gauge.
    ///
    /// # Errors
    /// When one of the same name is registered already.
    pub fn new(
        metrics: &Metrics,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<Self, prometheus::Error> {
        let gauge = GaugeVec::new(Opts::new(name, help), labels)?;
        metrics.register(gauge.clone())?;
        Ok(Self {
            gauge,
            owned: Arc::default(),
        })
    }

    /// Gives all series of an owner, as values of the labels and of the gauge. Without a value, which means that it is
    /// not known now, a series stays as it was.
    pub fn replace(&self, owner: &str, series: impl IntoIterator<Item = Sample>) {
        // The map stays valid whatever a panicking holder did.
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        let before = owned.remove(owner).unwrap_or_default();
        let mut now = BTreeSet::new();
        for (labels, value) in series {
            match value {
                Some(value) => self.gauge.with_label_values(&labels).set(value),
                None if before.contains(&labels) => {}
                None => continue,
            }
            now.insert(labels);
        }
        for gone in before.difference(&now) {
            // Absent is what we want.
            let _ = self.gauge.remove_label_values(gone);
        }
        if !now.is_empty() {
            owned.insert(owner.to_owned(), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_exports_what_it_has_now_and_keeps_what_is_not_known() {
        let metrics = Metrics::new("provisioner", "0.1.0").unwrap();
        let ends = Series::new(&metrics, "ends", "When.", &["database", "member"]).unwrap();
        let of = |database: &str, member: &str| vec![database.to_owned(), member.to_owned()];
        let lines = || -> Vec<String> {
            let text = metrics.text().unwrap();
            text.lines()
                .filter(|line| line.starts_with("ends"))
                .map(str::to_owned)
                .collect()
        };
        ends.replace("a", [(of("a", "a-0"), Some(1.0)), (of("a", "a-1"), Some(2.0))]);
        ends.replace("b", [(of("b", "b-0"), Some(3.0))]);
        ends.replace("a", [(of("a", "a-0"), None), (of("a", "a-2"), None)]);
        assert_eq!(
            lines(),
            [
                r#"ends{database="a",member="a-0"} 1"#,
                r#"ends{database="b",member="b-0"} 3"#
            ]
        );
        ends.replace("a", []);
        assert_eq!(lines(), [r#"ends{database="b",member="b-0"} 3"#]);
    }

    #[test]
    fn a_controller_counts_from_zero() {
        let metrics = Metrics::new("petset", "0.1.0").unwrap();
        metrics.controller("petset");
        let text = metrics.text().unwrap();
        assert!(text.contains(r#"sealwright_reconciles_total{controller="petset",outcome="error"} 0"#));
        assert!(
            text.contains(r#"sealwright_reconcile_errors_total{category="forbidden",controller="petset"} 0"#)
        );
    }

    #[test]
    fn a_failed_reconciliation_shows_in_three_metrics() {
        let metrics = Metrics::new("petset", "0.1.0").unwrap();
        metrics.controller("petset").ended(0.3, Some("conflict"));
        metrics.controller("petset").depth(2);
        let text = metrics.text().unwrap();
        assert!(
            text.contains(r#"sealwright_reconciles_total{controller="petset",outcome="error"} 1"#),
            "{text}"
        );
        assert!(
            text.contains(r#"sealwright_reconcile_errors_total{category="conflict",controller="petset"} 1"#)
        );
        assert!(text.contains(r#"sealwright_reconcile_duration_seconds_count{controller="petset"} 1"#));
        assert!(text.contains(r#"sealwright_reconcile_queue_depth{controller="petset"} 2"#));
        assert!(text.contains(r#"sealwright_leader{operator="petset"} 0"#));
    }
}
