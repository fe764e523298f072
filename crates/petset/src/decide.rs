//! (PetSet, what exists, now) → the next moves. Ordinals are taken in order: up when Pods are made, down when they go.

use std::collections::BTreeMap;

use api_types::petset::{ClaimRetention, PodManagementPolicy};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use crate::claims::{self, Vanishing};
use crate::identity;
use crate::moves::{DeleteReason, Move, OwnedKind, OwnershipChange, Problem, Wait};
use crate::ownership::{self, seen};
use crate::placement;
use crate::resolve::{Desired, Strategy};
use crate::revision::{self, Chosen, Revision};
use crate::rolling;
use crate::startup::{Startup, startup};
use crate::trouble;
use crate::world::{
    Placement, REVISION_LABEL, World, controller_of, finished_phase, is_controlled_by, is_pending,
    is_terminating, revision_of, seconds_to_available, seconds_to_replacement,
};

/// What is to be done, and why nothing more.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Writes, in this order; a failed one ends the pass.
    pub moves: Vec<Move>,
    /// What is waited for.
    pub waits: Vec<Wait>,
    /// What a person has to check.
    pub problems: Vec<Problem>,
    /// The revisions that the moves are about.
    pub revisions: Chosen,
    /// Whether a Pod that can't be made holds up those after it.
    pub in_order: bool,
}

/// Seconds between two checks of what others have to do. No event of theirs wakes the controller.
const POLL_SECONDS: i64 = 10;

impl Plan {
    /// Seconds after which another pass is due without any event.
    pub fn look_again_in(&self) -> Option<i64> {
        self.waits
            .iter()
            .filter_map(|wait| match wait {
                Wait::PodAvailable { seconds, .. }
                | Wait::Cooldown { seconds, .. }
                | Wait::Withheld { seconds, .. } => Some(*seconds),
                Wait::PodGone(_) | Wait::PodReady(_) | Wait::ClaimGone(_) => Some(POLL_SECONDS),
                Wait::Deleted => None,
            })
            .min()
    }
}

/// Whether the pass goes on to the next ordinal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Next,
    Stop,
}

/// Decides the next moves.
pub fn decide(desired: &Desired, world: &World, now: Timestamp) -> Plan {
    let chosen = revision::choose(desired, world);
    let in_order = desired.order == PodManagementPolicy::OrderedReady;
    let plan = |revisions, moves, waits| plan(in_order, revisions, moves, waits);
    if desired.deleting {
        return plan(chosen, vec![], vec![Wait::Deleted]);
    }
    let changes = ownership::changes(desired, world);
    if !changes.is_empty() {
        return plan(chosen, changes, vec![]);
    }
    let mut round = Round {
        desired,
        world,
        now,
        pods: by_ordinal(desired, world),
        plan: plan(chosen.clone(), chosen.moves, vec![]),
    };
    round.keep_claims_owned();
    round.keep_claims_guarded();
    if round.fill() == Flow::Next {
        round.shrink();
    }
    round.update();
    round.plan.problems.extend(trouble::problems(desired, world, now));
    let pruned = revision::prune(desired, world, &round.plan.revisions);
    round.plan.moves.extend(pruned);
    round.plan
}

fn plan(in_order: bool, revisions: Chosen, moves: Vec<Move>, waits: Vec<Wait>) -> Plan {
    Plan {
        in_order,
        moves,
        waits,
        problems: vec![],
        revisions,
    }
}

/// The Pods with a name that this PetSet gives, ours or not.
fn by_ordinal<'a>(desired: &Desired, world: &'a World) -> BTreeMap<i32, &'a Pod> {
    world
        .pods
        .iter()
        .filter_map(|pod| Some((desired.ordinal_of(pod.metadata.name.as_deref()?)?, pod)))
        .collect()
}

struct Round<'a> {
    desired: &'a Desired,
    world: &'a World,
    now: Timestamp,
    pods: BTreeMap<i32, &'a Pod>,
    plan: Plan,
}

impl<'a> Round<'a> {
    /// In order, a Pod that is not as it should be holds up all after it.
    fn hold(&self) -> Flow {
        if self.plan.in_order {
            Flow::Stop
        } else {
            Flow::Next
        }
    }

    fn wait(&mut self, wait: Wait) -> Flow {
        self.plan.waits.push(wait);
        self.hold()
    }

    fn problem(&mut self, problem: Problem) -> Flow {
        self.plan.problems.push(problem);
        self.hold()
    }

