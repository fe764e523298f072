//! The PetSet: the members.

use crate::labels;
use crate::resolved::Resolved;
use api_types::PetSet;

pub(crate) fn pet_set(resolved: &Resolved) -> PetSet {
    PetSet {
        metadata: labels::child(resolved, &resolved.name),
        ..PetSet::default()
    }
}
