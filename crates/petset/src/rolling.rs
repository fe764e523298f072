//! Which Pods of an old revision may be replaced now.

/// One ordinal, as a rolling update sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The ordinal.
    pub ordinal: i32,
    /// Whether its Pod exists, is of an old revision, at or above the partition, and not going already.
    pub replaceable: bool,
    /// Whether its Pod is ready.
    pub ready: bool,
    /// Whether its Pod has been ready for `minReadySeconds`.
    pub available: bool,
}

/// The ordinals to replace, highest first.
///
/// A Pod that is not ready has nothing to lose: it is replaced at once, one at a time, or a broken template could
/// never be repaired by a better one (StatefulSet's known "forced rollback" problem). A Pod that is ready is replaced
/// only while fewer than `max_unavailable` are unavailable, in strictly falling order, and only if `settled`: while
/// Pods are made or go, none is taken away.
pub fn replace(members: &[Member], max_unavailable: usize, settled: bool) -> Vec<i32> {
    let falling = || members.iter().rev().filter(|m| m.replaceable);
    if let Some(broken) = falling().find(|m| !m.ready) {
        return if settled { vec![broken.ordinal] } else { vec![] };
    }
    if !settled {
        return vec![];
    }
    let unavailable = members.iter().filter(|m| !m.available).count();
    let budget = max_unavailable.saturating_sub(unavailable);
    falling().take(budget).map(|m| m.ordinal).collect()
}
