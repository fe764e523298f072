//! What is done to a database that serves.

use super::{Deed, Given, Input, Part};

const fn deed(name: &'static str, part: Part, excludes: &'static [Part], deed: Deed) -> Input {
    Input {
        name,
        part,
        excludes,
        since: 0,
        given: Given::Done(deed),
    }
}

pub(super) const INPUTS: &[Input] = &[
    deed("Restart", Part::Restart, &[], Deed::Restart),
    deed("halted and resumed", Part::Halt, &[], Deed::Halt),
    deed(
        "deleted and applied again",
        Part::Deletion,
        &[],
        Deed::DeleteAndApply,
    ),
    deed("Pod lost", Part::Loss, &[], Deed::LosePod),
    deed("second member", Part::Members, &[], Deed::Scale),
    deed("TLS added and rotated", Part::Tls, &[], Deed::AddAndRotateTls),
];
