//! A watch of each database's auth Secret, that one Secret by its name: the provisioner acts upon an edit at once. A watch that
//! fails costs only time: every database is reconciled once a minute anyway.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use api_types::Postgres;
use futures::channel::mpsc::UnboundedSender;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Client};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Delay before the next watch: the API server ends each after some minutes, and refuses one before our rights are in force.
const WATCH_RETRY_DELAY: Duration = Duration::from_secs(5);

/// All watches of this process, by UID of the database.
pub struct AuthWatches {
    client: Client,
    wake: UnboundedSender<ObjectRef<Postgres>>,
    tasks: Mutex<HashMap<String, Watch>>,
}

struct Watch {
    secret: String,
    task: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl AuthWatches {
    /// No watches yet. `wake` gets a database when its Secret has changed.
    pub fn new(client: Client, wake: UnboundedSender<ObjectRef<Postgres>>) -> Self {
        Self {
            client,
            wake,
            tasks: Mutex::default(),
        }
    }

    /// Watches this Secret for a database from now on, and no other one. `seen` is the version that the pass has read.
    pub fn follow(&self, database: ObjectRef<Postgres>, uid: &str, secret: &str, seen: Option<&str>) {
        let mut tasks = self.lock();
        if tasks.get(uid).is_some_and(|watch| watch.secret == secret) {
            return;
        }
        let namespace = database.namespace.clone().unwrap_or_default();
        let api = Api::namespaced(self.client.clone(), &namespace);
        let known = Known(seen.map(str::to_owned));
        let watch = Watch {
            secret: secret.to_owned(),
            task: tokio::spawn(watch(api, secret.to_owned(), known, database, self.wake.clone())),
        };
        tasks.insert(uid.to_owned(), watch);
    }

    /// Ends the watch of a database.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Watch>> {
        // The map stays valid whatever a panicking holder did.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn watch(
    api: Api<Secret>,
    name: String,
    mut known: Known,
    database: ObjectRef<Postgres>,
    wake: UnboundedSender<ObjectRef<Postgres>>,
) {
    let parameters = WatchParams::default().fields(&format!("metadata.name={name}"));
    loop {
        // Metadata is enough to know that it has changed.
        match api.watch_metadata(&parameters, "0").await {
            Ok(events) => {
                let mut events = events.boxed();
                while let Ok(Some(event)) = events.try_next().await {
                    if known.is_news(&event) {
                        // The other end only goes with the process.
                        let _ = wake.unbounded_send(database.clone());
                    }
                }
            }
            Err(error) => {
                let why = runtime::error_chain(&error);
                tracing::info!(
                    secret = name,
                    why,
                    "the auth Secret can't be watched; looks at it every minute"
                );
            }
        }
        sleep(WATCH_RETRY_DELAY).await;
    }
}

/// The version of the Secret that was seen last; none when it was not there.
struct Known(Option<String>);

impl Known {
    /// Whether a pass over the database may decide otherwise. Every watch begins with the current Secret.
    fn is_news(&mut self, event: &WatchEvent<PartialObjectMeta<Secret>>) -> bool {
        let version = match event {
            WatchEvent::Added(secret) | WatchEvent::Modified(secret) => {
                secret.metadata.resource_version.clone()
            }
            WatchEvent::Deleted(_) => None,
            WatchEvent::Bookmark(_) | WatchEvent::Error(_) => return false,
        };
        let is_news = self.0 != version;
        self.0 = version;
        is_news
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn secret(version: &str) -> PartialObjectMeta<Secret> {
        let object = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": {"name": "pg-auth", "resourceVersion": version}});
        serde_json::from_value(object).expect("metadata")
    }

    #[test]
    fn every_change_is_news_and_a_watch_that_begins_again_is_none() {
        let mut known = Known(Some("1".to_owned()));
        let table = [
            (WatchEvent::Added(secret("1")), false, "was read by the pass"),
            (WatchEvent::Added(secret("1")), false, "the next watch"),
            (WatchEvent::Modified(secret("2")), true, "edited"),
            (WatchEvent::Deleted(secret("3")), true, "deleted"),
            (WatchEvent::Added(secret("4")), true, "made again"),
            (WatchEvent::Added(secret("5")), true, "edited between two watches"),
        ];
        for (event, is_news, what) in table {
            assert_eq!(known.is_news(&event), is_news, "{what}");
        }
    }
}
