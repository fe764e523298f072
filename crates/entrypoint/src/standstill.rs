//! When a standby stands still for good, so that only a restart of its PostgreSQL helps: a plain decision.
//!
//! A standby that lost its primary in the middle of a record may never stream again: it finds in its own files that the record
//! is not whole, ends its WAL receiver for that, starts another one, and believes before that one has begun that what an earlier one
//! received is there. PostgreSQL knows what was received in memory only.

use std::time::Duration;

use instance::{Cluster, MemberStatus};

/// Longer than any change of the leader takes.
const STANDSTILL_LIMIT: Duration = Duration::from_secs(30);
/// The limit while the leader is seen to go on: then no change of the leader is under way.
const STANDSTILL_LIMIT_WHILE_LEADER_WRITES: Duration = Duration::from_secs(8);

/// Where a standby is in the WAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// What it received, in bytes.
    pub received: u64,
    /// What it replayed, in bytes.
    pub replayed: u64,
}

/// A standby that does not stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Behind {
    /// Where it is.
    pub place: Place,
    /// How far it is behind the leader's last known position, in bytes.
    pub lag: u64,
}

/// The facts from the local Patroni about a standby that runs, is behind its leader, and does not stream; `None` for any other
/// member.
pub fn behind(own: &MemberStatus, name: &str, cluster: &Cluster) -> Option<Behind> {
    let runs = own.state == "running" && own.role == "replica";
    let is_free = !own.pause && !cluster.pause && !own.xlog.paused;
    let streams = own.replication_state.as_deref() == Some("streaming");
    let leader = cluster.leader().filter(|leader| leader.name != name)?;
    if !runs || !is_free || streams || leader.state != "running" {
        return None;
    }
    let lag = u64::try_from(cluster.member(name)?.lag?)
        .ok()
        .filter(|lag| *lag > 0)?;
    let place = Place {
        received: own.xlog.received_location?,
        replayed: own.xlog.replayed_location?,
    };
    Some(Behind { place, lag })
}

/// How long a standby has been where it is.
#[derive(Debug, Default)]
pub struct Standstill {
    since: Option<(Behind, Duration)>,
    restarted_at: Option<Place>,
}

impl Standstill {
    /// Whether PostgreSQL is to be restarted now. It is once at each place: where that does not help, nothing is lost by it.
    /// `now` is any clock that only goes forward.
    pub fn restarts(&mut self, behind: Option<Behind>, now: Duration) -> bool {
        let Some(behind) = behind else {
            self.since = None;
            return false;
        };
        let (first, since) = match self.since {
            Some((first, since)) if first.place == behind.place => (first, since),
            _ => *self.since.insert((behind, now)),
        };
        let limit = if behind.lag == first.lag {
            STANDSTILL_LIMIT
        } else {
            STANDSTILL_LIMIT_WHILE_LEADER_WRITES
        };
        if self.restarted_at == Some(behind.place) || now.saturating_sub(since) < limit {
            return false;
        }
        self.restarted_at = Some(behind.place);
        true
    }
}

#[cfg(test)]
mod tests;
