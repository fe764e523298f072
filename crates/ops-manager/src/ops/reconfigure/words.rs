//! The texts of a change of parameters in its plan.

use api_types::ops_request::PlannedRestart;
use blueprint::ParameterChange;

use super::request::Restart;

/// Each parameter with its value before and after, and whether it needs a restart. A text is not shown: it may be a password.
pub fn changes(all: &[ParameterChange]) -> Vec<String> {
    let word = |value: &Option<String>| value.clone().unwrap_or_else(|| "default".to_owned());
    let change = |change: &ParameterChange| {
        let values = if change.is_public {
            format!(" {} → {}", word(&change.old), word(&change.new))
        } else {
            String::new()
        };
        let how = if change.needs_restart { "restart" } else { "reload" };
        format!("{}{values} ({how})", change.name)
    };
    if all.is_empty() {
        return vec!["no parameter changes".into()];
    }
    vec![format!(
        "parameters: {}",
        all.iter().map(change).collect::<Vec<_>>().join(", ")
    )]
}

/// What happens to a member, and why.
pub fn of_member(restart: Restart, needs_restart: bool) -> (PlannedRestart, &'static str) {
    match (restart, needs_restart) {
        (Restart::Always, _) => (PlannedRestart::Always, "the request restarts every Pod"),
        (Restart::Auto, true) => (
            PlannedRestart::InPlace,
            "PostgreSQL takes a parameter only when it starts",
        ),
        (Restart::Never, true) => (
            PlannedRestart::Never,
            "the request restarts nothing; a parameter goes on waiting for a restart",
        ),
        (_, false) => (PlannedRestart::Never, "it reads the parameters by a reload"),
    }
}
