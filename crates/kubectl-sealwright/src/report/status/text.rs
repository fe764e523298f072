//! The text of `status`.

use std::collections::BTreeMap;

use api_types::postgres::conditions::SPEC_APPLIED;
use jiff::Timestamp;

use super::{Expiry, Issued, Operation, Pause, Serves, Status, Tls};
use crate::members::Member;
use crate::style::{self, Paint};

/// The text of a status.
pub fn text(status: &Status, now: Timestamp, paint: Paint) -> String {
    let mut rows = vec![
        row("Database", format!("{}/{}", status.namespace, status.name)),
        row("Version", version_text(status)),
        row("Phase", painted_phase(&status.phase, paint)),
        row("TLS", tls_text(status)),
    ];
    if let Some(expiry) = &status.earliest_expiry {
        rows.push(row(
            "Expiry",
            expiry_text(expiry, &status.certificates, now, paint),
        ));
    }
    if let Some(operation) = &status.operation {
        rows.push(row("Operation", operation_text(operation, now, paint)));
    } else if let Some(operation) = &status.last_operation {
        rows.push(row("Last operation", operation_text(operation, now, paint)));
    }
    rows.push(row("Pause", pause_text(status.pause.as_ref(), paint)));
    let mut text = style::table(&rows);
    text.push('\n');
    text.push_str(&style::table(&member_rows(status, now, paint)));
    text.push_str(&remarks(status, paint));
    text
}

fn row(name: &str, value: String) -> Vec<String> {
    vec![name.to_owned(), value]
}

fn version_text(status: &Status) -> String {
    match status.runs.as_deref().filter(|runs| *runs != status.version) {
        Some(runs) => format!("{} (PostgreSQL {runs})", status.version),
        None => status.version.clone(),
    }
}

fn painted_phase(phase: &str, paint: Paint) -> String {
    match phase {
        "Ready" => paint.good(phase),
        "NotReady" | "Critical" => paint.bad(phase),
        _ => paint.warn(phase),
    }
}

/// From the spec; what the members do instead is in the condition.
fn tls_text(status: &Status) -> String {
    let is_held = status
        .problems
        .iter()
        .any(|problem| problem.condition == SPEC_APPLIED);
    let held = if is_held {
        format!(" (as the spec asks; see {SPEC_APPLIED} below)")
    } else {
        String::new()
    };
    format!("{}{held}", asked_for(status.tls.as_ref()))
}

fn asked_for(tls: Option<&Tls>) -> String {
    let Some(tls) = tls else {
        return "none".to_owned();
    };
    let clients = tls.client_auth_mode.as_deref();
    let clients = clients
        .map(|mode| format!(", clients by {mode}"))
        .unwrap_or_default();
    let issuer = tls.issuer.as_deref();
    let issuer = issuer
        .map(|issuer| format!(", signed by {issuer}"))
        .unwrap_or_default();
    format!("{}{clients}{issuer}", tls.ssl_mode)
}

fn expiry_text(expiry: &Expiry, certificates: &[Issued], now: Timestamp, paint: Paint) -> String {
    let when = format!(
        "{} ({})",
        expiry.not_after,
        style::relative(expiry.not_after, now)
    );
    let when = if expiry.not_after <= now {
        paint.bad(&when)
    } else {
        when
    };
    let renewal = certificates
        .iter()
        .find(|issued| issued.alias == expiry.certificate)
        .and_then(|issued| issued.renewal_time)
        .map(|time| format!("; renewal {}", style::relative(time, now)));
    let others = match certificates.len() {
        0 | 1 => String::new(),
        all => format!("; the earliest of {all} certificates"),
    };
    format!(
        "{}: {when}{}{others}",
        expiry.certificate,
        renewal.unwrap_or_default()
    )
}

fn operation_text(operation: &Operation, now: Timestamp, paint: Paint) -> String {
    let phase = match operation.phase.as_str() {
        "Successful" => paint.good(&operation.phase),
        "Failed" | "Denied" => paint.bad(&operation.phase),
        _ => paint.warn(&operation.phase),
    };
    let since = operation
        .since
        .map(|time| format!(" {}", style::relative(time, now)));
    let message = operation.message.as_deref().unwrap_or_default();
    let step = match (operation.phase.as_str(), operation.step.as_deref()) {
        ("Successful", _) => String::new(),
        // "Failed: " again would add nothing.
        (phase, Some(step)) if phase == step => format!(": {message}"),
        (_, step) => format!("; {}: {message}", step.unwrap_or("not begun")),
    };
    format!(
        "{} ({}): {phase}{}{step}",
        operation.name,
        operation.type_,
        since.unwrap_or_default()
    )
}

