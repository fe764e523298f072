//! `ReconnectStandby`: standbys that do not stream are restarted, and rebuilt from the primary where a restart does not help.
//!
//! Only a healthy primary is a source. While no member is known to be the primary, a broken standby may have the only copy of
//! a row, so nothing is restarted or rebuilt.

mod steps;

use api_types::ops_request::{OperationProgress, OpsRequestType, PlannedMember, PlannedRestart};
use jiff::SignedDuration;

use crate::admit::Admission;
use crate::operation::Operation;
use crate::request_type::{Description, EndedSessions, Proposal, RequestType};
use crate::step::{Step, StepResult};
use crate::world::World;
use steps::{FIND, REBUILD, RESTART};

/// How long a restarted standby may take to stream before it is rebuilt: Patroni starts PostgreSQL within a minute, and
/// `pg_rewind` of a small divergence takes seconds.
const DEFAULT_READY_TIMEOUT: SignedDuration = SignedDuration::from_mins(2);

/// Brings standbys back that do not stream.
pub struct ReconnectStandby;

impl RequestType for ReconnectStandby {
    fn kind(&self) -> OpsRequestType {
        OpsRequestType::ReconnectStandby
    }

    fn begun(&self) -> &'static str {
        "Postgres ops request is reconnecting standbys"
    }

    fn succeeded(&self) -> &'static str {
        "Successfully Reconnected Standbys"
    }

    fn repairs(&self) -> bool {
        true
    }

    fn plan(
        &self,
        op: &Operation,
        proposal: &Proposal<'_>,
        _: &mut OperationProgress,
    ) -> Result<(), Admission> {
        if proposal.world.replicas() > 1 {
            return Ok(());
        }
        Err(Admission::Refuse(format!(
            "Postgres {}/{} has one member and no standby that could be reconnected; look at its condition Ready",
            op.namespace, op.database
        )))
    }

    fn recipe(&self, _: &Operation) -> Vec<Step> {
        vec![FIND, RESTART, REBUILD]
    }

    fn describe(&self, _: &Operation, world: &World) -> StepResult<Description> {
        world.all_seen()?;
        let broken = steps::broken(world)?;
        // A member that can't be probed has no count of sessions to wait for.
        let reports = |pod: &&String| world.members()[*pod].server.present().is_some();
        let pods: Vec<String> = broken.keys().filter(reports).cloned().collect();
        let members = world.members().keys();
        Ok(Description {
            aim: format!("would reconnect {} standbys", broken.len()),
            members: members.map(|pod| planned(pod, broken.get(pod))).collect(),
            sessions: EndedSessions::all(&pods),
            ..Description::default()
        })
    }
}

fn planned(pod: &str, why: Option<&String>) -> PlannedMember {
    let (restart, reason) = match why {
        Some(why) => (
            PlannedRestart::Always,
            format!("{why}; if a restart does not help, its data is replaced by a copy of the primary's"),
        ),
        None => (PlannedRestart::Never, "it is healthy".to_owned()),
    };
    PlannedMember {
        name: pod.to_owned(),
        role: None,
        restart,
        reason,
    }
}

/// How long the request gives a restarted standby to stream.
fn ready_timeout(op: &Operation) -> SignedDuration {
    let section = op.spec.reconnect_standby.as_ref();
    let written = section.and_then(|it| it.ready_time_out.as_deref());
    written
        .and_then(|text| text.parse().ok())
        .unwrap_or(DEFAULT_READY_TIMEOUT)
}
