//! Kubernetes Events. Publishing neither fails nor delays the caller: an Event is news, not state.

use std::collections::HashMap;
use std::time::{Duration, Instant};

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
    /// A person may have to act.
    Warning,
}

/// Longest that [`Recorder::flush`] waits.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// How long after the last report of the same news another one counts as a repeat.
const REPEAT_WINDOW: Duration = Duration::from_secs(6 * 60);

/// Publishes Events, one after the other, in a task of its own. Keep one per process: it merges repeats of (object,
/// severity, reason, action, note) within six minutes into one Event with a count. Another note is other news.
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
        let recorders = PerNote::new(move || KubeRecorder::new(client.clone(), reporter.clone()));
        tokio::spawn(publish_all(recorders, queued));
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

    /// Waits until the reported Events are published, but not for long.
    pub async fn flush(&self) {
        let (done, is_done) = oneshot::channel();
        if self.queue.send(Entry::Flush(done)).is_ok()
            && tokio::time::timeout(FLUSH_TIMEOUT, is_done).await.is_err()
        {
            tracing::warn!("the last Events were not published in time");
        }
    }
}

/// A recorder for each note: one of them alone merges Events of different notes, and the first note hides the others.
struct PerNote<R, F> {
    make: F,
    known: HashMap<String, (R, Instant)>,
}

impl<R, F: Fn() -> R> PerNote<R, F> {
    fn new(make: F) -> Self {
        Self {
            make,
            known: HashMap::new(),
        }
    }

    fn of(&mut self, note: &str, now: Instant) -> &R {
        self.known
            .retain(|_, (_, then)| now.duration_since(*then) < REPEAT_WINDOW);
        let known = self
            .known
            .entry(note.to_owned())
            .or_insert_with(|| ((self.make)(), now));
        known.1 = now;
        &known.0
    }
}

async fn publish_all(
    mut recorders: PerNote<KubeRecorder, impl Fn() -> KubeRecorder>,
    mut queued: mpsc::UnboundedReceiver<Entry>,
) {
    while let Some(entry) = queued.recv().await {
        match entry {
            Entry::News(news) => {
                let (event, on) = *news;
                let recorder = recorders.of(event.note.as_deref().unwrap_or_default(), Instant::now());
                publish(recorder, &event, &on).await;
            }
            // There is no waiter any more, which is no trouble.
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
    fn other_notes_are_other_news_and_repeats_are_counted_for_a_while() {
        let made = std::cell::Cell::new(0);
        let mut recorders = PerNote::new(|| made.replace(made.get() + 1));
        let begin = Instant::now();
        let table = [
            ("created Secret pg-auth", 0, 0),
            ("created Service pg", 0, 1),
            ("created Secret pg-auth", 300, 0),
            ("created Secret pg-auth", 600, 0),
            ("created Service pg", 600, 2),
        ];
        for (note, after, expected) in table {
            let at = begin + Duration::from_secs(after);
            assert_eq!(*recorders.of(note, at), expected, "{note} after {after} s");
        }
    }

    #[test]
    fn long_notes_are_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        let long = "ü".repeat(700);
        assert_eq!(shortened(&long).len(), MAX_NOTE);
        assert!(shortened(&format!("x{long}")).len() < MAX_NOTE);
    }
}