    /// Deletes a Pod, unless its volume would go with it without a request for that.
    fn delete(&mut self, pod: &Pod, reason: DeleteReason) -> Flow {
        let meta = &pod.metadata;
        if let Some(vanishing) = self.vanishing_with(pod) {
            return self.problem(Problem::pod_kept(&vanishing, &reason));
        }
        self.plan.moves.push(Move::DeletePod {
            name: meta.name.clone().unwrap_or_default(),
            uid: meta.uid.clone().unwrap_or_default(),
            reason,
        });
        self.hold()
    }

    /// The claim that would go with this Pod; none where the retention policy wants it to go.
    fn vanishing_with(&self, pod: &Pod) -> Option<Vanishing> {
        let ordinal = self.desired.ordinal_of(pod.metadata.name.as_deref()?)?;
        let is_wanted =
            !self.desired.ordinals().contains(&ordinal) && self.desired.when_scaled == ClaimRetention::Delete;
        let found = claims::vanishing(self.desired, self.world, ordinal, pod);
        found.into_iter().next().filter(|_| !is_wanted)
    }

    /// Claims of Pods that exist follow the retention policy. Comes first: a claim that goes with its Pod must know
    /// it before the Pod goes.
    fn keep_claims_owned(&mut self) {
        let ours: Vec<(i32, &Pod)> = self
            .pods
            .iter()
            .map(|(ordinal, pod)| (*ordinal, *pod))
            .filter(|(_, pod)| self.is_ours(pod))
            .collect();
        let unborn = self
            .desired
            .ordinals()
            .filter(|ordinal| !self.pods.contains_key(ordinal))
            .map(|o| (o, None));
        let all: Vec<(i32, Option<&Pod>)> = ours
            .into_iter()
            .map(|(ordinal, pod)| (ordinal, Some(pod)))
            .chain(unborn)
            .collect();
        for (ordinal, pod) in all {
            for name in claims::claim_names(self.desired, ordinal) {
                self.keep_claim_owned(ordinal, pod, &name);
            }
        }
    }

    fn keep_claim_owned(&mut self, ordinal: i32, pod: Option<&Pod>, name: &str) {
        let Some(claim) = self.world.claims.get(name) else {
            return;
        };
        if is_terminating(&claim.metadata) || claims::doomed_by(self.desired, ordinal, pod, claim).is_some() {
            return;
        }
        let present = claim.metadata.owner_references.clone().unwrap_or_default();
        let owners = claims::owners(self.desired, ordinal, pod, &present);
        if owners != present {
            self.plan.moves.push(Move::SetOwners {
                kind: OwnedKind::Claim,
                seen: seen(&claim.metadata),
                owners,
                change: OwnershipChange::Retention,
            });
        }
    }

    /// Also those of ordinals that are not wanted any more: their data is kept too.
    fn keep_claims_guarded(&mut self) {
        for claim in self.world.claims.values() {
            let seen = seen(&claim.metadata);
            // A second write of the same pass would fail: it carries the version before the first one.
            let changes =
                |m: &Move| matches!(m, Move::SetOwners { seen: changed, .. } if changed.uid == seen.uid);
            let is_left_alone = is_terminating(&claim.metadata) || self.plan.moves.iter().any(changes);
            let is_ours = self.desired.selects(claim.metadata.labels.as_ref());
            let annotations = claims::missing_annotations(self.desired, claim);
            if is_ours && !is_left_alone && !annotations.is_empty() {
                self.plan.moves.push(Move::GuardClaim { seen, annotations });
            }
        }
    }

    /// Makes the Pods that are missing, lowest ordinal first, and replaces those that ended.
    fn fill(&mut self) -> Flow {
        for ordinal in self.desired.ordinals() {
            if self.fill_one(ordinal) == Flow::Stop {
                return Flow::Stop;
            }
        }
        Flow::Next
    }

    fn fill_one(&mut self, ordinal: i32) -> Flow {
        let Some(pod) = self.pods.get(&ordinal).copied() else {
            return self.create(ordinal);
        };
        let name = self.desired.pod_name(ordinal);
        if is_terminating(&pod.metadata) {
            return self.wait(Wait::PodGone(name));
        }
        if !self.is_ours(pod) {
            let owner = controller_of(&pod.metadata).map(|r| format!("{} {}", r.kind, r.name));
            return self.problem(Problem::name_taken(&name, owner.as_deref()));
        }
        if let Some(phase) = finished_phase(pod) {
            return match seconds_to_replacement(pod, self.now) {
                0 => self.delete(pod, DeleteReason::Finished(trouble::how_it_ended(pod, phase))),
                seconds => self.wait(Wait::Cooldown { pod: name, seconds }),
            };
        }
        self.keep_labels(ordinal, pod);
        if is_pending(pod) {
            self.replace_outdated_claims(ordinal);
            self.create_missing_claims(ordinal);
        }
        if let Some(reason) = self.may_be_replaced(ordinal, pod) {
            return self.delete(pod, reason);
        }
        match seconds_to_available(pod, self.desired.min_ready_seconds, self.now) {
            Some(0) => Flow::Next,
            Some(seconds) => self.wait(Wait::PodAvailable { pod: name, seconds }),
            None => self.wait(Wait::PodReady(name)),
        }
    }

