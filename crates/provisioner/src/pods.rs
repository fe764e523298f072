//! Changes of members' Pods that mean something here. Patroni writes into its Pod's annotations with every turn of its loop,
//! and every look at a database costs the API server some twenty requests.

use std::collections::HashMap;
use std::future::ready;
use std::hash::{DefaultHasher, Hash, Hasher};

use futures::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher::{self, Event};
use kube::{Api, runtime};

/// Annotation in which a Pod's Patroni says how it is and how far it has replayed.
const PATRONI_STATUS: &str = "status";

/// Pods that are new, gone, or changed in more than what Patroni says.
pub fn changes(
    api: Api<Pod>,
    config: watcher::Config,
) -> impl Stream<Item = Result<Pod, watcher::Error>> + Send + 'static {
    let mut known = Known::default();
    runtime::watcher(api, config).filter_map(move |event| {
        ready(match event {
            Ok(event) => known.news(event).map(Ok),
            Err(error) => Some(Err(error)),
        })
    })
}

/// Every Pod as it was last seen, as a hash.
#[derive(Debug, Default)]
struct Known(HashMap<ObjectRef<Pod>, u64>);

impl Known {
    fn news(&mut self, event: Event<Pod>) -> Option<Pod> {
        match event {
            Event::Apply(pod) | Event::InitApply(pod) => {
                let now = what_matters(&pod);
                let before = self.0.insert(ObjectRef::from_obj(&pod), now);
                (before != Some(now)).then_some(pod)
            }
            Event::Delete(pod) => {
                self.0.remove(&ObjectRef::from_obj(&pod));
                Some(pod)
            }
            Event::Init | Event::InitDone => None,
        }
    }
}

fn what_matters(pod: &Pod) -> u64 {
    let mut rest = pod.clone();
    rest.metadata.resource_version = None;
    rest.metadata.managed_fields = None;
    if let Some(annotations) = rest.metadata.annotations.as_mut() {
        annotations.remove(PATRONI_STATUS);
    }
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

    #[test]
    fn what_patroni_says_of_itself_wakes_nobody_and_everything_else_does() {
        let mut known = Known::default();
        assert!(
            known.news(Event::InitApply(pod("1", "a", "standby"))).is_some(),
            "new"
        );
        assert!(
            known.news(Event::Apply(pod("2", "b", "standby"))).is_none(),
            "Patroni's word"
        );
        assert!(
            known.news(Event::Apply(pod("3", "b", "primary"))).is_some(),
            "a label"
        );
        assert!(
            known.news(Event::Delete(pod("4", "b", "primary"))).is_some(),
            "gone"
        );
        assert!(
            known.news(Event::Apply(pod("5", "b", "primary"))).is_some(),
            "made again"
        );
    }
}
