//! A line of the table.

use std::fmt;
use std::time::Duration;

use api_types::PostgresOpsRequest;
use api_types::condition;
use api_types::ops_request::OpsRequestPhase;

use crate::attempts::Attempts;
use crate::report;

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// As asked.
    Successful,
    /// Nothing was begun.
    Refused,
    /// Given up before the spec was committed; members are back at what they had.
    RolledBack,
    /// Given up after the spec was committed; members follow it.
    CarriedOn,
    /// Given up, and members could not be brought to what the spec says.
    NotRestored,
    /// A newer request does the same.
    Skipped,
    /// The request was deleted, and is gone.
    Gone,
    /// No end within the time given.
    Never,
    /// This cluster can't do it; why.
    NotRun(String),
}

impl End {
    /// Reads it from a request.
    pub fn of(request: &PostgresOpsRequest) -> Self {
        let conditions = request
            .status
            .as_ref()
            .map(|status| status.conditions.as_slice())
            .unwrap_or_default();
        let is_true = |type_: &str| condition::is_true(conditions, type_);
        match request.phase() {
            Some(OpsRequestPhase::Successful) => Self::Successful,
            Some(OpsRequestPhase::Skipped) => Self::Skipped,
            Some(OpsRequestPhase::Failed | OpsRequestPhase::Denied) => {
                if !is_true("DatabasePauseSucceeded") {
                    Self::Refused
                } else if !is_true("RestoreDatabase") {
                    Self::NotRestored
                } else if is_true("UpdatePetSets") {
                    Self::CarriedOn
                } else {
                    Self::RolledBack
                }
            }
            _ => Self::Never,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Successful => f.write_str("Successful"),
            Self::Refused => f.write_str("Failed, nothing touched"),
            Self::RolledBack => f.write_str("Failed, rolled back"),
            Self::CarriedOn => f.write_str("Failed, members follow the committed spec"),
            Self::NotRestored => f.write_str("Failed, not restored"),
            Self::Skipped => f.write_str("Skipped"),
            Self::Gone => f.write_str("gone, nothing left"),
            Self::Never => f.write_str("did not end"),
            Self::NotRun(why) => write!(f, "not run: {why}"),
        }
    }
}

/// What one fault during one operation came to.
#[derive(Clone, Debug)]
pub struct Row {
    /// The fault.
    pub fault: String,
    /// The operation.
    pub operation: String,
    /// How it ended.
    pub ended: String,
    /// New `verify-full` connections.
    pub probes: Attempts,
    /// Reads of a standby; none without one.
    pub reads: Option<Attempts>,
    /// Longest time between two acknowledged rows.
    pub gap: Option<Duration>,
    /// Rows that were acknowledged, and how many of them are not there.
    pub rows: Option<(usize, usize)>,
    /// From the request to its end.
    pub duration: Duration,
    /// What is not as it must be.
    pub trouble: Vec<String>,
}

impl Row {
    /// A row without measurements.
    pub fn bare(fault: &str, operation: &str, ended: &str) -> Self {
        Self {
            fault: fault.to_owned(),
            operation: operation.to_owned(),
            ended: ended.to_owned(),
            probes: Attempts::default(),
            reads: None,
            gap: None,
            rows: None,
            duration: Duration::ZERO,
            trouble: Vec::new(),
        }
    }

    /// A fault that could not be performed or judged.
    pub fn broken(fault: &str, error: &anyhow::Error) -> Self {
        Self {
            trouble: vec![format!("{error:#}")],
            ..Self::bare(fault, "-", "could not be judged")
        }
    }

    /// Both in one: sums, the longest gap, the longer duration, and either trouble.
    pub fn and(mut self, other: Self) -> Self {
        self.probes.add(&other.probes);
        if let (Some(all), Some(more)) = (&mut self.reads, &other.reads) {
            all.add(more);
        }
        self.gap = self.gap.max(other.gap);
        self.rows = other.rows.or(self.rows);
        self.duration = self.duration.max(other.duration);
        if self.ended != other.ended {
            self.ended = format!("{}; {}", self.ended, other.ended);
        }
        self.trouble.extend(other.trouble);
        self
    }

    /// Whether all is as it must be.
    pub fn is_good(&self) -> bool {
        self.trouble.is_empty()
    }

    /// Prints it as soon as it is there.
    pub fn tell(&self) {
        println!("{}", self.cells().join(" | "));
    }

    fn cells(&self) -> Vec<String> {
        let of = |attempts: &Attempts| format!("{} of {}", attempts.failed(), attempts.made);
        let dash = || "-".to_owned();
        let measured = |d: Duration| if d.is_zero() { dash() } else { report::seconds(d) };
        vec![
            self.fault.clone(),
            self.operation.clone(),
            format!("{}{}", self.ended, if self.is_good() { "" } else { " (!)" }),
            if self.probes.made == 0 {
                dash()
            } else {
                of(&self.probes)
            },
            self.gap.map_or_else(dash, report::seconds),
            self.reads.as_ref().map_or_else(dash, of),
            self.rows
                .map_or_else(dash, |(all, lost)| format!("{lost} of {all}")),
            measured(self.duration),
        ]
    }
}

/// The table, and below it what is not as it must be.
pub fn table(rows: &[Row]) -> String {
    let head = [
        "fault",
        "operation",
        "how it ended",
        "failed new connections",
        "longest write gap",
        "standby read errors",
        "acknowledged rows lost",
        "duration",
    ];
    let mut text = report::table(&head, rows.iter().map(Row::cells));
    for row in rows.iter().filter(|row| !row.is_good()) {
        text += &format!("(!) {}: {}\n", row.fault, row.trouble.join("; "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failed(conditions: &[(&str, &str)]) -> End {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(type_, status)| {
                json!({ "type": type_, "status": status, "lastTransitionTime": "2026-01-01T00:00:00Z" })
            })
            .collect();
        let request = json!({
            "apiVersion": "ops.kubedb.com/v1alpha1", "kind": "PostgresOpsRequest", "metadata": { "name": "r" },
            "spec": { "type": "ReconfigureTLS", "databaseRef": { "name": "db" } },
            "status": { "phase": "Failed", "conditions": conditions },
        });
        End::of(&serde_json::from_value(request).expect("a request"))
    }

    #[test]
    fn failures_are_told_apart_by_what_was_done() {
        let paused = ("DatabasePauseSucceeded", "True");
        let restored = ("RestoreDatabase", "True");
        assert_eq!(failed(&[("Failed", "True")]), End::Refused);
        assert_eq!(failed(&[paused, restored]), End::RolledBack);
        assert_eq!(
            failed(&[paused, ("UpdatePetSets", "True"), restored]),
            End::CarriedOn
        );
        assert_eq!(
            failed(&[paused, ("RestoreDatabase", "Unknown")]),
            End::NotRestored
        );
    }

    #[test]
    fn trouble_is_marked_and_told() {
        let mut row = Row::bare("node cut off", "rotate", "Successful");
        assert!(!table(&[row.clone()]).contains("(!)"));
        row.trouble.push("3 rows are lost".to_owned());
        assert!(table(&[row]).contains("(!) node cut off: 3 rows are lost"));
    }
}
