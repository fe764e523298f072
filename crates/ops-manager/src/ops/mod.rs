//! The types of requests: one folder each, and one line in [`REQUEST_TYPES`].

pub mod force_fail_over;
pub mod horizontal_scaling;
pub mod reconfigure;
pub mod reconfigure_tls;
pub mod reconnect_standby;
pub mod restart;
pub mod rotate_auth;
pub mod set_raft_key_pair;
pub mod update_version;
pub mod vertical_scaling;
pub mod volume_expansion;

use api_types::ops_request::OpsRequestType;

use crate::request_type::RequestType;

/// Every type of request that this operator carries out. Nothing else in this crate names one.
pub const REQUEST_TYPES: &[&dyn RequestType] = &[
    &force_fail_over::ForceFailOver,
    &horizontal_scaling::HorizontalScaling,
    &reconfigure::Reconfigure,
    &reconfigure_tls::ReconfigureTls,
    &reconnect_standby::ReconnectStandby,
    &restart::Restart,
    &rotate_auth::RotateAuth,
    &set_raft_key_pair::SetRaftKeyPair,
    &update_version::UpdateVersion,
    &vertical_scaling::VerticalScaling,
    &volume_expansion::VolumeExpansion,
];

/// How requests of this type are carried out, if they are.
pub fn find(kind: OpsRequestType) -> Option<&'static dyn RequestType> {
    REQUEST_TYPES.iter().copied().find(|type_| type_.kind() == kind)
}
