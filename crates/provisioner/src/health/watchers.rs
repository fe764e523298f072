//! The health tasks: one per database, each with its latest report.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api_types::Postgres;
use futures::channel::mpsc::UnboundedSender;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::health::check::Checker;
use crate::health::{Report, Targets};

/// Time between checks while news may come any second.
const UNSETTLED_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// All health tasks of this process, by UID of the database.
pub struct Watchers {
    tasks: Mutex<HashMap<String, Watcher>>,
    wake: UnboundedSender<ObjectRef<Postgres>>,
}

struct Watcher {
    targets: watch::Sender<Targets>,
    report: watch::Receiver<Option<Arc<Report>>>,
    task: JoinHandle<()>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watchers {
    /// No tasks yet. `wake` gets a database when its report changes.
    pub fn new(wake: UnboundedSender<ObjectRef<Postgres>>) -> Self {
        Self {
            tasks: Mutex::default(),
            wake,
        }
    }

    /// The latest report about a database, if it was checked.
    pub fn latest(&self, uid: &str) -> Option<Arc<Report>> {
        self.lock()
            .get(uid)
            .and_then(|watcher| watcher.report.borrow().clone())
    }

    /// Checks these targets from now on: at once if they are new, then periodically.
    pub fn watch(&self, database: ObjectRef<Postgres>, uid: &str, targets: Targets) {
        let mut tasks = self.lock();
        if let Some(watcher) = tasks.get(uid) {
            watcher.targets.send_if_modified(|old| {
                let is_new = *old != targets;
                *old = targets;
                is_new
            });
            return;
        }
        let (targets, wanted) = watch::channel(targets);
        let (found, report) = watch::channel(None);
        let task = tokio::spawn(check_until_forgotten(database, wanted, found, self.wake.clone()));
        tasks.insert(
            uid.to_owned(),
            Watcher {
                targets,
                report,
                task,
            },
        );
    }

    /// Ends a database's task and forgets its report.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Watcher>> {
        // The map stays valid whatever a panicking holder did.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn check_until_forgotten(
    database: ObjectRef<Postgres>,
    mut wanted: watch::Receiver<Targets>,
    found: watch::Sender<Option<Arc<Report>>>,
    wake: UnboundedSender<ObjectRef<Postgres>>,
) {
    let mut checker = Checker::default();
    loop {
        let targets = wanted.borrow_and_update().clone();
        // A check of members that have changed meanwhile may hang on an address that is gone: restart it.
        let report = tokio::select! {
            report = checker.check(&targets) => report,
            still_wanted = wanted.changed() => match still_wanted {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let is_new = found.send_if_modified(|old| {
            let is_new = old.as_deref().is_none_or(|old| report.is_news(old));
            *old = Some(Arc::new(report));
            is_new
        });
        if is_new {
            // The other end only goes with the process.
            let _ = wake.unbounded_send(database.clone());
        }
        let pause = if targets.unsettled {
            UNSETTLED_CHECK_INTERVAL.min(targets.period)
        } else {
            targets.period
        };
        // Not a pause but a deadline: new targets are checked at once.
        if let Ok(Err(_)) = tokio::time::timeout(pause, wanted.changed()).await {
            return;
        }
    }
}
