//! A volume claim of which no Pod is made for a while, as an operation notes it on the claim. Not part of KubeDB's API.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

use crate::vocabulary::NO_POD;

/// What is noted. It ends by itself, so that no member stays without a Pod when the operator that noted it is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NoPod {
    /// The PostgresOpsRequest, `<name>/<uid>`.
    pub by: String,
    /// Until when the PetSet makes no Pod of this claim.
    pub until: Time,
}

impl NoPod {
    /// As the annotation [`NO_POD`] of a claim has it.
    pub fn to_annotation(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From the annotations of a claim; none when they do not have it, or have something else in its place.
    pub fn of_annotations(annotations: Option<&BTreeMap<String, String>>) -> Option<Self> {
        serde_json::from_str(annotations?.get(NO_POD)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written() {
        let note = NoPod {
            by: "expand/1234".to_owned(),
            until: Time("2026-01-01T00:15:00Z".parse().expect("a time")),
        };
        let annotations = BTreeMap::from([(NO_POD.to_owned(), note.to_annotation())]);
        assert_eq!(NoPod::of_annotations(Some(&annotations)), Some(note));
    }

    #[test]
    fn what_is_no_note_keeps_no_pod_away() {
        for text in [
            "",
            "true",
            "{}",
            r#"{"by": "a/b"}"#,
            r#"{"by": "a/b", "until": "soon"}"#,
        ] {
            let annotations = BTreeMap::from([(NO_POD.to_owned(), text.to_owned())]);
            assert_eq!(NoPod::of_annotations(Some(&annotations)), None, "{text}");
        }
        assert_eq!(NoPod::of_annotations(None), None);
    }
}
