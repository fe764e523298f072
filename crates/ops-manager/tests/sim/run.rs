//! A run of one request by the real engine, and how the world is disturbed meanwhile.

use api_types::PostgresOpsRequest;
use api_types::condition;
use api_types::ops_request::{OpsRequestPhase, PostgresOpsRequestStatus};
use jiff::{SignedDuration, Timestamp};
use ops_manager::admit::Admission;
use ops_manager::effect::{Effect, MemberEffect};
use ops_manager::engine::Due;
use ops_manager::operation::Operation;
use ops_manager::step::EndsPods;
use ops_manager::world::{IssuerState, Observed, World};
use ops_manager::{approval, engine, operation};

use crate::cluster::Cluster;
use crate::words;

/// How the world is disturbed.
#[derive(Clone, Copy, Debug)]
pub struct Disturbance {
    /// The operator is killed after every n-th effect.
    pub crash_after: Option<usize>,
    /// Every effect is done twice.
    pub twice: bool,
    /// Order in which the others move; 0: everybody moves between two looks.
    pub seed: u64,
}

impl Disturbance {
    /// The operator is killed after every n-th effect, and has not noted that it was done; without a number, calm.
    pub fn killed_after(effects: Option<usize>) -> Self {
        Self {
            crash_after: effects,
            twice: effects.is_some(),
            seed: 0,
        }
    }
}

pub const CALM: Disturbance = Disturbance {
    crash_after: None,
    twice: false,
    seed: 0,
};

/// Something that happens to the world.
pub type Happening = fn(&mut Cluster);

