//! Metrics of operations.

use std::collections::BTreeMap;

use api_types::PostgresOpsRequest;
use api_types::condition;
use api_types::ops_request::OpsRequestPhase;
use jiff::Timestamp;
use kube::ResourceExt;
use runtime::prometheus::{self, HistogramOpts, HistogramVec, IntGauge, IntGaugeVec, Opts};
use runtime::{Sample, Series, unix_seconds};

use crate::engine::{PAUSE, RESUME};

/// What ops-manager counts besides the metrics of every operator.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: IntGaugeVec,
    steps: HistogramVec,
    phases: HistogramVec,
    phase_since: Series,
    step_since: Series,
    pauses: IntGauge,
}

/// There is one owner of the series of requests: all of them are counted in one go.
const ALL_REQUESTS: &str = "";

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
            phases: HistogramVec::new(
                HistogramOpts::new(
                    "sealwright_ops_phase_duration_seconds",
                    "How long requests were in a phase that they have left.",
                )
                .buckets(vec![
                    1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0,
                ]),
                &["type", "phase"],
            )?,
            phase_since: Series::new(
                process,
                "sealwright_ops_phase_since_timestamp_seconds",
                "When a request that has not ended got into its phase; Unix time.",
                &["namespace", "database", "request", "type", "phase"],
            )?,
            step_since: Series::new(
                process,
                "sealwright_ops_step_since_timestamp_seconds",
                "When the step began that a running request is at; Unix time.",
                &["namespace", "database", "request", "type", "step"],
            )?,
            pauses: IntGauge::new(
                "sealwright_pauses_held",
                "Databases that a running operation holds paused.",
            )?,
        };
        process.register(metrics.requests.clone())?;
        process.register(metrics.steps.clone())?;
        process.register(metrics.phases.clone())?;
        process.register(metrics.pauses.clone())?;
        Ok(metrics)
    }

    /// A step was seen done.
    pub fn step_done(&self, type_: &str, step: &str, seconds: f64) {
        self.steps.with_label_values(&[type_, step]).observe(seconds);
    }

    /// A request leaves the phase that it is in for this one.
    pub fn phase_changes(&self, request: &PostgresOpsRequest, to: Option<OpsRequestPhase>, now: Timestamp) {
        let phase = phase(request);
        if to == Some(phase) {
            return;
        }
        if let Some(since) = phase_since(request, phase) {
            self.phases
                .with_label_values(&[request.spec.type_.as_str(), phase.as_str()])
                .observe(now.duration_since(since).as_secs_f64().max(0.0));
        }
    }

    /// Counts the requests that exist.
    pub fn count<'a>(&self, requests: impl Iterator<Item = &'a PostgresOpsRequest>) {
        let mut by_type_and_phase: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        let mut pauses = 0;
        let (mut phases, mut steps) = (Vec::new(), Vec::new());
        for request in requests {
            let phase = phase(request);
            phases.extend(open_phase(request, phase));
            steps.extend(open_step(request, phase));
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
        self.phase_since.replace(ALL_REQUESTS, phases);
        self.step_since.replace(ALL_REQUESTS, steps);
    }
}

fn phase(request: &PostgresOpsRequest) -> OpsRequestPhase {
    request.phase().unwrap_or(OpsRequestPhase::Pending)
}

/// A request runs since the condition of its type is there, and waits since it was made.
fn phase_since(request: &PostgresOpsRequest, phase: OpsRequestPhase) -> Option<Timestamp> {
    match phase {
        OpsRequestPhase::Progressing => {
            let began = condition::find(request.conditions(), request.spec.type_.as_str())?;
            Some(began.last_transition_time.0)
        }
        _ => Some(request.metadata.creation_timestamp.as_ref()?.0),
    }
}

fn open_phase(request: &PostgresOpsRequest, phase: OpsRequestPhase) -> Option<Sample> {
    if phase.is_terminal() {
        return None;
    }
    let since = phase_since(request, phase)?;
    Some(sample(request, phase.as_str(), since))
}

/// The step that a running request is at: steps have their own name as reason, their parts have none.
fn open_step(request: &PostgresOpsRequest, phase: OpsRequestPhase) -> Option<Sample> {
    if phase != OpsRequestPhase::Progressing {
        return None;
    }
    let mut steps = request.conditions().iter().rev();
    let step = steps.find(|it| it.is_false() && it.reason.as_deref() == Some(it.type_.as_str()))?;
    Some(sample(request, &step.type_, step.last_transition_time.0))
}

