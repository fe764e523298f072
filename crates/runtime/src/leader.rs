//! Leader election by Lease, by the rules of Kubernetes' own components: no process trusts another machine's clock. A
//! Lease counts as abandoned when its record has not changed for its whole duration, as seen by our own clock.
//!
//! Written here rather than taken from kube-lease-manager: that one (0.13) goes on as leader while the API server can't
//! be reached, and waits for the read expiry even after the holder has released.
//!
//! A Lease is no fence: a former leader's last write may still be on its way. Correctness rests on resource versions
//! and on everything being safe to do twice.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use tokio::{sync::oneshot, task::JoinHandle, time};

use crate::{
    Shutdown,
    apply_error::{ApplyError, ObjectId},
};

/// How long an unchanged record keeps others away.
const LEASE_DURATION: Duration = Duration::from_secs(15);
/// How long we go on as leader without a successful renewal; shorter than [`LEASE_DURATION`], so that we stop first.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Time between two attempts to take or renew.
const RETRY_PERIOD: Duration = Duration::from_secs(3);

/// The Lease and the identity of a candidate.
#[derive(Clone, Debug)]
pub struct Election {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub lease: String,
    /// Our identity: the Pod's name.
    pub identity: String,
}

/// Leadership could not be had or kept.
#[derive(Debug, thiserror::Error)]
pub enum LeaderError {
    /// The API server refuses; without the rights no process is ever elected.
    #[error("leader election needs get, create and update of Leases")]
    NotAllowed(#[source] ApplyError),
    /// Another process took the Lease.
    #[error("lost Lease {lease} to {to}; this process ends so that only one works")]
    Taken {
        /// The Lease.
        lease: ObjectId,
        /// Its holder now.
        to: String,
    },
    /// The Lease could not be renewed in time.
    #[error("could not renew Lease {lease} for {seconds} s; this process ends before another takes over")]
    NotRenewed {
        /// The Lease.
        lease: ObjectId,
        /// The deadline.
        seconds: u64,
        /// The last failure; none if the API server did not respond.
        #[source]
        last: Option<ApplyError>,
    },
    /// The task that renews ended, which is a bug.
    #[error("the task that renews the Lease ended")]
    Renewal(#[source] tokio::task::JoinError),
}

/// What to do about the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// It is free, abandoned or ours: write our name.
    Take,
    /// Another process holds it.
    Wait,
}

/// `unchanged_for`: how long we have seen this very record, by our own clock.
fn claim(record: &LeaseSpec, identity: &str, unchanged_for: Duration) -> Claim {
    let holder = record.holder_identity.as_deref().unwrap_or_default();
    if holder.is_empty() || holder == identity {
        return Claim::Take;
    }
    let seconds = record.lease_duration_seconds.and_then(|s| u64::try_from(s).ok());
    let duration = seconds.map_or(LEASE_DURATION, Duration::from_secs);
    if unchanged_for > duration {
        Claim::Take
    } else {
        Claim::Wait
    }
}

/// Our next record after `old`.
fn held(old: &LeaseSpec, identity: &str, now: Timestamp) -> LeaseSpec {
    let ours = old.holder_identity.as_deref() == Some(identity);
    let transitions = old.lease_transitions.unwrap_or(0);
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(LEASE_DURATION.as_secs()).ok(),
        acquire_time: if ours {
            old.acquire_time.clone()
        } else {
            Some(MicroTime(now))
        },
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(if ours {
            transitions
        } else {
            transitions.saturating_add(1)
        }),
        ..LeaseSpec::default()
    }
}

/// A record without a holder, so that the next process need not wait.
fn released(old: &LeaseSpec, now: Timestamp) -> LeaseSpec {
    LeaseSpec {
        holder_identity: None,
        lease_duration_seconds: Some(1),
        acquire_time: None,
        renew_time: Some(MicroTime(now)),
        lease_transitions: old.lease_transitions,
        ..LeaseSpec::default()
    }
}

/// Our hold on the Lease; renewed by a task of its own until released.
#[derive(Debug)]
pub struct Leadership {
    stop: oneshot::Sender<()>,
    renewal: JoinHandle<Result<(), LeaderError>>,
}

