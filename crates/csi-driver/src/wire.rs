//! The messages that this driver reads and writes. Field numbers are those of the Container Storage Interface 1.12 (`csi.v1`); a
//! field that is not named here is skipped, as protobuf has it.

use std::collections::HashMap;

use prost::{Enumeration, Message, Oneof};

/// A message without fields that are read or written here.
#[derive(Clone, PartialEq, Message)]
pub struct Nothing {}

/// `GetPluginInfoResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct Info {
    /// Name of the driver.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Version of the driver.
    #[prost(string, tag = "2")]
    pub vendor_version: String,
}

/// `GetPluginCapabilitiesResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct PluginCapabilities {
    /// What the driver as a whole can do.
    #[prost(message, repeated, tag = "1")]
    pub capabilities: Vec<PluginCapability>,
}

/// `PluginCapability`.
#[derive(Clone, PartialEq, Message)]
pub struct PluginCapability {
    /// Which.
    #[prost(oneof = "PluginCapabilityType", tags = "1, 2")]
    pub type_: Option<PluginCapabilityType>,
}

/// `PluginCapability.type`.
#[derive(Clone, PartialEq, Oneof)]
pub enum PluginCapabilityType {
    /// A service.
    #[prost(message, tag = "1")]
    Service(Capability),
    /// How volumes grow.
    #[prost(message, tag = "2")]
    Expansion(Capability),
}

/// A message with nothing but the number of a capability: `PluginCapability.Service`, `ControllerServiceCapability.RPC`
/// and the like.
#[derive(Clone, PartialEq, Message)]
pub struct Capability {
    /// The number.
    #[prost(int32, tag = "1")]
    pub type_: i32,
}

/// `ControllerGetCapabilitiesResponse` and `NodeGetCapabilitiesResponse`, which are the same on the wire.
#[derive(Clone, PartialEq, Message)]
pub struct Capabilities {
    /// The supported calls.
    #[prost(message, repeated, tag = "1")]
    pub capabilities: Vec<RpcCapability>,
}

/// `ControllerServiceCapability` and `NodeServiceCapability`.
#[derive(Clone, PartialEq, Message)]
pub struct RpcCapability {
    /// Which call.
    #[prost(message, optional, tag = "1")]
    pub rpc: Option<Capability>,
}

/// `CapacityRange`.
#[derive(Clone, PartialEq, Message)]
pub struct CapacityRange {
    /// Bytes that the volume has to have.
    #[prost(int64, tag = "1")]
    pub required_bytes: i64,
    /// Bytes that it may have at most; 0 for any number.
    #[prost(int64, tag = "2")]
    pub limit_bytes: i64,
}

/// `VolumeCapability`.
#[derive(Clone, PartialEq, Message)]
pub struct VolumeCapability {
    /// A file system; none for a raw device.
    #[prost(message, optional, tag = "2")]
    pub mount: Option<Mount>,
}

/// `VolumeCapability.MountVolume`.
#[derive(Clone, PartialEq, Message)]
pub struct Mount {
    /// Type of the file system; empty for the driver's choice.
    #[prost(string, tag = "1")]
    pub fs_type: String,
}

/// `TopologyRequirement`.
#[derive(Clone, PartialEq, Message)]
pub struct TopologyRequirement {
    /// Where the volume must be reachable.
    #[prost(message, repeated, tag = "1")]
    pub requisite: Vec<Topology>,
    /// The same, the best place first.
    #[prost(message, repeated, tag = "2")]
    pub preferred: Vec<Topology>,
}

/// `Topology`.
#[derive(Clone, PartialEq, Message)]
pub struct Topology {
    /// Labels of a node.
    #[prost(map = "string, string", tag = "1")]
    pub segments: HashMap<String, String>,
}

/// `CreateVolumeRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct CreateVolume {
    /// A name that is the same when the call is repeated.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its size.
    #[prost(message, optional, tag = "2")]
    pub capacity_range: Option<CapacityRange>,
    /// How it will be used.
    #[prost(message, repeated, tag = "3")]
    pub volume_capabilities: Vec<VolumeCapability>,
    /// Parameters of the StorageClass, and what external-provisioner adds to them.
    #[prost(map = "string, string", tag = "4")]
    pub parameters: HashMap<String, String>,
    /// Where it has to be reachable.
    #[prost(message, optional, tag = "7")]
    pub accessibility_requirements: Option<TopologyRequirement>,
}

/// `CreateVolumeResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct Created {
    /// The volume.
    #[prost(message, optional, tag = "1")]
    pub volume: Option<Volume>,
}

/// `Volume`.
#[derive(Clone, PartialEq, Message)]
pub struct Volume {
    /// Bytes that it has.
    #[prost(int64, tag = "1")]
    pub capacity_bytes: i64,
    /// Its id in later calls.
    #[prost(string, tag = "2")]
    pub volume_id: String,
    /// Where it is reachable.
    #[prost(message, repeated, tag = "5")]
    pub accessible_topology: Vec<Topology>,
}

/// `DeleteVolumeRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct DeleteVolume {
    /// The volume.
    #[prost(string, tag = "1")]
    pub volume_id: String,
}

/// `ValidateVolumeCapabilitiesRequest`, of which only the volume matters.
#[derive(Clone, PartialEq, Message)]
pub struct ValidateCapabilities {
    /// The volume.
    #[prost(string, tag = "1")]
    pub volume_id: String,
    /// How it would be used.
    #[prost(message, repeated, tag = "3")]
    pub volume_capabilities: Vec<VolumeCapability>,
}

/// `ValidateVolumeCapabilitiesResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct ValidatedCapabilities {
    /// What is possible.
    #[prost(message, optional, tag = "1")]
    pub confirmed: Option<Confirmed>,
}

