//! `metav1.Condition` with KubeDB's optional `severity`, and the rules for changing a list of them.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One observation of an object's state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Name of the condition, for example `Ready`.
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// When `status` last changed.
    pub last_transition_time: Time,
    /// `metadata.generation` that was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// One word for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A sentence for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How bad a `False` is; empty means error (KubeDB's extension of `metav1.Condition`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<String>,
}

impl Condition {
    /// A condition that is observed now, at second precision as the API server stores it.
    pub fn new(type_: &str, status: bool, reason: &str, message: &str, now: Timestamp) -> Self {
        Self {
            type_: type_.to_owned(),
            status: if status { "True" } else { "False" }.to_owned(),
            last_transition_time: Time(to_seconds(now)),
            observed_generation: None,
            reason: (!reason.is_empty()).then(|| reason.to_owned()),
            message: (!message.is_empty()).then(|| message.to_owned()),
            severity: None,
        }
    }

    /// The same condition when it is not known whether it holds.
    pub fn unknown(mut self) -> Self {
        "Unknown".clone_into(&mut self.status);
        self
    }

    /// The same condition, observed at this `metadata.generation`.
    pub fn at_generation(mut self, generation: Option<i64>) -> Self {
        self.observed_generation = generation;
        self
    }

    /// Whether the status is `True`.
    pub fn is_true(&self) -> bool {
        self.status == "True"
    }

    /// Whether the status is `False`.
    pub fn is_false(&self) -> bool {
        self.status == "False"
    }
}

/// The condition of this type, if the list has one.
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == type_)
}

/// Whether the condition of this type is present and `True`.
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(Condition::is_true)
}

/// Whether the condition of this type is present and `False`.
pub fn is_false(conditions: &[Condition], type_: &str) -> bool {
    find(conditions, type_).is_some_and(Condition::is_false)
}

/// Puts a condition into the list: in place when its type is there, else at the end.
/// The transition time moves only when the status changes (KubeDB's rule). Returns whether anything changed.
pub fn set(conditions: &mut Vec<Condition>, mut condition: Condition) -> bool {
    let Some(old) = conditions.iter_mut().find(|c| c.type_ == condition.type_) else {
        conditions.push(condition);
        return true;
    };
    if old.status == condition.status {
        condition.last_transition_time = old.last_transition_time.clone();
    }
    let changed = *old != condition;
    *old = condition;
    changed
}

/// Takes the condition of this type out of the list. Returns whether it was there.
pub fn remove(conditions: &mut Vec<Condition>, type_: &str) -> bool {
    let before = conditions.len();
    conditions.retain(|c| c.type_ != type_);
    conditions.len() != before
}

/// At second precision, as the API server stores times.
pub(crate) fn to_seconds(t: Timestamp) -> Timestamp {
    Timestamp::from_second(t.as_second()).unwrap_or(t)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a valid time")
    }

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let mut list = vec![Condition::new("Ready", true, "A", "", at(10))];
        assert!(set(&mut list, Condition::new("Ready", true, "B", "", at(20))));
        assert_eq!(list[0].last_transition_time.0, at(10));
        assert!(set(&mut list, Condition::new("Ready", false, "B", "", at(30))));
        assert_eq!(list[0].last_transition_time.0, at(30));
    }

    #[test]
    fn the_same_condition_again_is_no_change() {
        let mut list = vec![Condition::new("Ready", true, "A", "m", at(10))];
        assert!(!set(&mut list, Condition::new("Ready", true, "A", "m", at(99))));
    }
}
