//! `docs/reference/conditions.md`: what operators say in conditions and Events.

use std::fmt::Write;

use api_types::reported::{ALL, StatusReason, Vocabulary};

use super::cell;

const HEADER: &str = "# Conditions, reasons and Events

Generated from the lists in `crates/api-types/src/reported` by `make reference`; do not edit. Operators take their words from the
same lists.

`kubectl describe` shows the conditions of an object and the Events about it. What to do about a reason that means trouble is in
[Troubleshoot](../troubleshoot.md); those are marked with \u{26a0}.
";

pub(super) fn page() -> String {
    ALL.iter().fold(HEADER.to_owned(), |mut text, vocabulary| {
        section(&mut text, vocabulary);
        text
    })
}

fn section(text: &mut String, of: &Vocabulary) {
    let kind = of.kind;
    let _ = write!(
        text,
        "\n## {kind}\n\n{}\n\n### Conditions of {kind}\n\n| Type | Meaning |\n|---|---|\n",
        preface(kind)
    );
    for word in of.conditions {
        let _ = writeln!(text, "| {} | {} |", name(word), cell(word.meaning));
    }
    let _ = write!(
        text,
        "\n### Reasons of {kind}\n\n| Reason | When | Meaning |\n|---|---|---|\n"
    );
    of.reasons.iter().for_each(|word| row(text, word));
    let _ = write!(
        text,
        "\n### Events of {kind}\n\n{}\n\n| Reason | Type | Meaning |\n|---|---|---|\n",
        preface_of_events(kind)
    );
    of.events.iter().for_each(|word| row(text, word));
}

fn row(text: &mut String, word: &StatusReason) {
    let _ = writeln!(
        text,
        "| {} | {} | {} |",
        name(word),
        word.seen,
        cell(word.meaning)
    );
}

fn name(word: &StatusReason) -> String {
    let mark = if word.is_trouble { " \u{26a0}" } else { "" };
    format!("`{}`{mark}", word.text)
}

fn preface(kind: &str) -> &'static str {
    match kind {
        "Postgres" => {
            "Written by the provisioner. `status.phase` is a summary of `HealthCheckPaused`, `Halted`, `DataRestoreStarted`,
`DataRestored`, `ProvisioningStarted`, `Provisioned`, `AcceptingConnection`, `ReplicaReady` and `Ready`; the others have no part
in it."
        }
        "PostgresOpsRequest" => {
            "Written by the ops-manager. A request gets a condition for every step, in the order of the steps: `False` while the step
is being done, with what it does or waits for, and `True` when it was seen to be done. A step that stays `False` is trouble when
its message does not change."
        }
        _ => "Written by the PetSet controller, besides the counts of Pods.",
    }
}

fn preface_of_events(kind: &str) -> &'static str {
    match kind {
        "Postgres" => {
            "Besides these, Warnings with the reason of `SpecApplied` or `ProvisioningStarted` when one of them becomes `False`,
and Warnings `IssuerCAChanged`, `DeletionBlocked`, `ClaimTerminating`, `MemberHangs`, `NoMemberHasData` and `StartedAfresh`."
        }
        "PostgresOpsRequest" => {
            "Besides these, one for every condition that becomes `True`, with its type as the reason: a Warning for `Failed`, Normal
for others. Parts of a step are Warnings whose reason is their text, as KubeDB has it. `WaitingForApproval` (Normal) asks a
person, once for every plan."
        }
        _ => {
            "Besides these, Warnings with the reasons above; what keeps a Pod from being made is `FailedCreate`."
        }
    }
}
