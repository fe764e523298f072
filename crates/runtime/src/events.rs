//! Kubernetes Events. Publishing never fails the caller: an Event is news, not state.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder as KubeRecorder, Reporter},
};

/// Longest note that the API server takes, in bytes (events.k8s.io/v1).
const MAX_NOTE: usize = 1024;

/// How serious an Event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something happened as it should.
    Normal,
    /// Somebody may have to look.
    Warning,
}

/// Publishes Events. Keep one per process: it merges repeats of (object, severity, reason, action) within six minutes
/// into one Event with a count, whose note stays that of the first.
#[derive(Clone)]
pub struct Recorder {
    kube: KubeRecorder,
}

impl Recorder {
    /// A recorder that reports as `controller`, from the Pod `instance`.
    pub fn new(client: Client, controller: &str, instance: &str) -> Self {
        let reporter = Reporter {
            controller: controller.to_owned(),
            instance: Some(instance.to_owned()),
        };
        Self {
            kube: KubeRecorder::new(client, reporter),
        }
    }

    /// Publishes an Event on an object (`obj.object_ref(&())`). `reason` and `action` are words in PascalCase.
    /// A failure is logged.
    pub async fn publish(
        &self,
        on: &ObjectReference,
        severity: Severity,
        reason: &str,
        note: &str,
        action: &str,
    ) {
        let event = Event {
            type_: match severity {
                Severity::Normal => EventType::Normal,
                Severity::Warning => EventType::Warning,
            },
            reason: reason.to_owned(),
            note: Some(shortened(note).to_owned()),
            action: action.to_owned(),
            secondary: None,
        };
        if let Err(error) = self.kube.publish(&event, on).await {
            let error = api_types::error_chain(&error);
            tracing::warn!(
                reason,
                name = on.name,
                namespace = on.namespace,
                error,
                "could not publish an Event"
            );
        }
    }
}

fn shortened(note: &str) -> &str {
    if note.len() <= MAX_NOTE {
        return note;
    }
    let end = (0..=MAX_NOTE)
        .rev()
        .find(|at| note.is_char_boundary(*at))
        .unwrap_or(0);
    &note[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_notes_are_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        let long = "ü".repeat(700);
        assert_eq!(shortened(&long).len(), MAX_NOTE);
        assert!(shortened(&format!("x{long}")).len() < MAX_NOTE);
    }
}
