//! Members whose PostgreSQL hangs instead of ending, as their first process noted it on their Pod.

use api_types::hang::{Action, Cause, Hang};
use api_types::reported::postgres::reasons;
use k8s_openapi::api::core::v1::Pod;

use crate::world::World;

/// The cause that comes first, and what is known of every such member; `None` when there is none.
pub fn noted(world: &World) -> Option<(Cause, String)> {
    let of_pod = |pod: &Pod| {
        let hang = Hang::of_annotations(pod.metadata.annotations.as_ref())?;
        Some((pod.metadata.name.clone()?, hang))
    };
    let mut all: Vec<(String, Hang)> = world.pods.iter().filter_map(of_pod).collect();
    all.sort_by(|(a, one), (b, other)| (!one.was_primary, a).cmp(&(!other.was_primary, b)));
    let cause = all.first()?.1.cause;
    let told: Vec<String> = all.iter().map(|(pod, hang)| tell(pod, hang)).collect();
    Some((cause, told.join(". ")))
}

/// The reason of the condition.
pub fn reason(cause: Cause) -> &'static str {
    match cause {
        Cause::LoginsUnanswered => reasons::LOGINS_UNANSWERED,
        Cause::DiskBlocked => reasons::DISK_BLOCKED,
    }
}

fn tell(pod: &str, hang: &Hang) -> String {
    let role = if hang.was_primary { " (the primary)" } else { "" };
    let cause = match hang.cause {
        Cause::LoginsUnanswered => "does not answer new sessions",
        Cause::DiskBlocked => "can't write to its volume: a write does not end",
    };
    let action = match hang.action {
        Action::None => {
            "Nothing was done: no other member can take over, or Patroni is in maintenance mode, or does not answer"
        }
        Action::Restart => "Its PostgreSQL was ended and starts again",
        Action::HandOver => "Its PostgreSQL was ended, and another member takes over",
    };
    format!("{pod}{role} {cause} (seen {}). {action}", hang.since)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hang(cause: Cause, action: Action, was_primary: bool) -> Hang {
        Hang {
            cause,
            action,
            was_primary,
            since: "2026-01-01T00:00:00Z".to_owned(),
        }
    }

    #[test]
    fn the_message_names_member_cause_and_action() {
        let text = tell("pg-0", &hang(Cause::LoginsUnanswered, Action::Restart, true));
        assert_eq!(
            text,
            "pg-0 (the primary) does not answer new sessions (seen 2026-01-01T00:00:00Z). Its PostgreSQL was ended and starts again"
        );
        let text = tell("pg-1", &hang(Cause::DiskBlocked, Action::None, false));
        assert!(text.starts_with("pg-1 can't write to its volume"), "{text}");
    }

    #[test]
    fn every_cause_has_a_reason_of_its_own() {
        assert_ne!(reason(Cause::LoginsUnanswered), reason(Cause::DiskBlocked));
    }
}
