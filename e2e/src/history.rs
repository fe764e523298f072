//! Everything that happened to a database's Pods, taken from a watch: nothing that lasts an instant is missed.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::cluster::TestNamespace;
use crate::members::{self, Member};

/// A running record.
pub struct Recorder {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<History>>,
}

/// What was recorded.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// UIDs of each Pod, in the order in which they appeared; the first is the one from before.
    pub uids: BTreeMap<String, Vec<String>>,
    /// Pods in the order in which a new one of that name appeared.
    pub replaced: Vec<String>,
    /// Pods in the order in which they became primary; the first is the one from before.
    pub primaries: Vec<String>,
    /// Fewest members that were ready at one time, but for a change of primary, when the others turn to the new one.
    pub fewest_ready: usize,
    /// Container restarts seen, by Pod.
    pub restarts: BTreeMap<String, i32>,
    now: BTreeMap<String, Member>,
    listed: bool,
    /// The primary has moved and the old one's Pod is still there.
    switching: bool,
}

/// Begins to record; returns when the Pods that exist are in the record.
pub async fn record(namespace: &TestNamespace, database: &str) -> Result<Recorder> {
    let config = watcher::Config::default().labels(&members::selector(database));
    let stream = watcher(namespace.pods(), config).default_backoff();
    let (stop, mut stopped) = oneshot::channel();
    let (begun, mut has_begun) = mpsc::channel(1);
    let task = tokio::spawn(async move {
        let mut history = History {
            fewest_ready: usize::MAX,
            ..History::default()
        };
        let mut stream = stream.map_err(anyhow::Error::from).boxed();
        loop {
            let event = tokio::select! {
                _ = &mut stopped => return Ok(history),
                event = stream.try_next() => event,
            };
            match event {
                Ok(Some(watcher::Event::InitApply(pod) | watcher::Event::Apply(pod))) => history.see(&pod),
                Ok(Some(watcher::Event::Delete(pod))) => history.forget(&pod),
                Ok(Some(watcher::Event::InitDone)) => {
                    history.listed = true;
                    history.count();
                    let _ = begun.try_send(());
                }
                Ok(Some(watcher::Event::Init)) => {}
                Ok(None) => bail!("the watch of the Pods ended"),
                // The watcher starts over by itself; what it lists then is compared by UID.
                Err(_) => {}
            }
        }
    });
    has_begun
        .recv()
        .await
        .context("the watch of the Pods did not start")?;
    Ok(Recorder { stop, task })
}

impl Recorder {
    /// Ends the record.
    pub async fn finish(self) -> Result<History> {
        let _ = self.stop.send(());
        self.task.await.context("the record broke")?
    }
}

impl History {
    fn see(&mut self, pod: &Pod) {
        let member = Member::of(pod);
        let uids = self.uids.entry(member.name.clone()).or_default();
        if !uids.contains(&member.uid) {
            if !uids.is_empty() {
                self.replaced.push(member.name.clone());
            }
            uids.push(member.uid.clone());
        }
        let restarts = self.restarts.entry(member.name.clone()).or_default();
        *restarts = (*restarts).max(member.restarts);
        if member.is_primary() && self.primaries.last() != Some(&member.name) {
            // A relabelled old primary is still in `now` with its old role; only a change counts.
            let was = self
                .now
                .get(&member.name)
                .is_some_and(|m| m.is_primary() && m.uid == member.uid);
            if !was {
                self.switching = !self.primaries.is_empty();
                self.primaries.push(member.name.clone());
            }
        }
        self.now.insert(member.name.clone(), member);
        self.count();
    }

    fn forget(&mut self, pod: &Pod) {
        let member = Member::of(pod);
        if self.now.get(&member.name).is_some_and(|m| m.uid == member.uid) {
            self.now.remove(&member.name);
            self.switching = false;
        }
        self.count();
    }

    fn count(&mut self) {
        if !self.listed || self.switching {
            return;
        }
        self.fewest_ready = self
            .fewest_ready
            .min(self.now.values().filter(|m| m.ready).count());
    }

    /// Every Pod was replaced exactly once: standbys first, then the old primary, and the primary moved once
    /// (never, when there is only one member).
    pub fn check_rolling_restart(&self) -> Result<()> {
        for (pod, uids) in &self.uids {
            ensure!(
                uids.len() == 2,
                "{pod} was replaced {} times, not once: {uids:?}",
                uids.len() - 1
            );
        }
        let members = self.uids.len();
        if members == 1 {
            return Ok(());
        }
        let (primaries, replaced) = (&self.primaries, &self.replaced);
        ensure!(
            primaries.len() == 2,
            "the primary did not move exactly once: {primaries:?}"
        );
        ensure!(
            replaced.last() == primaries.first(),
            "the old primary {:?} was not replaced last: {replaced:?}",
            primaries.first()
        );
        // All are there at the beginning and at the end; one at a time is away in between.
        ensure!(
            self.fewest_ready + 1 >= members,
            "only {} members were ready once",
            self.fewest_ready
        );
        Ok(())
    }

    /// Nothing happened to any Pod.
    pub fn check_untouched(&self) -> Result<()> {
        for (pod, uids) in &self.uids {
            ensure!(uids.len() == 1, "{pod} was replaced: {uids:?}");
        }
        ensure!(
            self.primaries.len() <= 1,
            "the primary moved: {:?}",
            self.primaries
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, uid: &str, role: Option<&str>, ready: bool) -> Pod {
        let labels = role.map(|r| json!({ "kubedb.com/role": r })).unwrap_or(json!({}));
        serde_json::from_value(json!({
            "metadata": { "name": name, "uid": uid, "labels": labels },
            "status": { "conditions": [{ "type": "Ready", "status": if ready { "True" } else { "False" } }] },
        }))
        .expect("a Pod")
    }

    fn two_members() -> History {
        let mut history = History {
            fewest_ready: usize::MAX,
            ..History::default()
        };
        history.see(&pod("db-0", "a", Some("primary"), true));
        history.see(&pod("db-1", "b", Some("standby"), true));
        history.listed = true;
        history
    }

    #[test]
    fn standby_first_then_the_old_primary_is_a_rolling_restart() {
        let mut history = two_members();
        history.see(&pod("db-1", "c", Some("standby"), true));
        history.see(&pod("db-1", "c", Some("primary"), true));
        history.see(&pod("db-0", "d", Some("standby"), true));
        history.check_rolling_restart().expect("it is one");
        history.check_untouched().expect_err("it is not untouched");
    }

    #[test]
    fn a_standby_that_turns_to_the_new_primary_is_not_away() {
        let mut history = two_members();
        history.count();
        history.see(&pod("db-1", "c", Some("primary"), true));
        history.see(&pod("db-0", "a", Some("standby"), false));
        assert_eq!(history.fewest_ready, 2);
        history.forget(&pod("db-0", "a", Some("standby"), false));
        assert_eq!(history.fewest_ready, 1);
    }

    #[test]
    fn a_primary_that_moves_twice_is_told() {
        let mut history = two_members();
        history.see(&pod("db-1", "c", Some("primary"), true));
        history.see(&pod("db-0", "a", Some("standby"), true));
        history.see(&pod("db-0", "d", Some("primary"), true));
        history.check_rolling_restart().expect_err("moved twice");
    }
}
