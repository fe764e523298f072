//! Which method serves which call.

use crate::grpc::{Code, Service, Status, unary};
use crate::node::Node;
use crate::pool::Pool;
use crate::wire::{
    Capabilities, Capability, Confirmed, Info, Nothing, PluginCapabilities, PluginCapability,
    PluginCapabilityType, RpcCapability, ValidateCapabilities, ValidatedCapabilities, capability,
};
use crate::{DRIVER, controller};

/// A part of the driver.
pub enum Driver {
    /// Makes, removes and enlarges volumes.
    Controller(Pool),
    /// Mounts them on one node.
    Node(Node),
}

impl Service for Driver {
    async fn answer(&self, path: &str, message: &[u8]) -> Result<Vec<u8>, Status> {
        let Some(call) = path.strip_prefix("/csi.v1.") else {
            return Err(unknown(path));
        };
        match (self, call) {
            (_, "Identity/GetPluginInfo") => unary(message, async |_: Nothing| Ok(info())).await,
            (_, "Identity/GetPluginCapabilities") => {
                unary(message, async |_: Nothing| Ok(plugin_capabilities())).await
            }
            (_, "Identity/Probe") => unary(message, async |_: Nothing| Ok(Nothing {})).await,
            (Self::Controller(pool), call) => of_controller(pool, call, message).await,
            (Self::Node(node), call) => of_node(node, call, message).await,
        }
    }
}

async fn of_controller(pool: &Pool, call: &str, message: &[u8]) -> Result<Vec<u8>, Status> {
    match call {
        "Controller/ControllerGetCapabilities" => {
            let can = [
                capability::CREATE_DELETE_VOLUME,
                capability::CONTROLLER_EXPAND_VOLUME,
            ];
            unary(message, async |_: Nothing| Ok(capabilities(&can))).await
        }
        "Controller/CreateVolume" => unary(message, async |request| controller::create(pool, request)).await,
        "Controller/DeleteVolume" => unary(message, async |request| controller::delete(pool, &request)).await,
        "Controller/ControllerExpandVolume" => {
            unary(message, async |request| controller::expand(pool, &request)).await
        }
        "Controller/ValidateVolumeCapabilities" => {
            unary(message, async |request| validated(pool, request)).await
        }
        other => Err(unknown(other)),
    }
}

async fn of_node(node: &Node, call: &str, message: &[u8]) -> Result<Vec<u8>, Status> {
    match call {
        "Node/NodeGetCapabilities" => {
            let can = [
                capability::STAGE_UNSTAGE_VOLUME,
                capability::GET_VOLUME_STATS,
                capability::NODE_EXPAND_VOLUME,
            ];
            unary(message, async |_: Nothing| Ok(capabilities(&can))).await
        }
        "Node/NodeGetInfo" => unary(message, async |_: Nothing| Ok(node.info())).await,
        "Node/NodeStageVolume" => unary(message, async |request| node.stage(request).await).await,
        "Node/NodeUnstageVolume" => unary(message, async |request| node.unstage(request).await).await,
        "Node/NodePublishVolume" => unary(message, async |request| node.publish(request).await).await,
        "Node/NodeUnpublishVolume" => unary(message, async |request| node.unpublish(request).await).await,
        "Node/NodeExpandVolume" => unary(message, async |request| node.expand(request).await).await,
        "Node/NodeGetVolumeStats" => unary(message, async |request| node.stats(request).await).await,
        other => Err(unknown(other)),
    }
}

fn validated(pool: &Pool, request: ValidateCapabilities) -> Result<ValidatedCapabilities, Status> {
    pool.record(&request.volume_id)?;
    controller::check_use(&request.volume_capabilities)?;
    Ok(ValidatedCapabilities {
        confirmed: Some(Confirmed {
            volume_capabilities: request.volume_capabilities,
        }),
    })
}

fn info() -> Info {
    Info {
        name: DRIVER.to_owned(),
        vendor_version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn plugin_capabilities() -> PluginCapabilities {
    let service = |type_| PluginCapabilityType::Service(Capability { type_ });
    let all = [
        service(capability::CONTROLLER_SERVICE),
        service(capability::VOLUME_ACCESSIBILITY_CONSTRAINTS),
        PluginCapabilityType::Expansion(Capability {
            type_: capability::EXPANSION_ONLINE,
        }),
    ];
    PluginCapabilities {
        capabilities: all.map(|type_| PluginCapability { type_: Some(type_) }).to_vec(),
    }
}

fn capabilities(all: &[i32]) -> Capabilities {
    let rpc = |type_: &i32| RpcCapability {
        rpc: Some(Capability { type_: *type_ }),
    };
    Capabilities {
        capabilities: all.iter().map(rpc).collect(),
    }
}

fn unknown(call: &str) -> Status {
    Status::new(Code::Unimplemented, format!("{call} is not answered"))
}
