//! The steps of a forced failover.

use api_types::ops_failover::FailoverPlan;
use api_types::reported::ops_request::conditions;
use jiff::SignedDuration;

use super::candidates;
use crate::effect::{Effect, MemberEffect};
use crate::operation::Operation;
use crate::step::{EndsPods, Progress, Step, StepResult, SubCondition, planned};
use crate::waiting::WaitingOn;
use crate::world::{Member, Observed, World};

/// How long the other members may take to follow the new primary before the request ends without them.
const REJOIN_TIMEOUT: SignedDuration = SignedDuration::from_mins(2);

/// How long a member is probed for whether it takes writes before its Pod is ended: one response may get lost.
const FENCE_PROBE_TIMEOUT: SignedDuration = SignedDuration::from_secs(5);

/// The chosen member, and what is lost, are recorded.
pub const CHOOSE: Step = Step::new(
    conditions::CHOOSE_CANDIDATE,
    "Successfully chose the member that is promoted",
    |_, _| "the member that is promoted is written down, with what it lacks".into(),
    choose,
);
/// No other member takes writes.
pub const FENCE: Step = Step::new(
    conditions::FENCE_PRIMARY,
    "Successfully made sure that no other member takes writes",
    |_, _| "a member that does not report that it takes no writes loses its Pod; its volume is kept".into(),
    fence,
)
.ending_pods(|_| EndsPods::IfNeeded);
/// It is promoted.
pub const PROMOTE: Step = Step::new(
    conditions::TRANSITION_CANDIDATE_TO_LEADER,
    "Successfully promoted the candidate: exactly one member takes writes",
    |_, _| "Patroni promotes it, whatever it lacks; exactly one member is seen to take writes".into(),
    promote,
)
.ending_pods(|_| EndsPods::IfNeeded)
.with_sub_conditions(promoted);
/// The others follow.
pub const REJOIN: Step = Step::new(
    conditions::FOLLOW_NEW_PRIMARY,
    "Successfully looked at the members that follow the new primary",
    |_, _| "the other members are rewound by Patroni and stream from it; one that does not is named".into(),
    rejoin,
)
.granting(|_| REJOIN_TIMEOUT)
.with_sub_conditions(left_out);

/// That there is no primary which clients can use.
///
/// # Errors
/// Its name, and what to do instead.
pub fn no_healthy_primary(world: &World) -> Result<(), String> {
    let healthy = world
        .leader()
        .filter(|leader| world.members()[*leader].unhealthy_reason(true).is_none());
    match healthy {
        None => Ok(()),
        Some(leader) => Err(format!(
            "{leader} is the primary and healthy, and has every acknowledged row; nothing is promoted. To move the primary role without loss, \
             create a PostgresOpsRequest of type Restart"
        )),
    }
}

/// Whether it is not known that a member takes no writes.
pub fn may_take_writes(member: &Member) -> bool {
    match &member.patroni {
        Observed::Present(state) => state.primary && state.running,
        Observed::Absent | Observed::Unknown(_) => member.has_started,
    }
}

fn choose(op: &Operation, world: &World) -> StepResult {
    if op.progress.candidate.is_some() {
        return Ok(Progress::Done);
    }
    no_healthy_primary(world).map_err(Progress::Impossible)?;
    let plan = candidates::plan(op, world);
    no_more_is_lost(op.progress.change.failover.as_ref(), &plan).map_err(Progress::Impossible)?;
    let first = fit(&plan)?;
    let mut progress = op.progress.clone();
    progress.candidate = Some(first);
    progress.old_primary.clone_from(&plan.former_primary);
    progress.change.failover = Some(plan);
    Ok(Progress::Choose(Box::new(progress)))
}

fn fit(plan: &FailoverPlan) -> StepResult<String> {
    if let Some(first) = plan.first_fit() {
        return Ok(first.pod.clone());
    }
    let lacks = plan.candidates.iter();
    let lacks = lacks.map(|it| (it.pod.clone(), it.unfit.clone().unwrap_or_default()));
    Err(WaitingOn::Candidate(lacks.collect()).into())
}

/// What was approved is what is lost: another candidate, or a greater loss, needs another approval.
fn no_more_is_lost(approved: Option<&FailoverPlan>, now: &FailoverPlan) -> Result<(), String> {
    let (Some(before), Some(now)) = (approved.and_then(FailoverPlan::first_fit), now.first_fit()) else {
        return Ok(());
    };
    let is_known = now.lost_bytes.is_some() || before.lost_bytes.is_none();
    let is_as_told = before.pod == now.pod && is_known && now.lost_bytes <= before.lost_bytes;
    is_as_told.then_some(()).ok_or_else(|| {
        format!(
            "the plan named {} with a loss of {} of WAL, and now it would be {} with {}; create the request again",
            before.pod,
            candidates::bytes_in_words(before),
            now.pod,
            candidates::bytes_in_words(now)
        )
    })
}

