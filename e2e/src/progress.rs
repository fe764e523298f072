//! A line of progress per step, taken from the conditions of the object that is waited for.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Context, Result};
use api_types::{Condition, Postgres, PostgresOpsRequest};
use futures::{StreamExt, TryStreamExt};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

/// Tells a story: every line begins with the time since the beginning.
#[derive(Clone, Debug)]
pub struct Narrator {
    begin: Instant,
    quiet: bool,
}

impl Narrator {
    /// Begins now.
    pub fn new() -> Self {
        Self {
            begin: Instant::now(),
            quiet: false,
        }
    }

    /// Says nothing; for tests and measurements.
    pub fn silent() -> Self {
        Self {
            begin: Instant::now(),
            quiet: true,
        }
    }

    /// A headline.
    pub fn chapter(&self, title: &str) {
        if !self.quiet {
            println!("\n== {title}");
        }
    }

    /// A line.
    pub fn say(&self, line: &str) {
        if !self.quiet {
            println!("{:>7.1}s  {line}", self.begin.elapsed().as_secs_f64());
        }
    }
}

impl Default for Narrator {
    fn default() -> Self {
        Self::new()
    }
}

/// Objects with conditions and a phase.
pub trait Observable:
    Resource<DynamicType = ()> + Clone + Debug + Send + Sync + DeserializeOwned + 'static
{
    /// The phase, as a word.
    fn phase_word(&self) -> Option<String>;
    /// The conditions.
    fn conditions(&self) -> &[Condition];
}

impl Observable for Postgres {
    fn phase_word(&self) -> Option<String> {
        self.status.as_ref()?.phase.map(|p| p.as_str().to_owned())
    }
    fn conditions(&self) -> &[Condition] {
        self.status
            .as_ref()
            .map(|s| s.conditions.as_slice())
            .unwrap_or_default()
    }
}

impl Observable for PostgresOpsRequest {
    fn phase_word(&self) -> Option<String> {
        self.status.as_ref()?.phase.map(|p| format!("{p:?}"))
    }
    fn conditions(&self) -> &[Condition] {
        self.status
            .as_ref()
            .map(|s| s.conditions.as_slice())
            .unwrap_or_default()
    }
}

/// Says every change of phase and conditions until `ended`; errors after `deadline`.
pub async fn follow<K: Observable>(
    narrator: &Narrator,
    api: &Api<K>,
    name: &str,
    deadline: Duration,
    ended: impl Fn(&K) -> bool,
) -> Result<K> {
    let mut printed = Printed::default();
    let follow = async {
        let mut stream = watch_object(api.clone(), name).default_backoff().boxed();
        loop {
            // Broken watches start over by themselves; what was told is not told again.
            let Some(object) = stream.try_next().await.unwrap_or(Some(None)) else {
                continue;
            };
            let Some(object) = object else { continue };
            printed.news(&object).iter().for_each(|line| narrator.say(line));
            if ended(&object) {
                return object;
            }
        }
    };
    let kind = K::kind(&()).into_owned();
    let what = || format!("{kind} {name}: no end within {}s", deadline.as_secs());
    tokio::time::timeout(deadline, follow).await.with_context(what)
}

#[derive(Default)]
struct Printed {
    phase: Option<String>,
    conditions: BTreeMap<String, (String, Option<String>)>,
}

impl Printed {
    fn news<K: Observable>(&mut self, object: &K) -> Vec<String> {
        let mut lines = Vec::new();
        for condition in object.conditions() {
            let now = (condition.status.clone(), condition.message.clone());
            if self.conditions.get(&condition.type_) != Some(&now) {
                let mark = if condition.is_true() { "✓" } else { "…" };
                let message = condition.message.as_deref().unwrap_or("");
                lines.push(format!("  {mark} {}: {message}", condition.type_));
                self.conditions.insert(condition.type_.clone(), now);
            }
        }
        let phase = object.phase_word();
        if phase != self.phase {
            let to = phase.as_deref().unwrap_or("none");
            lines.push(format!("  phase {to}"));
            self.phase = phase;
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api_types::postgres::{DatabasePhase, PostgresStatus};

    #[test]
    fn news_are_told_once() {
        let mut postgres = Postgres::default();
        let mut printed = Printed::default();
        let ready = Condition::new("Ready", true, "R", "is up", jiff::Timestamp::UNIX_EPOCH);
        postgres.status = Some(PostgresStatus {
            phase: Some(DatabasePhase::Ready),
            conditions: vec![ready],
            ..PostgresStatus::default()
        });
        assert_eq!(printed.news(&postgres), ["  ✓ Ready: is up", "  phase Ready"]);
        assert!(printed.news(&postgres).is_empty());
    }
}