impl Leadership {
    /// Returns only when leadership is lost, and why.
    pub async fn lost(&mut self) -> LeaderError {
        match (&mut self.renewal).await {
            Ok(Err(error)) => error,
            Err(error) => LeaderError::Renewal(error),
            // Only `release` ends the task well, and that takes `self`.
            Ok(Ok(())) => std::future::pending().await,
        }
    }

    /// Gives the Lease away; call it when all work has stopped. A failure is logged: the Lease then runs out.
    pub async fn release(self) {
        if self.stop.send(()).is_err() {
            return;
        }
        if let Err(error) = self.renewal.await {
            tracing::warn!(error = %error, "the task that renews the Lease did not end well");
        }
    }
}

/// Waits until this process is the leader; `None` if shutdown came first.
///
/// # Errors
/// [`LeaderError::NotAllowed`]; other failures are logged and tried again.
pub async fn acquire(
    client: Client,
    election: Election,
    shutdown: Shutdown,
) -> Result<Option<Leadership>, LeaderError> {
    let mut candidate = Candidate::new(client, election);
    let mut ticks = time::interval(RETRY_PERIOD);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.clone().wait() => return Ok(None),
            _ = ticks.tick() => {}
        }
        match time::timeout(RENEW_DEADLINE, candidate.attempt()).await {
            Ok(Ok(None)) => return Ok(Some(renewed(candidate))),
            Ok(Ok(Some(holder))) => tracing::debug!(holder, "another process leads"),
            Ok(Err(error @ ApplyError::Forbidden { .. })) => return Err(LeaderError::NotAllowed(error)),
            Ok(Err(error)) => {
                let error = api_types::error_chain(&error);
                tracing::warn!(error, "could not take the Lease, will try again");
            }
            Err(_) => tracing::warn!("the API server did not answer about the Lease, will try again"),
        }
    }
}

fn renewed(candidate: Candidate) -> Leadership {
    tracing::info!(lease = %candidate.id(), identity = candidate.election.identity, "leading");
    let (stop, stopped) = oneshot::channel();
    Leadership {
        stop,
        renewal: tokio::spawn(renew(candidate, stopped)),
    }
}

async fn renew(mut candidate: Candidate, mut stopped: oneshot::Receiver<()>) -> Result<(), LeaderError> {
    let mut ticks = time::interval(RETRY_PERIOD);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let mut renewed_at = time::Instant::now();
    let mut last = None;
    loop {
        let deadline = renewed_at + RENEW_DEADLINE;
        // Ticks come more often than the deadline, so that the attempt's own limit is enough to keep it.
        tokio::select! {
            _ = &mut stopped => {
                candidate.release().await;
                return Ok(());
            }
            _ = ticks.tick() => {}
        }
        match time::timeout_at(deadline, candidate.attempt()).await {
            Ok(Ok(None)) => {
                renewed_at = time::Instant::now();
                last = None;
            }
            Ok(Ok(Some(to))) => {
                return Err(LeaderError::Taken {
                    lease: candidate.id(),
                    to,
                });
            }
            Ok(Err(error)) => {
                tracing::warn!(
                    error = api_types::error_chain(&error),
                    "could not renew the Lease"
                );
                last = Some(error);
            }
            Err(_) => return Err(candidate.not_renewed(last)),
        }
    }
}

struct Candidate {
    api: Api<Lease>,
    election: Election,
    /// The last record seen, and since when it is unchanged.
    seen: Option<(LeaseSpec, time::Instant)>,
}

impl Candidate {
    fn new(client: Client, election: Election) -> Self {
        Self {
            api: Api::namespaced(client, &election.namespace),
            election,
            seen: None,
        }
    }

    fn id(&self) -> ObjectId {
        ObjectId {
            kind: "Lease".to_owned(),
            namespace: self.election.namespace.clone(),
            name: self.election.lease.clone(),
        }
    }

    fn not_renewed(&self, last: Option<ApplyError>) -> LeaderError {
        LeaderError::NotRenewed {
            lease: self.id(),
            seconds: RENEW_DEADLINE.as_secs(),
            last,
        }
    }