    /// Why a Pod that does not work may be made again, also where Pods that work are only replaced when they are deleted: the
    /// template or the policy that keeps it from starting has been corrected. What an `emptyDir` has is lost with the Pod, so without
    /// claims only a Pod that has never started is replaced.
    fn may_be_replaced(&self, ordinal: i32, pod: &Pod) -> Option<DeleteReason> {
        let startup = startup(self.desired, pod);
        let may_go = startup == Startup::Never
            || startup == Startup::Failing && !self.desired.claim_templates.is_empty();
        if self.desired.strategy != Strategy::OnDelete || !may_go {
            return None;
        }
        let (from, wanted) = (revision_of(pod), self.revision_for(ordinal));
        if from != wanted.name {
            return Some(DeleteReason::NeverWorked {
                from: from.to_owned(),
                to: wanted.name,
            });
        }
        let placed = self.placed(ordinal, &wanted).ok()?;
        let is_misplaced = is_pending(pod) && !placement::is_as_placed(pod, &placed);
        let claim = self.lost_claim(ordinal, pod);
        claim
            .map(DeleteReason::ClaimReplaced)
            .or(is_misplaced.then_some(DeleteReason::Misplaced))
    }

    /// A claim without a volume that can't go while this Pod waits for it on a node.
    fn lost_claim(&self, ordinal: i32, pod: &Pod) -> Option<String> {
        let is_on_a_node = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
        let mut names = claims::claim_names(self.desired, ordinal).into_iter();
        names.find(|name| {
            let claim = self.world.claims.get(name);
            is_on_a_node
                && claim.is_some_and(|claim| is_terminating(&claim.metadata) && !claims::has_volume(claim))
        })
    }

    fn is_ours(&self, pod: &Pod) -> bool {
        is_controlled_by(&pod.metadata, &self.desired.uid)
    }

    /// The labels of its identity, and the revision whose template it follows by now.
    fn keep_labels(&mut self, ordinal: i32, pod: &Pod) {
        let mut labels = Vec::new();
        if !identity::has_identity(self.desired, ordinal, &pod.metadata) {
            labels.extend(identity::identity_labels(self.desired, ordinal));
        }
        let wanted = self.revision_for(ordinal);
        if revision_of(pod) != wanted.name && revision::has_followed_in_place(pod, self.world, &wanted) {
            labels.push((REVISION_LABEL.to_owned(), wanted.name));
        }
        if !labels.is_empty() {
            self.plan.moves.push(Move::LabelPod {
                seen: seen(&pod.metadata),
                labels,
            });
        }
    }

    fn create(&mut self, ordinal: i32) -> Flow {
        if let Some(withheld) = claims::withheld(self.desired, self.world, ordinal, self.now) {
            // The others go on, in order too: this one may be away for long.
            self.plan.waits.push(Wait::withheld(withheld, self.now));
            return Flow::Next;
        }
        let revision = self.revision_for(ordinal);
        let pod = match self.placed(ordinal, &revision) {
            Ok(pod) => pod,
            Err(problem) => return self.problem(problem),
        };
        if let Some(claim) = self.vanishing_claim(ordinal) {
            return self.wait(Wait::ClaimGone(claim));
        }
        if let Some(claim) = self.claim_of_another(ordinal) {
            let name = self.desired.pod_name(ordinal);
            return self.problem(Problem::claim_taken(&name, &claim));
        }
        if self.replace_outdated_claims(ordinal) {
            return self.hold();
        }
        self.create_missing_claims(ordinal);
        self.plan.moves.push(Move::CreatePod(Box::new(pod)));
        self.hold()
    }

    /// The Pod of an ordinal as the PlacementPolicy wants it.
    fn placed(&self, ordinal: i32, revision: &Revision) -> Result<Pod, Problem> {
        let name = self.desired.pod_name(ordinal);
        let mut pod = identity::pod(self.desired, ordinal, &revision.name, &revision.template);
        match &self.world.placement {
            Placement::None => {}
            Placement::Missing(policy) => return Err(Problem::policy_missing(&name, policy)),
            Placement::Policy(policy) => placement::place(self.desired, ordinal, policy, &mut pod)
                .map_err(|why| Problem::unplaceable(&name, &why))?,
        }
        Ok(pod)
    }

