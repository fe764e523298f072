//! Operators are killed, stalled, or upgraded.

use super::Fault;

/// This family.
pub const FAULTS: &[Fault] = &[];