fn fence(op: &Operation, world: &World) -> StepResult {
    let candidate = planned(op.progress.candidate.as_ref())?;
    is_not_leading(world, candidate)?;
    fenced(op, world, candidate)?;
    Ok(Progress::Done)
}

/// Another member became the primary by itself: it has what it has, without an order of the operator.
fn is_not_leading(world: &World, candidate: &str) -> StepResult<()> {
    if world.leader() == Some(candidate) {
        return Ok(());
    }
    no_healthy_primary(world).map_err(|why| Progress::Impossible(format!("meanwhile {why}")))
}

/// A Pod that has ended takes no writes, and neither does one that was never on a node. A lost node does not report that a
/// Pod has ended: then a person has to confirm it, on the Node.
fn fenced(op: &Operation, world: &World, candidate: &str) -> StepResult<()> {
    let others = world.members().iter().filter(|(pod, _)| *pod != candidate);
    let doubtful: Vec<_> = others.filter(|(_, member)| may_take_writes(member)).collect();
    if let Some((pod, _)) = doubtful.iter().find(|(_, member)| member.terminating) {
        return Err(WaitingOn::Fence((*pod).clone()).into());
    }
    if let Some((pod, _)) = doubtful
        .first()
        .filter(|_| op.step_age(world.now) < FENCE_PROBE_TIMEOUT)
    {
        let why = "it does not report that it takes no writes".to_owned();
        let pod = (*pod).clone();
        return Err(WaitingOn::Member { pod, why }.into());
    }
    let evict = |(pod, member): (&String, &Member)| -> Effect { MemberEffect::evict(pod, member).into() };
    Progress::of(doubtful.into_iter().map(evict).collect()).require_done()
}

fn promote(op: &Operation, world: &World) -> StepResult {
    let candidate = planned(op.progress.candidate.as_ref())?;
    if world.leader() == Some(candidate.as_str()) {
        return only_writer(world, candidate);
    }
    is_not_leading(world, candidate)?;
    fenced(op, world, candidate)?;
    let member = world.members().get(candidate);
    if let Some(why) = candidates::unfit(member) {
        let pod = candidate.clone();
        // It may have been promoted by now, and what it took since would be lost with it.
        return match member.filter(|member| !member.terminating && may_take_writes(member)) {
            Some(_) => Err(WaitingOn::Member { pod, why }.into()),
            None => another(op, world, candidate, why),
        };
    }
    let pod = candidate.clone();
    Ok(Progress::Act(vec![MemberEffect::Promote { pod }.into()]))
}

/// The next of the candidates; the first one again, when it comes back and no other one can be promoted. What was approved is
/// waited for: it is this member with this loss.
fn another(op: &Operation, world: &World, candidate: &str, why: String) -> StepResult {
    let plan = candidates::plan(op, world);
    let next = fit(&plan)?;
    if op.is_approved && no_more_is_lost(op.progress.change.failover.as_ref(), &plan).is_err() {
        return Err(WaitingOn::Candidate(vec![(candidate.to_owned(), why)]).into());
    }
    let mut progress = op.progress.clone();
    if next == candidate {
        return Err(WaitingOn::Primary.into());
    }
    progress.candidate = Some(next);
    progress.change.failover = Some(plan);
    Ok(Progress::Choose(Box::new(progress)))
}

/// The new primary takes writes by its own report, and no other member does.
fn only_writer(world: &World, candidate: &str) -> StepResult {
    let waits = |pod: &str, why: String| WaitingOn::Member {
        pod: pod.to_owned(),
        why,
    };
    let leader = &world.members()[candidate];
    if let Some(why) = leader.unhealthy_reason(true) {
        return Err(waits(candidate, why).into());
    }
    match &leader.server {
        Observed::Present(server) if server.takes_writes => {}
        Observed::Present(_) => return Err(waits(candidate, "it is still in recovery".into()).into()),
        Observed::Absent => return Err(waits(candidate, "it was not asked".into()).into()),
        Observed::Unknown(why) => return Err(waits(candidate, why.clone()).into()),
    }
    let other = world.members().iter().find(|(pod, member)| {
        let writes = member.server.present().is_some_and(|server| server.takes_writes);
        *pod != candidate && (writes || may_take_writes(member))
    });
    match other {
        None => Ok(Progress::Done),
        Some((pod, _)) => Err(waits(pod, "it may take writes beside the new primary".into()).into()),
    }
}

fn promoted(op: &Operation, world: &World) -> Vec<SubCondition> {
    let (Some(candidate), Some(plan)) = (&op.progress.candidate, &op.progress.change.failover) else {
        return Vec::new();
    };
    if world.leader() != Some(candidate.as_str()) {
        return Vec::new();
    }
    let chosen = plan.candidates.iter().find(|it| it.pod == *candidate);
    let note =
        chosen.map(|it| SubCondition::note(conditions::ACCEPTED_LOSS, candidates::loss_in_words(it, plan)));
    note.into_iter().collect()
}

