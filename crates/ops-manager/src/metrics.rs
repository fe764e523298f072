//! Metrics of operations.

use std::collections::BTreeMap;

use api_types::PostgresOpsRequest;
use api_types::condition;
use api_types::ops_request::OpsRequestPhase;
use runtime::prometheus::{self, HistogramOpts, HistogramVec, IntGauge, IntGaugeVec, Opts};

use crate::step::StepName;

/// What ops-manager counts besides the metrics of every operator.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: IntGaugeVec,
    steps: HistogramVec,
    pauses: IntGauge,
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// When the registry refuses one, which means a bug in its name.
    pub fn new(process: &runtime::Metrics) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            requests: IntGaugeVec::new(
                Opts::new(
                    "sealwright_ops_requests",
                    "PostgresOpsRequests that exist, by type and phase.",
                ),
                &["type", "phase"],
            )?,
            steps: HistogramVec::new(
                HistogramOpts::new(
                    "sealwright_ops_step_duration_seconds",
                    "How long steps of operations took.",
                )
                .buckets(vec![
                    0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0,
                ]),
                &["type", "step"],
            )?,
            pauses: IntGauge::new(
                "sealwright_pauses_held",
                "Databases that a running operation holds paused.",
            )?,
        };
        process.register(metrics.requests.clone())?;
        process.register(metrics.steps.clone())?;
        process.register(metrics.pauses.clone())?;
        Ok(metrics)
    }

    /// A step was seen done.
    pub fn step_done(&self, type_: &str, step: &str, seconds: f64) {
        self.steps.with_label_values(&[type_, step]).observe(seconds);
    }

    /// Counts the requests that exist.
    pub fn count<'a>(&self, requests: impl Iterator<Item = &'a PostgresOpsRequest>) {
        let mut by_type_and_phase: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        let mut pauses = 0;
        for request in requests {
            let phase = request
                .status
                .as_ref()
                .and_then(|status| status.phase)
                .unwrap_or(OpsRequestPhase::Pending);
            *by_type_and_phase
                .entry((request.spec.type_.as_str(), phase.as_str()))
                .or_default() += 1;
            pauses += i64::from(holds_pause(request, phase));
        }
        self.requests.reset();
        for ((type_, phase), count) in by_type_and_phase {
            self.requests.with_label_values(&[type_, phase]).set(count);
        }
        self.pauses.set(pauses);
    }
}

fn holds_pause(request: &PostgresOpsRequest, phase: OpsRequestPhase) -> bool {
    let conditions = request
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    phase == OpsRequestPhase::Progressing
        && condition::is_true(conditions, StepName::Pause.as_str())
        && !condition::is_true(conditions, StepName::Resume.as_str())
}
