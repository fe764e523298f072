//! What users do to requests, databases and namespaces while an operation runs.

use super::Fault;

/// This family.
pub const FAULTS: &[Fault] = &[];
