//! What is below: the API server, nodes, disks, clocks.

use super::Fault;

/// This family.
pub const FAULTS: &[Fault] = &[];
