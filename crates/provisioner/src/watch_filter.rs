//! Passes on those changes of Pods and Certificates that matter here. Patroni writes into its Pod's annotations in every
//! loop, cert-manager writes every step of an issuance into a Certificate's status, and every observation of a database
//! costs the API server some twenty requests.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::ready;
use std::hash::{DefaultHasher, Hash, Hasher};

use api_types::cert_manager::Certificate;
use api_types::vocabulary::PATRONI_STATUS;
use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Resource, ResourceExt, runtime};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Field of [`PATRONI_STATUS`] with the parameters that wait for a restart of the member.
const PENDING_RESTART: &str = "pending_restart_reason";

/// Condition of a Certificate while cert-manager is at it.
const ISSUING: &str = "Issuing";

/// Something of whose changes not all matter.
pub trait Watched:
    Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned + Send + 'static
{
    /// Takes away what may change without meaning anything.
    fn forget_what_is_no_news(&mut self);
}

impl Watched for Pod {
    fn forget_what_is_no_news(&mut self) {
        let Some(status) = self.annotations_mut().remove(PATRONI_STATUS) else {
            return;
        };
        // Of Patroni's status only the parameters that wait for a restart matter: the Postgres reports them.
        let status: Value = serde_json::from_str(&status).unwrap_or_default();
        if let Some(waiting) = status.get(PENDING_RESTART) {
            self.annotations_mut()
                .insert(PATRONI_STATUS.to_owned(), waiting.to_string());
        }
    }
}

impl Watched for Certificate {
    fn forget_what_is_no_news(&mut self) {
        if let Some(status) = self.status.as_mut() {
            // `revision`, `Ready` and `lastFailureTime` show the result.
            status.conditions.retain(|condition| condition.type_ != ISSUING);
        }
    }
}

/// Objects that are new, gone, or changed in what matters.
pub fn changes<K: Watched>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = Result<K, watcher::Error>> + Send + 'static {
    let mut known = Known(HashMap::new());
    runtime::watcher(api, config).filter_map(move |event| {
        ready(match event {
            Ok(event) => known.news(event).map(Ok),
            Err(error) => Some(Err(error)),
        })
    })
}

/// Every object as it was last seen, as a hash.
struct Known<K: Watched>(HashMap<ObjectRef<K>, u64>);

impl<K: Watched> Known<K> {
    fn news(&mut self, event: Event<K>) -> Option<K> {
        match event {
            Event::Apply(object) | Event::InitApply(object) => {
                let now = what_matters(&object);
                let before = self.0.insert(ObjectRef::from_obj(&object), now);
                (before != Some(now)).then_some(object)
            }
            Event::Delete(object) => {
                self.0.remove(&ObjectRef::from_obj(&object));
                Some(object)
            }
            Event::Init | Event::InitDone => None,
        }
    }
}

fn what_matters<K: Watched>(object: &K) -> u64 {
    let mut rest = object.clone();
    rest.meta_mut().resource_version = None;
    rest.meta_mut().managed_fields = None;
    rest.forget_what_is_no_news();
    let mut hasher = DefaultHasher::new();
    serde_json::to_string(&rest).unwrap_or_default().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(version: &str, status: &str, role: &str) -> Pod {
        let pod = json!({"metadata": {
            "name": "pg-0", "namespace": "shop", "resourceVersion": version,
            "annotations": {"status": status}, "labels": {"kubedb.com/role": role},
        }});
        serde_json::from_value(pod).expect("a Pod")
    }

    fn certificate(revision: i64, is_issuing: bool) -> Certificate {
        let mut conditions = vec![json!({"type": "Ready", "status": "True"})];
        if is_issuing {
            conditions.push(json!({"type": "Issuing", "status": "True"}));
        }
        let certificate = json!({
            "apiVersion": "cert-manager.io/v1", "kind": "Certificate",
            "metadata": {"name": "pg-server-cert", "namespace": "shop"},
            "spec": {"secretName": "pg-server-cert", "issuerRef": {"name": "ca"}},
            "status": {"revision": revision, "conditions": conditions},
        });
        serde_json::from_value(certificate).expect("a Certificate")
    }

    const PENDING: &str = r#"{"xlog_location": 1, "pending_restart_reason": {"max_connections": {}}}"#;
    const PENDING_LATER: &str = r#"{"xlog_location": 2, "pending_restart_reason": {"max_connections": {}}}"#;

    #[test]
    fn what_patroni_says_of_itself_wakes_nobody_and_everything_else_does() {
        let mut known = Known(HashMap::new());
        let table = [
            (Event::InitApply(pod("1", "a", "standby")), true, "new"),
            (Event::Apply(pod("2", "b", "standby")), false, "Patroni's word"),
            (Event::Apply(pod("3", "b", "primary")), true, "a label"),
            (
                Event::Apply(pod("3", PENDING, "primary")),
                true,
                "a parameter that waits",
            ),
            (
                Event::Apply(pod("3", PENDING_LATER, "primary")),
                false,
                "still waiting",
            ),
            (Event::Apply(pod("3", "b", "primary")), true, "restarted"),
            (Event::Delete(pod("4", "b", "primary")), true, "gone"),
            (Event::Apply(pod("5", "b", "primary")), true, "made again"),
        ];
        for (event, is_news, what) in table {
            assert_eq!(known.news(event).is_some(), is_news, "{what}");
        }
    }

    #[test]
    fn an_issuance_wakes_once_it_is_done() {
        let mut known = Known(HashMap::new());
        let table = [
            (certificate(1, false), true, "new"),
            (certificate(1, true), false, "begun"),
            (certificate(2, false), true, "done"),
        ];
        for (certificate, is_news, what) in table {
            assert_eq!(known.news(Event::Apply(certificate)).is_some(), is_news, "{what}");
        }
    }
}