    /// Deletes claims that wait for what the corrected template no longer requests; returns whether there are any. They are
    /// recreated when they are gone.
    fn replace_outdated_claims(&mut self, ordinal: i32) -> bool {
        let outdated = claims::outdated(self.desired, self.world, ordinal);
        let moves = outdated
            .iter()
            .map(|claim| Move::DeleteClaim(seen(&claim.metadata)));
        self.plan.moves.extend(moves);
        !outdated.is_empty()
    }

    /// An ordinal below the partition keeps the revision that it had; all others get the current template.
    fn revision_for(&self, ordinal: i32) -> Revision {
        match self.desired.strategy {
            Strategy::Rolling { partition, .. } if ordinal < self.desired.start.saturating_add(partition) => {
                self.plan.revisions.current.clone()
            }
            _ => self.plan.revisions.update.clone(),
        }
    }

    fn vanishing_claim(&self, ordinal: i32) -> Option<String> {
        claims::claim_names(self.desired, ordinal)
            .into_iter()
            .find(|name| {
                self.world.claims.get(name).is_some_and(|claim| {
                    is_terminating(&claim.metadata)
                        || claims::doomed_by(self.desired, ordinal, None, claim).is_some()
                })
            })
    }

    fn claim_of_another(&self, ordinal: i32) -> Option<String> {
        let mut names = claims::claim_names(self.desired, ordinal).into_iter();
        names.find(|name| {
            let claim = self.world.claims.get(name);
            claim.is_some_and(|claim| claims::is_of_another(self.desired, claim))
        })
    }

    fn create_missing_claims(&mut self, ordinal: i32) {
        for claim in claims::claims(self.desired, ordinal) {
            if !self
                .world
                .claims
                .contains_key(claim.metadata.name.as_deref().unwrap_or_default())
            {
                self.plan.moves.push(Move::CreateClaim(Box::new(claim)));
            }
        }
    }

    /// Deletes the Pods of ordinals that are not wanted, highest first. That one of them is not ready holds up
    /// nothing: it is going, and a broken Pod must not keep others alive.
    fn shrink(&mut self) {
        let unwanted: Vec<&Pod> = self
            .pods
            .iter()
            .rev()
            .filter(|(ordinal, pod)| !self.desired.ordinals().contains(ordinal) && self.is_ours(pod))
            .map(|(_, pod)| *pod)
            .collect();
        for pod in unwanted {
            let flow = if is_terminating(&pod.metadata) {
                self.wait(Wait::PodGone(pod.metadata.name.clone().unwrap_or_default()))
            } else {
                self.delete(pod, DeleteReason::ScaledDown)
            };
            if flow == Flow::Stop {
                return;
            }
        }
    }

    /// Replaces Pods of an old revision, when that is this controller's task.
    fn update(&mut self) {
        let Strategy::Rolling {
            partition,
            max_unavailable,
        } = self.desired.strategy
        else {
            return;
        };
        let to = self.plan.revisions.update.name.clone();
        let settled = !self.plan.in_order || self.is_settled();
        let members: Vec<rolling::Member> = self
            .desired
            .ordinals()
            .map(|ordinal| self.member(ordinal, partition, &to))
            .collect();
        for ordinal in rolling::replace(&members, max_unavailable, settled) {
            if let Some(pod) = self.pods.get(&ordinal).copied() {
                let from = revision_of(pod).to_owned();
                self.delete(pod, DeleteReason::Outdated { from, to: to.clone() });
            }
        }
    }

    /// In order, nothing is updated while Pods are made or go.
    fn is_settled(&self) -> bool {
        let moving = |m: &Move| matches!(m, Move::CreatePod(_) | Move::DeletePod { .. });
        let going = self
            .pods
            .iter()
            .any(|(o, pod)| !self.desired.ordinals().contains(o) && self.is_ours(pod));
        !going && !self.plan.moves.iter().any(moving)
    }

    fn member(&self, ordinal: i32, partition: i32, to: &str) -> rolling::Member {
        let ours = self.pods.get(&ordinal).copied().filter(|pod| self.is_ours(pod));
        let left_alone = |pod: &&Pod| !is_terminating(&pod.metadata) && finished_phase(pod).is_none();
        let outdated = ours.filter(left_alone).is_some_and(|pod| {
            let wanted = &self.plan.revisions.update;
            revision_of(pod) != to && !revision::has_followed_in_place(pod, self.world, wanted)
        });
        let seconds =
            ours.and_then(|pod| seconds_to_available(pod, self.desired.min_ready_seconds, self.now));
        rolling::Member {
            ordinal,
            replaceable: outdated && ordinal >= self.desired.start.saturating_add(partition),
            ready: seconds.is_some(),
            available: seconds == Some(0),
        }
    }
}
