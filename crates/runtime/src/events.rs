//! Kubernetes Events. Publishing neither fails nor delays the caller: an Event is news, not state.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder as KubeRecorder, Reporter},
};
use tokio::sync::{mpsc, oneshot};

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

/// Longest that [`Recorder::flush`] waits.
const FLUSH: Duration = Duration::from_secs(2);

/// Publishes Events, one after the other, in a task of its own. Keep one per process: it merges repeats of (object,
/// severity, reason, action) within six minutes into one Event with a count, whose note stays that of the first.
#[derive(Clone)]
pub struct Recorder {
    queue: mpsc::UnboundedSender<Entry>,
}

enum Entry {
    News(Box<(Event, ObjectReference)>),
    /// All before it were published.
    Flush(oneshot::Sender<()>),
}

impl Recorder {
    /// A recorder that reports as `controller`, from the Pod `instance`. Needs a runtime to run in.
    pub fn new(client: Client, controller: &str, instance: &str) -> Self {
        let reporter = Reporter {
            controller: controller.to_owned(),
            instance: Some(instance.to_owned()),
        };
        let (queue, queued) = mpsc::unbounded_channel();
        tokio::spawn(publish_all(KubeRecorder::new(client, reporter), queued));
        Self { queue }
    }

    /// Publishes an Event on an object (`obj.object_ref(&())`). `reason` and `action` are words in PascalCase.
    /// A failure is logged.
    pub fn publish(&self, on: &ObjectReference, severity: Severity, reason: &str, note: &str, action: &str) {
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
        // The task ends after the last recorder.
        let _ = self.queue.send(Entry::News(Box::new((event, on.clone()))));
    }

    /// Waits until what was told so far is published, but not for long.
    pub async fn flush(&self) {
        let (done, is_done) = oneshot::channel();
        if self.queue.send(Entry::Flush(done)).is_ok() && tokio::time::timeout(FLUSH, is_done).await.is_err()
        {
            tracing::warn!("the last Events were not published in time");
        }
    }
}

async fn publish_all(recorder: KubeRecorder, mut queued: mpsc::UnboundedReceiver<Entry>) {
    while let Some(entry) = queued.recv().await {
        match entry {
            Entry::News(news) => publish(&recorder, &news.0, &news.1).await,
            // Nobody waits any more, which is no trouble.
            Entry::Flush(done) => drop(done.send(())),
        }
    }
}

async fn publish(recorder: &KubeRecorder, event: &Event, on: &ObjectReference) {
    if let Err(error) = recorder.publish(event, on).await {
        let error = api_types::error_chain(&error);
        tracing::warn!(
            reason = event.reason,
            name = on.name,
            namespace = on.namespace,
            error,
            "could not publish an Event"
        );
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