/// Each other member that does not follow the new primary, and why.
fn not_following<'a>(op: &'a Operation, world: &'a World) -> impl Iterator<Item = (&'a String, String)> {
    let primary = op.progress.candidate.as_deref();
    let others = world
        .members()
        .iter()
        .filter(move |(pod, _)| Some(pod.as_str()) != primary);
    others.filter_map(|(pod, member)| Some((pod, member.unhealthy_reason(false)?)))
}

fn rejoin(op: &Operation, world: &World) -> StepResult {
    if op.step_age(world.now) >= REJOIN_TIMEOUT {
        return Ok(Progress::Done);
    }
    world.all_seen()?;
    match not_following(op, world).next() {
        None => Ok(Progress::Done),
        Some((pod, why)) => Err(WaitingOn::Member {
            pod: pod.clone(),
            why,
        }
        .into()),
    }
}

fn left_out(op: &Operation, world: &World) -> Vec<SubCondition> {
    if op.step_age(world.now) < REJOIN_TIMEOUT {
        return Vec::new();
    }
    let named: Vec<String> = not_following(op, world)
        .map(|(pod, why)| format!("{pod}: {why}"))
        .collect();
    if named.is_empty() {
        return Vec::new();
    }
    let message = format!(
        "{}. When the new primary has every row that matters: kubectl sealwright reconnect {} -n {}",
        named.join("; "),
        op.database,
        op.namespace
    );
    vec![SubCondition::note(conditions::NOT_FOLLOWING, message)]
}

#[cfg(test)]
mod tests {
    use api_types::PostgresOpsRequest;
    use api_types::ops_failover::FailoverCandidate;

    use super::*;
    use crate::operation;
    use crate::world::{Members, PatroniState};

    fn losing(pod: &str, lost_bytes: Option<i64>) -> FailoverPlan {
        let candidate = FailoverCandidate {
            pod: pod.to_owned(),
            lost_bytes,
            ..FailoverCandidate::default()
        };
        FailoverPlan {
            candidates: vec![candidate],
            ..FailoverPlan::default()
        }
    }

    #[test]
    fn what_was_approved_covers_the_same_member_and_no_greater_loss() {
        let approved = losing("pg-1", Some(100));
        let table = [
            (losing("pg-1", Some(100)), true),
            (losing("pg-1", Some(99)), true),
            (losing("pg-1", Some(101)), false),
            (losing("pg-1", None), false),
            (losing("pg-2", Some(0)), false),
        ];
        for (now, is_covered) in table {
            assert_eq!(
                no_more_is_lost(Some(&approved), &now).is_ok(),
                is_covered,
                "{now:?}"
            );
        }
        let unknown = losing("pg-1", None);
        assert_eq!(no_more_is_lost(Some(&unknown), &unknown), Ok(()));
        assert_eq!(no_more_is_lost(None, &approved), Ok(()));
        let told = no_more_is_lost(Some(&approved), &unknown).expect_err("not known any more");
        assert!(
            told.contains("100 bytes") && told.contains("an unknown amount"),
            "{told}"
        );
    }

    /// Its Pod may be recreated in the wrong moment.
    #[test]
    fn the_approved_candidate_is_waited_for() {
        let request: PostgresOpsRequest = serde_yaml::from_str(
            "{apiVersion: ops.kubedb.com/v1alpha1, kind: PostgresOpsRequest, metadata: {name: r}, \
             spec: {type: ForceFailOver, databaseRef: {name: pg}}}",
        )
        .expect("a request");
        let mut op = operation::parse(&request).expect("a good request");
        op.progress.candidate = Some("pg-2".into());
        op.progress.change.failover = Some(losing("pg-2", Some(100)));
        let standby = PatroniState {
            running: true,
            ..PatroniState::default()
        };
        let runs = Member {
            ready: true,
            has_started: true,
            patroni: Observed::Present(standby),
            ..Member::default()
        };
        let starts = Member {
            patroni: Observed::Unknown("it has no address".into()),
            ..Member::default()
        };
        let by_pod = [("pg-1", runs), ("pg-2", starts)].map(|(pod, it)| (pod.to_owned(), it));
        let world = World {
            members: Some(Members {
                by_pod: by_pod.into(),
                ..Members::default()
            }),
            ..World::default()
        };
        let next = |op: &Operation| promote(op, &world).unwrap_or_else(|progress| progress);
        let Progress::Choose(chosen) = next(&op) else {
            panic!("{:?}", next(&op));
        };
        assert_eq!(
            chosen.candidate.as_deref(),
            Some("pg-1"),
            "nobody was promised anything"
        );
        op.is_approved = true;
        let waiting = next(&op);
        let Progress::Wait(WaitingOn::Candidate(lacks)) = &waiting else {
            panic!("{waiting:?}");
        };
        assert_eq!(lacks[0].0, "pg-2");
    }
}