    /// Takes or renews the Lease: `None` when it is ours now, else who holds it.
    async fn attempt(&mut self) -> Result<Option<String>, ApplyError> {
        let Some(mut lease) = self.read().await? else {
            self.create().await?;
            return Ok(None);
        };
        let record = lease.spec.clone().unwrap_or_default();
        let unchanged_for = self.see(&record);
        if claim(&record, &self.election.identity, unchanged_for) == Claim::Wait {
            return Ok(Some(record.holder_identity.unwrap_or_default()));
        }
        // The resource version that was read is in `lease`: if another process writes first, we get a conflict.
        lease.spec = Some(held(&record, &self.election.identity, Timestamp::now()));
        self.replace("take", &lease).await?;
        Ok(None)
    }

    /// Notes the record; returns for how long it has been the same.
    fn see(&mut self, record: &LeaseSpec) -> Duration {
        match &self.seen {
            Some((seen, since)) if seen == record => since.elapsed(),
            _ => {
                self.seen = Some((record.clone(), time::Instant::now()));
                Duration::ZERO
            }
        }
    }

    async fn read(&self) -> Result<Option<Lease>, ApplyError> {
        let found = self.api.get_opt(&self.election.lease).await;
        found.map_err(|source| ApplyError::new("read", self.id(), source))
    }

    async fn create(&self) -> Result<(), ApplyError> {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.election.lease.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(held(
                &LeaseSpec::default(),
                &self.election.identity,
                Timestamp::now(),
            )),
        };
        let created = self.api.create(&PostParams::default(), &lease).await;
        created
            .map(drop)
            .map_err(|source| ApplyError::new("create", self.id(), source))
    }

    async fn replace(&self, action: &'static str, lease: &Lease) -> Result<(), ApplyError> {
        let replaced = self
            .api
            .replace(&self.election.lease, &PostParams::default(), lease)
            .await;
        replaced
            .map(drop)
            .map_err(|source| ApplyError::new(action, self.id(), source))
    }

    async fn release(&self) {
        let release = async {
            let Some(mut lease) = self.read().await? else {
                return Ok(());
            };
            let record = lease.spec.clone().unwrap_or_default();
            if record.holder_identity.as_deref() != Some(&self.election.identity) {
                return Ok(());
            }
            lease.spec = Some(released(&record, Timestamp::now()));
            self.replace("release", &lease).await
        };
        match time::timeout(RETRY_PERIOD, release).await {
            Ok(Ok(())) => tracing::info!(lease = %self.id(), "released"),
            Ok(Err(error)) => {
                tracing::warn!(
                    error = api_types::error_chain(&error),
                    "could not release the Lease"
                );
            }
            Err(_) => tracing::warn!(lease = %self.id(), "the API server did not answer to the release"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a valid time")
    }

    fn held_by(holder: &str) -> LeaseSpec {
        held(&LeaseSpec::default(), holder, at(100))
    }

    #[test]
    fn a_free_or_own_lease_is_taken_at_once() {
        assert_eq!(claim(&LeaseSpec::default(), "me", Duration::ZERO), Claim::Take);
        assert_eq!(claim(&held_by("me"), "me", Duration::ZERO), Claim::Take);
        assert_eq!(
            claim(&released(&held_by("other"), at(5)), "me", Duration::ZERO),
            Claim::Take
        );
    }

    #[test]
    fn the_lease_of_another_is_taken_only_after_its_duration_by_our_own_clock() {
        assert_eq!(
            claim(&held_by("other"), "me", Duration::from_secs(15)),
            Claim::Wait
        );
        assert_eq!(
            claim(&held_by("other"), "me", Duration::from_millis(15_001)),
            Claim::Take
        );
        let long = LeaseSpec {
            lease_duration_seconds: Some(60),
            ..held_by("other")
        };
        assert_eq!(claim(&long, "me", Duration::from_secs(20)), Claim::Wait);
    }

    #[test]
    fn renewing_keeps_when_it_was_acquired_and_taking_counts() {
        let renewed = held(&held_by("me"), "me", at(103));
        assert_eq!(renewed.acquire_time, Some(MicroTime(at(100))));
        assert_eq!(renewed.renew_time, Some(MicroTime(at(103))));
        assert_eq!(renewed.lease_transitions, Some(1));
        assert_eq!(held(&renewed, "other", at(120)).lease_transitions, Some(2));
    }

    #[test]
    fn we_stop_before_others_may_start() {
        assert!(RENEW_DEADLINE + RETRY_PERIOD < LEASE_DURATION);
    }
}
