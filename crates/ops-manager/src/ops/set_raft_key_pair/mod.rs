//! `SetRaftKeyPair`: KubeDB's coordinator has a key-value store in its Raft log; Patroni has none, so the request is skipped.

use api_types::ops_request::{OperationProgress, OpsRequestType};

use crate::admit::Admission;
use crate::operation::Operation;
use crate::request_type::{Description, Proposal, RequestType};
use crate::step::{Step, StepResult};
use crate::world::World;

/// Ends `Skipped`, with the reason.
pub struct SetRaftKeyPair;

impl RequestType for SetRaftKeyPair {
    fn kind(&self) -> OpsRequestType {
        OpsRequestType::SetRaftKeyPair
    }

    fn begun(&self) -> &'static str {
        "Postgres ops request is setting Raft keys"
    }

    fn succeeded(&self) -> &'static str {
        "Nothing was set"
    }

    fn repairs(&self) -> bool {
        true
    }

    fn plan(&self, op: &Operation, _: &Proposal<'_>, _: &mut OperationProgress) -> Result<(), Admission> {
        Err(Admission::Skip(format!(
            "skipped as Postgres {}/{} has no Raft store: Patroni elects the primary by the Kubernetes API, and its settings are \
             those of the spec",
            op.namespace, op.database
        )))
    }

    fn recipe(&self, _: &Operation) -> Vec<Step> {
        Vec::new()
    }

    fn describe(&self, _: &Operation, _: &World) -> StepResult<Description> {
        Ok(Description::default())
    }
}
