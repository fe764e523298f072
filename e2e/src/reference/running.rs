//! `docs/reference/running.md`: what becomes of an edit of a running database.

use std::fmt::Write;

use api_types::running::{CARRIED_OUT, ROWS, Road};

use super::cell;

const HEADER: &str = "# Edits of a running database

Generated from the table in `crates/api-types/src/running.rs` by `make reference`; do not edit.

A field takes one of three roads when it is edited under a database that was `Ready` once. It is *carried out* while the members
run; or it is *held*: the members go on as they are, and `SpecApplied` is `False` with this reason until the request was carried
out or the old value is back; or it is *refused*. A field that nothing acts on is named in `UnsupportedFields`. A row is about
everything below its field that has no row of its own. While a database is paused nothing is carried out, and while it is halted
everything but `storage` follows the spec at once. Before there is a volume, `storage` follows it too.

Types of requests that are carried out: ";

pub(super) fn page() -> String {
    let types: Vec<String> = CARRIED_OUT
        .iter()
        .map(|type_| format!("`{}`", type_.as_str()))
        .collect();
    let mut text = format!(
        "{HEADER}{}.\n\n| Field | Road | What happens |\n|---|---|---|\n",
        types.join(", ")
    );
    for row in &ROWS {
        let (road, what) = words(row.road);
        let _ = writeln!(text, "| `spec.{}` | {road} | {} |", row.field, cell(&what));
    }
    text
}

fn words(road: Road) -> (&'static str, String) {
    match road {
        Road::Applied(how) => ("carried out", how.to_owned()),
        Road::Held { reason, request } => (
            "held",
            format!("`{reason}`: by a request of type `{}`", request.as_str()),
        ),
        Road::Refused(why) => ("refused", why.to_owned()),
        Road::NotInUse => ("not in use", "`UnsupportedFields`".to_owned()),
    }
}
