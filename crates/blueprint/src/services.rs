//! Services: primary, standby, governing and stats.

use crate::resolved::Resolved;
use k8s_openapi::api::core::v1::Service;

pub(crate) fn all(_resolved: &Resolved) -> Vec<Service> {
    Vec::new()
}
