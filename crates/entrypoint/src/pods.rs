//! The database's Pods, as the API server has them: what is remembered of them, and what follows from a change.

use std::collections::BTreeMap;

use api_types::vocabulary::{PATRONI_STATUS, ROLE_LABEL, ROLE_PRIMARY};
use k8s_openapi::api::core::v1::Pod;
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::Event;

/// What counts of another member's Pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Peer {
    uid: String,
    is_terminating: bool,
    role: Option<String>,
    /// Patroni's word for the state of PostgreSQL.
    state: Option<String>,
}

/// What follows from an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// Our own Pod is not among the Pods: it is gone, or has lost its labels.
    OwnIsAbsent,
    /// Another member went, came back or changed its role, and this one is the primary: commits may wait for it.
    PeerOfPrimary,
}

/// The Pods.
#[derive(Debug)]
pub struct Pods {
    name: String,
    uid: String,
    is_primary: bool,
    peers: BTreeMap<String, Peer>,
    /// The Pods of a list that is not complete yet.
    listed: Option<Listed>,
}

#[derive(Debug, Default)]
struct Listed {
    own: bool,
    peers: BTreeMap<String, Peer>,
}

impl Pods {
    /// Nothing is known yet but which Pod is ours.
    pub fn new(name: &str, uid: &str) -> Self {
        Self {
            name: name.to_owned(),
            uid: uid.to_owned(),
            is_primary: false,
            peers: BTreeMap::new(),
            listed: None,
        }
    }

    /// Whether the role label marks this member as the primary.
    pub fn is_primary(&self) -> bool {
        self.is_primary
    }

    /// Takes note of an event.
    pub fn apply(&mut self, event: Event<PartialObjectMeta<Pod>>) -> Change {
        match event {
            Event::Init => {
                self.listed = Some(Listed::default());
                Change::None
            }
            Event::InitApply(pod) => {
                self.list(&pod);
                Change::None
            }
            Event::InitDone => self.listed_all(),
            Event::Apply(pod) => self.seen(&pod),
            Event::Delete(pod) => self.deleted(&pod),
        }
    }

    fn list(&mut self, pod: &PartialObjectMeta<Pod>) {
        let listed = self.listed.get_or_insert_default();
        if name_of(pod) != self.name {
            listed.peers.insert(name_of(pod).to_owned(), peer(pod));
        } else if uid_of(pod) == self.uid {
            listed.own = true;
            self.is_primary = is_primary(pod);
        }
    }

    fn listed_all(&mut self) -> Change {
        let listed = self.listed.take().unwrap_or_default();
        let is_other = std::mem::replace(&mut self.peers, listed.peers) != self.peers;
        if !listed.own {
            return Change::OwnIsAbsent;
        }
        self.of_peers(is_other)
    }

    fn seen(&mut self, pod: &PartialObjectMeta<Pod>) -> Change {
        if name_of(pod) != self.name {
            let now = peer(pod);
            let before = self.peers.insert(name_of(pod).to_owned(), now.clone());
            return self.of_peers(before != Some(now));
        }
        if uid_of(pod) != self.uid {
            return Change::OwnIsAbsent;
        }
        self.is_primary = is_primary(pod);
        Change::None
    }

    fn deleted(&mut self, pod: &PartialObjectMeta<Pod>) -> Change {
        if name_of(pod) != self.name {
            let was_known = self.peers.remove(name_of(pod)).is_some();
            return self.of_peers(was_known);
        }
        // Of a former Pod of our name, the end is no news.
        if uid_of(pod) == self.uid {
            Change::OwnIsAbsent
        } else {
            Change::None
        }
    }

    fn of_peers(&self, changed: bool) -> Change {
        if changed && self.is_primary {
            Change::PeerOfPrimary
        } else {
            Change::None
        }
    }
}

fn name_of(pod: &PartialObjectMeta<Pod>) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}

fn uid_of(pod: &PartialObjectMeta<Pod>) -> &str {
    pod.metadata.uid.as_deref().unwrap_or_default()
}

fn role(pod: &PartialObjectMeta<Pod>) -> Option<&String> {
    pod.metadata.labels.as_ref()?.get(ROLE_LABEL)
}

fn is_primary(pod: &PartialObjectMeta<Pod>) -> bool {
    role(pod).is_some_and(|role| role == ROLE_PRIMARY)
}

fn peer(pod: &PartialObjectMeta<Pod>) -> Peer {
    Peer {
        uid: uid_of(pod).to_owned(),
        is_terminating: pod.metadata.deletion_timestamp.is_some(),
        role: role(pod).cloned(),
        state: state(pod),
    }
}

/// Patroni's note on the Pod is JSON with the WAL positions too, which change all the time.
fn state(pod: &PartialObjectMeta<Pod>) -> Option<String> {
    let note = pod.metadata.annotations.as_ref()?.get(PATRONI_STATUS)?;
    let note: serde_json::Value = serde_json::from_str(note).ok()?;
    Some(note.get("state")?.as_str()?.to_owned())
}

/// The result of reading our own Pod, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// The Pod of our name has this UID.
    Uid(String),
    /// The API server has no Pod of our name.
    NotFound,
    /// The API server does not take our token, which ends with the Pod that it is bound to.
    Unauthorized,
    /// The API server responded with another error, or not at all.
    Unknown,
}

/// Whether the Pod of this UID, which is not among the Pods in a response of the API server ([`Change::OwnIsAbsent`]), is gone
/// for good. A Pod that lost its labels is still there. An API server that accepts no token at all has sent no such response
/// before: no primary stops for that.
pub fn is_gone(look: &Look, uid: &str) -> bool {
    match look {
        Look::Uid(other) => other != uid,
        Look::NotFound | Look::Unauthorized => true,
        Look::Unknown => false,
    }
}

#[cfg(test)]
mod tests;
