//! The holder of a database's pause: the annotation that takes it, read in one place, and the acknowledgement in the
//! status.

use std::fmt;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Postgres;
use crate::condition::to_seconds;
use crate::vocabulary::PAUSED_BY;

/// Lengths of the groups of a UID, which the API server makes as a UUID.
const UID_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

/// The holder of a database's pause.
///
/// Two holders are the same only when they are equal: `a` is not `ab`, and a request that was made again under its name is
/// another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PauseHolder {
    /// A PostgresOpsRequest.
    Request {
        /// Its name.
        name: String,
        /// Its UID.
        uid: String,
    },
    /// A person, or a program of theirs; only they end this pause.
    Person {
        /// The name that they wrote.
        name: String,
    },
}

impl PauseHolder {
    /// The holder that a request is.
    pub fn request(name: impl Into<String>, uid: impl Into<String>) -> Self {
        Self::Request {
            name: name.into(),
            uid: uid.into(),
        }
    }

    /// Reads the value of the annotation; `None` when it names no holder.
    ///
    /// Only `<name>/<uid>` is a request's, with a name and a UID as the API server makes them. Whatever else is written there
    /// is a person's name, slashes included: an operator clears the pause of a request that is gone, so in doubt it is a person's.
    /// White space around the value does not count.
    pub fn parse(value: &str) -> Option<Self> {
        let value = value.trim();
        if value.is_empty() {
            return None;
        }
        let request = value
            .split_once('/')
            .filter(|(name, uid)| is_object_name(name) && is_uid(uid));
        Some(match request {
            Some((name, uid)) => Self::request(name, uid),
            None => Self::Person { name: value.into() },
        })
    }

    /// Name of the request or of the person.
    pub fn name(&self) -> &str {
        match self {
            Self::Request { name, .. } | Self::Person { name } => name,
        }
    }

    /// The request's UID; none of a person.
    pub fn uid(&self) -> Option<&str> {
        match self {
            Self::Request { uid, .. } => Some(uid),
            Self::Person { .. } => None,
        }
    }

    /// Whether a person holds the pause.
    pub fn is_person(&self) -> bool {
        matches!(self, Self::Person { .. })
    }
}

/// The value of the annotation.
impl fmt::Display for PauseHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { name, uid } => write!(f, "{name}/{uid}"),
            Self::Person { name } => f.write_str(name),
        }
    }
}

/// The pause that the provisioner keeps. Not part of KubeDB's API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PausedBy {
    /// Name of the PostgresOpsRequest, or the name that a person wrote.
    pub name: String,
    /// UID of the PostgresOpsRequest; absent when a person holds the pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// When the provisioner began to keep off for this holder.
    pub since: Time,
}

impl PausedBy {
    /// Acknowledges a holder's pause.
    pub fn new(holder: &PauseHolder, since: Timestamp) -> Self {
        Self {
            name: holder.name().to_owned(),
            uid: holder.uid().map(str::to_owned),
            since: Time(to_seconds(since)),
        }
    }

    /// Whose pause it is.
    pub fn holder(&self) -> PauseHolder {
        let name = self.name.clone();
        match self.uid.clone() {
            Some(uid) => PauseHolder::Request { name, uid },
            None => PauseHolder::Person { name },
        }
    }
}

impl Postgres {
    /// The holder of the pause in the annotation.
    pub fn pause_holder(&self) -> Option<PauseHolder> {
        let annotations = self.metadata.annotations.as_ref()?;
        PauseHolder::parse(annotations.get(PAUSED_BY)?)
    }

    /// The holder in the status, whose pause the provisioner respects.
    pub fn acknowledged_holder(&self) -> Option<PauseHolder> {
        Some(self.status.as_ref()?.paused_by.as_ref()?.holder())
    }
}

/// A DNS-1123 subdomain without its rules on dots and length: enough to distinguish a name from prose and addresses.
fn is_object_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
}

fn is_uid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    lengths == UID_GROUPS
        && groups
            .iter()
            .flat_map(|group| group.bytes())
            .all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const UID: &str = "9f0c6f6e-4f9e-4d2b-8a55-0e6d5c1b2a3f";

    fn person(name: &str) -> Option<PauseHolder> {
        Some(PauseHolder::Person { name: name.into() })
    }

    #[test]
    fn a_request_is_what_can_be_one_and_everything_else_a_person() {
        let request = |name: &str| Some(PauseHolder::request(name, UID));
        let table = [
            (format!("rotate/{UID}"), request("rotate")),
            (format!("rotate.v1-2/{UID}"), request("rotate.v1-2")),
            (format!(" rotate/{UID}\n"), request("rotate")),
            (String::new(), None),
            (" \t\n".into(), None),
            ("jane".into(), person("jane")),
            (" jane ".into(), person("jane")),
            ("Jane Doe".into(), person("Jane Doe")),
            ("team/ops".into(), person("team/ops")),
            ("a/b/c".into(), person("a/b/c")),
            ("/".into(), person("/")),
            ("jane/".into(), person("jane/")),
            (format!("/{UID}"), person(&format!("/{UID}"))),
            (UID.into(), person(UID)),
            (format!("a/b/{UID}"), person(&format!("a/b/{UID}"))),
            (format!("rotate/{UID}/x"), person(&format!("rotate/{UID}/x"))),
            (format!("rotate/{UID}0"), person(&format!("rotate/{UID}0"))),
            (format!("Jane Doe/{UID}"), person(&format!("Jane Doe/{UID}"))),
            ("https://tickets/4711".into(), person("https://tickets/4711")),
            ("rotate/ÄÖ".into(), person("rotate/ÄÖ")),
        ];
        for (value, expected) in table {
            assert_eq!(PauseHolder::parse(&value), expected, "{value:?}");
        }
    }

    #[test]
    fn the_annotation_and_the_acknowledgement_name_the_same_holder() {
        for value in ["jane", "team/ops", "Jane Doe", &format!("rotate/{UID}")] {
            let holder = PauseHolder::parse(value).expect("a holder");
            assert_eq!(holder.to_string(), value);
            assert_eq!(PauseHolder::parse(&holder.to_string()), Some(holder.clone()));
            assert_eq!(PausedBy::new(&holder, Timestamp::UNIX_EPOCH).holder(), holder);
        }
    }

    #[test]
    fn a_pause_is_acknowledged_for_exactly_one_holder() {
        let other_uid = UID.replace('9', "8");
        let all = [
            "a".to_owned(),
            "ab".to_owned(),
            "a/b".to_owned(),
            format!("a/{UID}"),
            format!("ab/{UID}"),
            format!("a/{other_uid}"),
        ];
        for (i, asked) in all.iter().enumerate() {
            for (j, kept) in all.iter().enumerate() {
                let mut postgres = Postgres::default();
                let kept = PauseHolder::parse(kept).expect("a holder");
                let paused_by = Some(PausedBy::new(&kept, Timestamp::UNIX_EPOCH));
                postgres.status.get_or_insert_default().paused_by = paused_by;
                postgres
                    .metadata
                    .annotations
                    .get_or_insert_default()
                    .insert(PAUSED_BY.into(), asked.clone());
                let is_acknowledged = postgres.pause_holder() == postgres.acknowledged_holder();
                assert_eq!(is_acknowledged, i == j, "{asked} and {kept}");
            }
        }
    }
}