/// `ValidateVolumeCapabilitiesResponse.Confirmed`.
#[derive(Clone, PartialEq, Message)]
pub struct Confirmed {
    /// How the volume can be used.
    #[prost(message, repeated, tag = "2")]
    pub volume_capabilities: Vec<VolumeCapability>,
}

/// `ControllerExpandVolumeRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct ExpandVolume {
    /// The volume.
    #[prost(string, tag = "1")]
    pub volume_id: String,
    /// Its new size.
    #[prost(message, optional, tag = "2")]
    pub capacity_range: Option<CapacityRange>,
}

/// `ControllerExpandVolumeResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct Expanded {
    /// Bytes that it has now.
    #[prost(int64, tag = "1")]
    pub capacity_bytes: i64,
    /// The file system has yet to grow.
    #[prost(bool, tag = "2")]
    pub node_expansion_required: bool,
}

/// `NodeStageVolumeRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct StageVolume {
    /// The volume.
    #[prost(string, tag = "1")]
    pub volume_id: String,
    /// Where to mount it for all its users on the node.
    #[prost(string, tag = "3")]
    pub staging_target_path: String,
    /// How it is used.
    #[prost(message, optional, tag = "4")]
    pub volume_capability: Option<VolumeCapability>,
}

/// `NodeUnstageVolumeRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct UnstageVolume {
    /// The volume.
    #[prost(string, tag = "1")]
    pub volume_id: String,
    /// Where it is mounted.
    #[prost(string, tag = "2")]
    pub staging_target_path: String,
}

/// `NodePublishVolumeRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct PublishVolume {
    /// The volume.
    #[prost(string, tag = "1")]
    pub volume_id: String,
    /// Where it is mounted.
    #[prost(string, tag = "3")]
    pub staging_target_path: String,
    /// Where one Pod is to have it.
    #[prost(string, tag = "4")]
    pub target_path: String,
    /// The Pod may only read.
    #[prost(bool, tag = "6")]
    pub readonly: bool,
}

/// `NodeUnpublishVolumeRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct UnpublishVolume {
    /// The volume.
    #[prost(string, tag = "1")]
    pub volume_id: String,
    /// Where a Pod has it.
    #[prost(string, tag = "2")]
    pub target_path: String,
}

/// `NodeGetVolumeStatsRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct GetVolumeStats {
    /// The volume.
    #[prost(string, tag = "1")]
    pub volume_id: String,
    /// Where it is mounted.
    #[prost(string, tag = "2")]
    pub volume_path: String,
}

/// `NodeGetVolumeStatsResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct VolumeStats {
    /// Bytes and inodes.
    #[prost(message, repeated, tag = "1")]
    pub usage: Vec<VolumeUsage>,
}

/// `VolumeUsage`.
#[derive(Clone, PartialEq, Message)]
pub struct VolumeUsage {
    /// Free for all users.
    #[prost(int64, tag = "1")]
    pub available: i64,
    /// In all.
    #[prost(int64, tag = "2")]
    pub total: i64,
    /// Taken.
    #[prost(int64, tag = "3")]
    pub used: i64,
    /// Of what.
    #[prost(enumeration = "Unit", tag = "4")]
    pub unit: i32,
}

/// `VolumeUsage.Unit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Enumeration)]
#[repr(i32)]
pub enum Unit {
    /// Unknown.
    Unknown = 0,
    /// Bytes.
    Bytes = 1,
    /// Inodes.
    Inodes = 2,
}

/// `NodeGetInfoResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct NodeInfo {
    /// The node's id for this driver.
    #[prost(string, tag = "1")]
    pub node_id: String,
    /// Labels of the node.
    #[prost(message, optional, tag = "3")]
    pub accessible_topology: Option<Topology>,
}

/// `NodeExpandVolumeRequest`.
#[derive(Clone, PartialEq, Message)]
pub struct NodeExpandVolume {
    /// The volume.
    #[prost(string, tag = "1")]
    pub volume_id: String,
    /// Where it is mounted.
    #[prost(string, tag = "2")]
    pub volume_path: String,
}

/// `NodeExpandVolumeResponse`.
#[derive(Clone, PartialEq, Message)]
pub struct NodeExpanded {
    /// Bytes that it has now.
    #[prost(int64, tag = "1")]
    pub capacity_bytes: i64,
}

/// Numbers of capabilities.
pub mod capability {
    /// `PluginCapability.Service.CONTROLLER_SERVICE`.
    pub const CONTROLLER_SERVICE: i32 = 1;
    /// `PluginCapability.Service.VOLUME_ACCESSIBILITY_CONSTRAINTS`.
    pub const VOLUME_ACCESSIBILITY_CONSTRAINTS: i32 = 2;
    /// `PluginCapability.VolumeExpansion.ONLINE`.
    pub const EXPANSION_ONLINE: i32 = 1;
    /// `ControllerServiceCapability.RPC.CREATE_DELETE_VOLUME`.
    pub const CREATE_DELETE_VOLUME: i32 = 1;
    /// `ControllerServiceCapability.RPC.EXPAND_VOLUME`.
    pub const CONTROLLER_EXPAND_VOLUME: i32 = 9;
    /// `NodeServiceCapability.RPC.STAGE_UNSTAGE_VOLUME`.
    pub const STAGE_UNSTAGE_VOLUME: i32 = 1;
    /// `NodeServiceCapability.RPC.GET_VOLUME_STATS`.
    pub const GET_VOLUME_STATS: i32 = 2;
    /// `NodeServiceCapability.RPC.EXPAND_VOLUME`.
    pub const NODE_EXPAND_VOLUME: i32 = 3;
}
