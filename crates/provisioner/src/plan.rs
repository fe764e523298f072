//! What has to be done about a database in one pass: the output of `decide`, the input of `perform` and `report`.

use std::time::Duration;

use api_types::deployed::Deployed;
use api_types::{Condition, PetSet};
use blueprint::Resolved;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret};
use serde_json::Value;

use crate::child::Child;
use crate::health::Renewal;
use crate::members_tls::Order;

/// One write to the world. A closed list: `perform` interprets it, nothing else writes.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Put our finalizer on the Postgres.
    AddFinalizer,
    /// Take our finalizer off: the last action of a deletion.
    RemoveFinalizer,
    /// Bind ourselves to the Secrets of the database's namespace.
    GrantSecrets,
    /// Write the auth Secret's name into the spec, as KubeDB does.
    NameAuthSecret(String),
    /// Make the auth Secret with a new random password, and the Secret with the credentials that open the database.
    CreateAuthSecret(Box<Resolved>),
    /// Issue certificates of members and operators, and write them into their Secret.
    IssueMembersTls(Box<Order>),
    /// Write the Secret with the credentials that open the database.
    KeepCredentials(Box<Secret>),
    /// Take the ownership of this Postgres off its auth Secret, so that it survives.
    ReleaseAuthSecret(Box<Secret>),
    /// Apply a child.
    Apply(Child),
    /// Delete a child.
    Delete(Child),
    /// Delete a Secret that is no child.
    DeleteSecret(Box<Secret>),
    /// Delete a member's volume claim, and with it its data.
    DeleteClaim(Box<PersistentVolumeClaim>),
    /// Delete one of Patroni's own objects.
    DeleteConfigMap(Box<ConfigMap>),
    /// Let clients find these CAs in the Secret of the client certificate, beside the one that was issued with it.
    PublishCa {
        /// The Secret.
        secret: Box<Secret>,
        /// The merge patch.
        patch: Value,
    },
    /// Give Patroni other settings that all members share.
    ConfigurePatroni {
        /// Patroni's ConfigMap.
        map: Box<ConfigMap>,
        /// The merge patch.
        patch: Value,
    },
    /// Give one of Patroni's own objects the annotations that keep deployment tools from deleting it.
    GuardConfigMap(Box<ConfigMap>),
    /// Touch a Pod so that kubelet projects changed Secrets at once.
    TouchPod {
        /// Name of the Pod.
        pod: String,
        /// Value for the annotation.
        token: String,
    },
}

/// A change to the list of conditions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Put it in.
    Set {
        /// Type.
        type_: &'static str,
        /// `True` or `False`.
        status: bool,
        /// One word.
        reason: String,
        /// A sentence.
        message: String,
    },
    /// Put it in with the status `Unknown`.
    Unknown {
        /// Type.
        type_: &'static str,
        /// One word.
        reason: String,
        /// A sentence.
        message: String,
    },
    /// Take it out.
    Remove(&'static str),
}

/// News for people, published once per content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// Whether a person may have to check.
    pub warning: bool,
    /// One word.
    pub reason: String,
    /// A sentence.
    pub note: String,
}

/// Everything that one pass does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Writes, in order.
    pub actions: Vec<Action>,
    /// Changes of conditions, in order.
    pub changes: Vec<Change>,
    /// Events.
    pub news: Vec<News>,
    /// What the next step waits for, for the log.
    pub waits_for: Option<String>,
    /// When to run again although nothing happened.
    pub look_again: Option<Duration>,
    /// Whether this pass acts on the spec, so that `observedGeneration` follows.
    pub acts_on_spec: bool,
    /// Whether members may be checked; false while the database is down on purpose.
    pub checks_health: bool,
    /// What the user's own amounts of WAL do to the members' volumes, when that is not good.
    pub wal_does_not_fit: Option<String>,
    /// What the members get in this pass; none when the pass does not follow the spec.
    pub deployed: Option<Deployed>,
    /// Files that members have to load without a restart.
    pub renewal: Option<Renewal>,
}

impl Plan {
    /// The PetSet that this pass applies.
    pub fn applied_pet_set(&self) -> Option<&PetSet> {
        self.actions.iter().find_map(|action| match action {
            Action::Apply(Child::PetSet(pet_set)) => Some(&**pet_set),
            _ => None,
        })
    }

    /// Adds a write.
    pub fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Sets a condition.
    pub fn set(&mut self, type_: &'static str, status: bool, reason: &str, message: impl Into<String>) {
        let (reason, message) = (reason.to_owned(), message.into());
        self.changes.push(Change::Set {
            type_,
            status,
            reason,
            message,
        });
    }

    /// Sets a condition of which it is not known whether it holds.
    pub fn set_unknown(&mut self, type_: &'static str, reason: &str, message: impl Into<String>) {
        let (reason, message) = (reason.to_owned(), message.into());
        self.changes.push(Change::Unknown {
            type_,
            reason,
            message,
        });
    }

    /// Takes a condition out.
    pub fn remove(&mut self, type_: &'static str) {
        self.changes.push(Change::Remove(type_));
    }

    /// Publishes an Event.
    pub fn tell(&mut self, warning: bool, reason: &str, note: impl Into<String>) {
        self.news.push(News {
            warning,
            reason: reason.to_owned(),
            note: note.into(),
        });
    }

    /// Reports what is waited for, and requeues after this time at the latest.
    pub fn wait(&mut self, for_: impl Into<String>, look_again: Duration) {
        self.waits_for = Some(for_.into());
        self.soon(look_again);
    }

    /// Requeues after this time at the latest.
    pub fn soon(&mut self, after: Duration) {
        self.look_again = Some(self.look_again.map_or(after, |before| before.min(after)));
    }
}

/// The conditions after these changes.
pub fn changed(
    conditions: &[Condition],
    changes: &[Change],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let mut list = conditions.to_vec();
    for change in changes {
        match change {
            Change::Set {
                type_,
                status,
                reason,
                message,
            } => {
                let condition =
                    Condition::new(type_, *status, reason, message, now).at_generation(generation);
                api_types::condition::set(&mut list, condition);
            }
            Change::Unknown {
                type_,
                reason,
                message,
            } => {
                let condition = Condition::new(type_, false, reason, message, now).unknown();
                api_types::condition::set(&mut list, condition.at_generation(generation));
            }
            Change::Remove(type_) => {
                api_types::condition::remove(&mut list, type_);
            }
        }
    }
    list
}