pub struct Run {
    pub request: PostgresOpsRequest,
    pub log: Vec<String>,
    pub random: u64,
    pub now: Timestamp,
    pub cancel_after: Option<usize>,
    /// The request is deleted when this condition is true.
    pub cancel_at: Option<&'static str>,
    /// When this condition is true and the last step is still to come, this happens.
    pub then: Option<(&'static str, Happening)>,
    /// When this condition is true, the operator's clock jumps.
    pub clock: Option<(&'static str, SignedDuration)>,
    /// One of four looks finds one thing unknown.
    pub hides_reads: bool,
    /// Messages of conditions, the request's own and those of the Postgres and the PetSet, are others in every look.
    pub other_words: bool,
    /// Three of four writes end in a conflict.
    pub conflicts: bool,
    /// Writes that did.
    pub lost: usize,
}

impl Run {
    pub fn new(name: &str, spec: &str, seed: u64) -> Self {
        let uid = uid_of(name);
        let text = format!(
            "{{apiVersion: ops.kubedb.com/v1alpha1, kind: PostgresOpsRequest, metadata: {{name: {name}, namespace: demo, \
             uid: {uid}}}, spec: {{databaseRef: {{name: pg}}, {spec}}}}}"
        );
        let request = serde_yaml::from_str(&text).expect("a request");
        Self {
            request,
            log: Vec::new(),
            random: seed,
            now: "2026-01-01T00:00:00Z".parse().expect("a time"),
            cancel_after: None,
            cancel_at: None,
            then: None,
            clock: None,
            hides_reads: false,
            other_words: false,
            conflicts: false,
            lost: 0,
        }
    }

    /// The run of a request on this cluster, with nothing in its way, which ends like this.
    pub fn to(cluster: &mut Cluster, name: &str, spec: &str, end: OpsRequestPhase) -> Self {
        let mut run = Self::new(name, spec, 0);
        run.now = cluster.now;
        let phase = run.run(cluster, CALM);
        assert_eq!(phase, end, "{:#?}\n{:#?}", run.log, run.status());
        run
    }

    pub fn status(&self) -> PostgresOpsRequestStatus {
        self.request.status.clone().unwrap_or_default()
    }

    pub fn coin(&mut self) -> bool {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) & 1 == 0
    }

    /// Whether a write ends in a conflict.
    pub fn loses(&mut self) -> bool {
        let loses = self.conflicts && !(self.coin() && self.coin());
        self.lost += usize::from(loses);
        loses
    }

    /// One read of this look has failed.
    fn hide_something(&mut self, world: &mut World) {
        let hide: [fn(&mut World); 12] = [
            |world| world.claims = Observed::Unknown("timed out".into()),
            |world| {
                let volumes = world.volumes.iter_mut();
                volumes.for_each(|volumes| volumes.members = Observed::Unknown("timed out".into()));
            },
            |world| world.postgres = Observed::Unknown("timed out".into()),
            |world| world.version = Observed::Unknown("timed out".into()),
            |world| {
                let versions = world.other_versions.values_mut();
                versions.for_each(|version| *version = Observed::Unknown("timed out".into()));
            },
            |world| world.config = Observed::Unknown("timed out".into()),
            |world| world.pet_set = Observed::Unknown("timed out".into()),
            |world| world.superuser = Observed::Unknown("timed out".into()),
            |world| world.member_tls = Observed::Unknown("timed out".into()),
            |world| world.app_binding = Observed::Unknown("timed out".into()),
            |world| {
                let members = world.members.iter_mut().flat_map(|it| it.by_pod.values_mut());
                members.for_each(|member| member.server = Observed::Unknown("timed out".into()));
            },
            |world| {
                let secrets = world.tls.iter_mut().flat_map(|it| it.secrets.values_mut());
                secrets.for_each(|secret| *secret = Observed::Unknown("timed out".into()));
            },
        ];
        if self.coin() && self.coin() {
            let which = usize::try_from(self.random >> 40).unwrap_or(0) % hide.len();
            hide[which](world);
        }
    }

    pub fn others_move(&mut self, cluster: &mut Cluster, seed: u64) {
        let moves: [fn(&mut Cluster); 3] = [
            Cluster::provisioner_ticks,
            Cluster::petset_ticks,
            Cluster::cert_manager_ticks,
        ];
        for step in moves {
            if seed == 0 || self.coin() {
                step(cluster);
            }
        }
    }

    pub fn begin(&mut self, cluster: &mut Cluster) {
        let op = operation::parse(&self.request).expect("a good request");
        let world = world_with_issuers(cluster);
        let admission = approval::admit(&self.request, &op, &[], &world, self.now);
        assert!(matches!(admission, Admission::Begin(_)), "{admission:?}");
        self.request.status = Some(approval::admitted(&self.request, &op, &admission, self.now));
        // What it decides is written down; whether it was done before the first look is left to chance, as after a crash.
        let op = operation::parse(&self.request).expect("a good request");
        let next = engine::begin(&op, &self.status(), &world, self.now);
        self.request.status = Some(next.status);
        if self.coin() {
            next.effects
                .iter()
                .for_each(|effect| cluster.perform(effect, &op.holder()));
        }
    }

    /// Runs to the end; returns the phase.
    pub fn run(&mut self, cluster: &mut Cluster, disturbance: Disturbance) -> OpsRequestPhase {
        self.begin(cluster);
        let members = cluster.uids().len();
        let mut done = 0;
        for _ in 0..if self.conflicts { 20_000 } else { 2000 } {
            self.others_move(cluster, disturbance.seed);
            self.check_clients(cluster);
            self.now += SignedDuration::from_millis(100);
            cluster.now = self.now;
            let op = operation::parse(&self.request).expect("a good request");
            let is_there = |step: &str| condition::is_true(&self.status().conditions, step);
            let cancelled =
                self.cancel_after.is_some_and(|after| done >= after) || self.cancel_at.is_some_and(is_there);
            let mut world = cluster.world();
            if self.other_words {
                words::replace_in_world(&mut world, done);
                words::replace(&mut self.request.status.get_or_insert_default().conditions, done);
            }
            // As the operator looks: members whose answers are not needed are not asked.
            if self.hides_reads {
                self.hide_something(&mut world);
            }
            if !Due::of(&op, &self.status()).asks_members() {
                world.members = None;
            }
            let next = engine::advance(&op, &self.status(), &world, cancelled, self.now);
            if next.status != self.status() && self.loses() {
                continue;
            }
            self.note_latches(&next.status);
            self.request.status = Some(next.status.clone());
            let is_latched = |step: &str| condition::is_true(&next.status.conditions, step);
            if let Some((_, jump)) = self.clock.take_if(|(step, _)| is_latched(step)) {
                self.now += jump;
            }
            if let Some((_, happens)) = self
                .then
                .take_if(|(step, _)| is_latched(step) && !is_latched("UpdateDatabase"))
            {
                happens(cluster);
            }
            if next.has_ended() {
                return next.status.phase.expect("a phase");
            }
            if next.has_stopped() {
                self.note("is tried again".into());
                self.begin(cluster);
                continue;
            }
            check_told(&op, &next.status, &next.effects);
            for effect in &next.effects {
                if self.loses() {
                    break;
                }
                for _ in 0..if disturbance.twice { 2 } else { 1 } {
                    cluster.perform(effect, &op.holder());
                }
                self.note(format!("  {effect}"));
                self.check_clients(cluster);
                done += 1;
                let is_scaled = self.request.spec.horizontal_scaling.is_some();
                assert!(
                    members == 1 || is_scaled || cluster.ready() + 1 >= members,
                    "{effect} took a second member: {:#?}",
                    self.log
                );
                if disturbance.crash_after.is_some_and(|every| done % every == 0) {
                    break;
                }
            }
        }
        panic!("never ends: {:#?}\n{:#?}", self.log, self.status().conditions);
    }

    fn check_clients(&self, cluster: &Cluster) {
        let verified = cluster.clients_verify_every_member();
        assert_eq!(verified, Ok(()), "{:#?}", self.log);
    }

    fn note(&mut self, line: String) {
        if self.log.last() != Some(&line) {
            self.log.push(line);
        }
    }

    fn note_latches(&mut self, new: &PostgresOpsRequestStatus) {
        let old = self.status();
        for now in new
            .conditions
            .iter()
            .filter(|c| c.is_true() && c.reason.is_some())
        {
            if !condition::is_true(&old.conditions, &now.type_) {
                self.note(format!(
                    "{} ({})",
                    now.type_,
                    now.message.clone().unwrap_or_default()
                ));
            }
        }
    }
}

/// A step that ends Pods says so, or the admission of the request would not know.
fn check_told(op: &Operation, status: &PostgresOpsRequestStatus, effects: &[Effect]) {
    let evicts = |effect: &Effect| matches!(effect, Effect::Member(MemberEffect::Evict { .. }));
    if let (Due::Step(step), true) = (Due::of(op, status), effects.iter().any(evicts)) {
        assert_ne!((step.ends_pods)(op), EndsPods::Never, "{}", step.condition);
    }
}

/// What is looked at before an operation begins: the issuers `one` and `two` can sign, and there is no other.
pub fn world_with_issuers(cluster: &Cluster) -> World {
    let ready = || {
        Observed::Present(IssuerState {
            ready: true,
            message: String::new(),
        })
    };
    let mut issuers: Vec<_> = ["one", "two"].map(|name| (issuer(name), ready())).into();
    issuers.push((issuer("nobody"), Observed::Absent));
    World {
        issuers,
        ..cluster.world()
    }
}

fn issuer(name: &str) -> api_types::tls::IssuerRef {
    api_types::tls::IssuerRef {
        api_group: None,
        kind: "Issuer".into(),
        name: name.into(),
    }
}

/// A UID for the request of this name, in the form that the API server gives.
fn uid_of(name: &str) -> String {
    let fold = |sum: u64, byte: u8| sum.wrapping_mul(31).wrapping_add(u64::from(byte));
    let number = name.bytes().fold(7, fold) & 0xffff_ffff_ffff;
    format!("00000000-0000-4000-8000-{number:012x}")
}
