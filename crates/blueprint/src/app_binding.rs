//! The AppBinding: how applications connect.

use crate::labels;
use crate::resolved::Resolved;
use api_types::AppBinding;

pub(crate) fn app_binding(resolved: &Resolved) -> AppBinding {
    AppBinding {
        metadata: labels::child(resolved, &resolved.name),
        ..AppBinding::default()
    }
}