fn pause_text(pause: Option<&Pause>, paint: Paint) -> String {
    let Some(pause) = pause else {
        return "not paused".to_owned();
    };
    let holder = match pause.kind {
        "operation" => format!("held by the operation {}", pause.holder),
        _ => format!("held by {}", pause.holder),
    };
    if pause.acknowledged {
        paint.warn(&holder)
    } else {
        format!("{}, not acknowledged by the provisioner yet", paint.warn(&holder))
    }
}

fn member_rows(status: &Status, now: Timestamp, paint: Paint) -> Vec<Vec<String>> {
    let heading = ["MEMBER", "ROLE", "READY", "LAG", "SERVES", "UNTIL", "SEEN"];
    let heading = paint.heading(heading);
    let rows = status.members.iter().map(|row| {
        let member = &row.member;
        vec![
            member.name.clone(),
            member.role.clone().unwrap_or_else(|| "-".to_owned()),
            ready_text(member, paint),
            member.lag_bytes.map_or_else(|| "-".to_owned(), style::bytes),
            serves_text(&row.serves, paint),
            until_text(&row.serves, now, paint),
            seen_text(&row.serves, now),
        ]
    });
    std::iter::once(heading).chain(rows).collect()
}

fn ready_text(member: &Member, paint: Paint) -> String {
    match (&member.waiting, member.ready) {
        (_, true) => paint.good("yes"),
        (Some(why), false) => paint.bad(why),
        (None, false) => paint.bad("no"),
    }
}

fn serves_text(serves: &Serves, paint: Paint) -> String {
    match &serves.certificate {
        Some(certificate) => {
            let other = if serves.matches_secret == Some(false) {
                paint.bad(" (not the Secret's)")
            } else {
                String::new()
            };
            format!("{} {}{other}", certificate.protocol, certificate.short_serial())
        }
        None => serves.answer.to_owned(),
    }
}

fn until_text(serves: &Serves, now: Timestamp, paint: Paint) -> String {
    let Some(certificate) = &serves.certificate else {
        return "-".to_owned();
    };
    let text = style::relative(certificate.not_after, now);
    if certificate.not_after <= now {
        paint.bad(&text)
    } else {
        text
    }
}

fn seen_text(serves: &Serves, now: Timestamp) -> String {
    match (&serves.seen_by, serves.seen_at) {
        (Some(by), Some(_)) if by == "handshake" => "now".to_owned(),
        (Some(by), Some(at)) => format!("{} by {by}", style::relative(at, now)),
        _ => "-".to_owned(),
    }
}

/// One line per remark, with the members that it concerns.
fn member_remarks(status: &Status) -> Vec<String> {
    let mut by_message: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in &status.members {
        if let Some(message) = &row.serves.message {
            by_message.entry(message).or_default().push(&row.member.name);
        }
    }
    by_message
        .into_iter()
        .map(|(message, members)| format!("{}: {message}", members.join(", ")))
        .collect()
}

fn remarks(status: &Status, paint: Paint) -> String {
    let mut lines = Vec::new();
    for problem in &status.problems {
        lines.push(format!("{}: {}", paint.bad(&problem.condition), problem.message));
    }
    for issued in status.certificates.iter().filter(|issued| !issued.ready) {
        let why = issued.message.as_deref().unwrap_or("not issued yet");
        lines.push(format!(
            "{}: {why}",
            paint.bad(&format!("Certificate {}", issued.alias))
        ));
    }
    lines.extend(member_remarks(status));
    lines.extend(
        status
            .unknown
            .iter()
            .map(|what| format!("could not be read: {what}")),
    );
    let missing = usize::try_from(status.replicas)
        .unwrap_or(0)
        .saturating_sub(status.members.len());
    if missing > 0 {
        lines.push(format!("{missing} of {} members have no Pod", status.replicas));
    }
    if lines.is_empty() {
        return String::new();
    }
    format!("\n{}\n", lines.join("\n"))
}