fn sample(request: &PostgresOpsRequest, last: &str, since: Timestamp) -> Sample {
    let labels = vec![
        request.namespace().unwrap_or_default(),
        request.spec.database_ref.name.clone(),
        request.name_any(),
        request.spec.type_.as_str().to_owned(),
        last.to_owned(),
    ];
    (labels, Some(unix_seconds(since)))
}

fn holds_pause(request: &PostgresOpsRequest, phase: OpsRequestPhase) -> bool {
    let conditions = request.conditions();
    phase == OpsRequestPhase::Progressing
        && condition::is_true(conditions, PAUSE.condition)
        && !condition::is_true(conditions, RESUME.condition)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(status: &str) -> PostgresOpsRequest {
        let text = format!(
            "{{metadata: {{name: add, namespace: demo, creationTimestamp: 2026-01-01T00:00:00Z}}, \
              spec: {{type: ReconfigureTLS, databaseRef: {{name: pg}}, tls: {{rotateCertificates: true}}}}, \
              status: {status}}}"
        );
        let head = "apiVersion: ops.kubedb.com/v1alpha1\nkind: PostgresOpsRequest\n";
        let mut value: serde_json::Value = serde_yaml::from_str(head).unwrap();
        let rest: serde_json::Value = serde_yaml::from_str(&text).unwrap();
        value
            .as_object_mut()
            .unwrap()
            .extend(rest.as_object().unwrap().clone());
        serde_json::from_value(value).unwrap()
    }

    const RUNNING: &str = "{phase: Progressing, conditions: [\
        {type: ReconfigureTLS, status: 'True', reason: ReconfigureTLS, lastTransitionTime: 2026-01-01T00:00:30Z}, \
        {type: DatabasePauseSucceeded, status: 'True', reason: DatabasePauseSucceeded, lastTransitionTime: 2026-01-01T00:00:31Z}, \
        {type: RestartNodes, status: 'False', reason: RestartNodes, lastTransitionTime: 2026-01-01T00:00:40Z}, \
        {type: EvictPod--pg-0, status: 'False', lastTransitionTime: 2026-01-01T00:00:41Z}]}";

    fn exported(metrics: &runtime::Metrics, name: &str) -> Vec<String> {
        let text = metrics.text().unwrap();
        let lines = text.lines().filter(|line| line.starts_with(name));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn a_running_request_shows_its_phase_and_step_until_it_ends() {
        let process = runtime::Metrics::new("ops-manager", "0.1.0").unwrap();
        let metrics = Metrics::new(&process).unwrap();
        metrics.count([request(RUNNING)].iter());
        let began = 1_767_225_600; // 2026-01-01T00:00:00Z
        let labels = r#"database="pg",namespace="demo""#;
        assert_eq!(
            exported(&process, "sealwright_ops_phase_since"),
            [format!(
                r#"sealwright_ops_phase_since_timestamp_seconds{{{labels},phase="Progressing",request="add",type="ReconfigureTLS"}} {}"#,
                began + 30
            )]
        );
        assert_eq!(
            exported(&process, "sealwright_ops_step_since"),
            [format!(
                r#"sealwright_ops_step_since_timestamp_seconds{{{labels},request="add",step="RestartNodes",type="ReconfigureTLS"}} {}"#,
                began + 40
            )]
        );
        metrics.count([request("{phase: Successful}")].iter());
        assert!(exported(&process, "sealwright_ops_phase_since").is_empty());
        assert!(exported(&process, "sealwright_ops_step_since").is_empty());
    }

    #[test]
    fn a_phase_is_measured_when_it_is_left() {
        let process = runtime::Metrics::new("ops-manager", "0.1.0").unwrap();
        let metrics = Metrics::new(&process).unwrap();
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        let sum = |phase: &str| {
            format!(r#"sealwright_ops_phase_duration_seconds_sum{{phase="{phase}",type="ReconfigureTLS"}}"#)
        };
        metrics.phase_changes(&request(RUNNING), Some(OpsRequestPhase::Progressing), now);
        assert!(exported(&process, "sealwright_ops_phase_duration").is_empty());
        metrics.phase_changes(&request("{}"), Some(OpsRequestPhase::Progressing), now);
        metrics.phase_changes(&request(RUNNING), Some(OpsRequestPhase::Successful), now);
        assert_eq!(
            exported(&process, &sum("Pending")),
            [format!("{} 60", sum("Pending"))]
        );
        assert_eq!(
            exported(&process, &sum("Progressing")),
            [format!("{} 30", sum("Progressing"))]
        );
    }
}
