//! What a member has loaded is known only by asking it on the wire.

use std::collections::BTreeSet;

use blueprint::{CaBundle, KeyPair, Material};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::effect::Effect;
use crate::operation::Operation;
use crate::step::Progress;
use crate::world::{Files, Member, Observed, ServedLeaf, World};
use api_types::ops_request::{MemberProof, ServedCertificate};
use api_types::tls::CertificateAlias;
use api_types::vocabulary::{ROLE_PRIMARY, ROLE_STANDBY};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// How every member is to answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expectation {
    /// What it is to serve.
    pub tls: ExpectedTls,
    /// Whether it is to go on with a client that speaks plaintext; either when none.
    pub plaintext: Option<bool>,
    /// CAs by whose certificates it is to recognise clients.
    pub trust: ExpectedTrust,
    /// The configuration that it is to have read; any when none.
    pub configuration: Option<ExpectedConfiguration>,
}

/// The configuration that a member is to have read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExpectedConfiguration {
    /// Lines of `pg_hba.conf`.
    pub pg_hba: Vec<String>,
    /// `sslmode` with which a standby replicates.
    pub ssl_mode: String,
}

/// What members are told at a stage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// A token that changes with it.
    pub token: String,
    /// The files by which it reaches them.
    pub files: Files,
}

/// CAs by whose certificates a member is to recognise clients.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ExpectedTrust {
    /// Whatever it trusts is good.
    #[default]
    Any,
    /// All of these, perhaps others.
    AtLeast(CaBundle),
    /// These and no others.
    Exactly(CaBundle),
}

/// What a member is to serve.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum ExpectedTls {
    /// Whatever it serves is good.
    #[default]
    Any,
    /// It is to have no TLS.
    None,
    /// The leaf with this fingerprint (SHA-256, hexadecimal).
    Leaf(String),
}

impl ExpectedTls {
    /// The leaf that members are given.
    pub fn of(material: &Material) -> Self {
        let server = material.get(CertificateAlias::Server);
        server
            .and_then(KeyPair::fingerprint)
            .map_or(Self::Any, Self::Leaf)
    }
}

impl Expectation {
    /// Whether a member answers like this.
    ///
    /// # Errors
    /// In a few words, what is different.
    pub fn check(&self, member: &Member) -> Result<(), String> {
        let wire = match &member.wire {
            Observed::Present(wire) => wire,
            Observed::Absent => return Err("its port was not asked".into()),
            Observed::Unknown(why) => return Err(format!("its port does not answer: {why}")),
        };
        match &self.tls {
            ExpectedTls::Any => {}
            ExpectedTls::None if wire.served.is_some() => return Err("it still serves TLS".into()),
            ExpectedTls::None => {}
            ExpectedTls::Leaf(wanted) => match &wire.served {
                None => return Err("it does not serve TLS".into()),
                Some(served) if served.fingerprint != *wanted => {
                    return Err("it does not serve the issued certificate yet".into());
                }
                Some(_) => {}
            },
        }
        if wire.served.is_some() {
            self.check_trust(&wire.trusted_subjects)?;
        }
        match (self.plaintext, wire.plaintext) {
            (Some(true), Some(false)) => return Err("it refuses plaintext".into()),
            (Some(false), Some(true)) => return Err("it still accepts plaintext".into()),
            (Some(_), None) => return Err("whether it accepts plaintext is not known".into()),
            _ => {}
        }
        self.configuration
            .as_ref()
            .map_or(Ok(()), |expected| expected.check(member))
    }

    /// Whether more than the leaf that is served has to change.
    fn needs_configuration(&self, member: &Member) -> bool {
        let serves_tls = member.wire.present().is_some_and(|wire| wire.served.is_some());
        let but_for_the_leaf = Self {
            tls: match &self.tls {
                ExpectedTls::Leaf(_) => ExpectedTls::Any,
                other => other.clone(),
            },
            ..self.clone()
        };
        let wants_tls = matches!(self.tls, ExpectedTls::Leaf(_));
        wants_tls != serves_tls || but_for_the_leaf.check(member).is_err()
    }

    /// Two CAs may have the same subject: then the wire can't tell them apart.
    fn check_trust(&self, subjects: &BTreeSet<Vec<u8>>) -> Result<(), String> {
        let (bundle, exactly) = match &self.trust {
            ExpectedTrust::Any => return Ok(()),
            ExpectedTrust::AtLeast(bundle) => (bundle, false),
            ExpectedTrust::Exactly(bundle) => (bundle, true),
        };
        let wanted = subjects_of(bundle);
        if !wanted.is_subset(subjects) {
            return Err("it does not trust the issuing CA yet".into());
        }
        if exactly && *subjects != wanted {
            return Err("it still trusts the former CA".into());
        }
        Ok(())
    }
}

impl ExpectedConfiguration {
    fn check(&self, member: &Member) -> Result<(), String> {
        let read = match &member.inside {
            Observed::Present(inside) => &inside.configuration,
            Observed::Absent => return Err("it was not asked what it has read".into()),
            Observed::Unknown(why) => return Err(format!("what it has read is not known: {why}")),
        };
        if read.pg_hba != self.pg_hba || !read.is_read {
            return Err("it has not read the new pg_hba.conf yet".into());
        }
        let is_standby = member.patroni.present().is_some_and(|state| !state.primary);
        let wanted = format!("sslmode={}", self.ssl_mode);
        if is_standby && !read.primary_conninfo.split(' ').any(|word| word == wanted) {
            return Err(format!("it does not replicate with {wanted} yet"));
        }
        Ok(())
    }
}

/// Whether every standby streams from the primary, with TLS or without. What is waited for, if not.
pub fn replication(world: &World, encrypted: bool) -> Option<String> {
    if world.replicas() <= 1 {
        return None;
    }
    let Some(leader) = world.leader.as_deref() else {
        return Some("waits for a primary".into());
    };
    let inside = match world.members.get(leader).map(|member| &member.inside) {
        Some(Observed::Present(inside)) => inside,
        _ => return Some(format!("waits for {leader} to say who replicates from it")),
    };
    let streams = |pod: &&String| {
        inside.replicas.iter().any(|replica| {
            replica.application_name == **pod && replica.state == "streaming" && replica.ssl == encrypted
        })
    };
    let behind = world.members.keys().find(|pod| *pod != leader && !streams(pod))?;
    let how = if encrypted { "over TLS" } else { "without TLS" };
    Some(format!("waits for {behind} to stream from {leader} {how}"))
}

/// Subjects (DER) of the certificates of a bundle; what can't be read has none.
pub fn subjects_of(bundle: &CaBundle) -> BTreeSet<Vec<u8>> {
    let subject = |der: &Vec<u8>| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        Some(certificate.subject().as_raw().to_vec())
    };
    bundle.ders().iter().filter_map(subject).collect()
}

/// Every member answers as expected; those that don't are made to look at their files again.
///
/// Where it matters, standbys read them before the primary does: when it begins to serve a certificate of another CA, the
/// standbys trust that CA already. The files themselves are brought to all at once, since kubelet takes most of the time.
pub fn reload(world: &World, told: &Told, expected: &Expectation) -> Result<Progress, Progress> {
    if !needs_order(world, expected) {
        return reload_at_once(world, told, expected);
    }
    let leader = world.leader.as_deref();
    for is_leader in [false, true] {
        let these = |pod: &str| (Some(pod) == leader) == is_leader;
        match reload_these(world, told, expected, these) {
            None => {}
            Some(Progress::Act(mut effects)) if !is_leader => {
                let leader = leader.and_then(|leader| Some((leader, world.members.get(leader)?)));
                effects.extend(leader.and_then(|(pod, member)| touch(pod, member, told)));
                return Ok(Progress::Act(effects));
            }
            Some(progress) => return Ok(progress),
        }
    }
    Ok(all_there(world).map_or(Progress::Done, Progress::Wait))
}

/// Whether the primary is about to serve something that a standby may not trust yet.
fn needs_order(world: &World, expected: &Expectation) -> bool {
    let served = |member: &Member| Some(member.wire.present()?.served.as_ref()?.fingerprint.clone());
    let leader = world.leader.as_ref().and_then(|leader| world.members.get(leader));
    let stays = match &expected.tls {
        ExpectedTls::Leaf(leaf) => leader.and_then(served).as_ref() == Some(leaf),
        ExpectedTls::Any | ExpectedTls::None => false,
    };
    let trusts = |member: &Member| {
        let wire = member.wire.present();
        wire.is_some_and(|wire| wire.served.is_some() && expected.check_trust(&wire.trusted_subjects).is_ok())
    };
    !stays && !world.members.values().all(trusts)
}

/// As [`reload`], in no order: for members of which one may never answer as expected.
pub fn reload_at_once(world: &World, told: &Told, expected: &Expectation) -> Result<Progress, Progress> {
    if let Some(progress) = reload_these(world, told, expected, |_| true) {
        return Ok(progress);
    }
    Ok(all_there(world).map_or(Progress::Done, Progress::Wait))
}

/// `None` when all of these members answer as expected.
fn reload_these(
    world: &World,
    told: &Told,
    expected: &Expectation,
    these: impl Fn(&str) -> bool,
) -> Option<Progress> {
    let mut behind = Vec::new();
    let mut effects = Vec::new();
    for (pod, member) in world.members.iter().filter(|(pod, _)| these(pod)) {
        if let Err(why) = expected.check(member) {
            behind.push(format!("{pod}: {why}"));
            effects.extend(bring_up_to_date(pod, member, told, expected));
        }
    }
    match (effects.is_empty(), behind.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Progress::Wait(behind.join("; "))),
        (false, _) => Some(Progress::Act(effects)),
    }
}

/// Members that do not answer as expected, and what is different.
pub fn behind(world: &World, expected: &Expectation) -> Vec<(String, String)> {
    let members = world.members.iter();
    members
        .filter_map(|(pod, member)| Some((pod.clone(), expected.check(member).err()?)))
        .collect()
}

/// Whether a member was seen to have what it is told and still does not answer as expected. Of one that ends, that
/// could not be asked, or whose files are not there yet, nobody can say so.
pub fn is_stubborn(member: &Member, told: &Told, expected: &Expectation) -> bool {
    let (Some(wire), Some(inside)) = (member.wire.present(), member.inside.present()) else {
        return false;
    };
    // Who was told nothing for want of a Patroni has not disobeyed.
    let is_known =
        member.patroni.present().is_some() && (wire.plaintext.is_some() || expected.plaintext.is_none());
    !member.terminating && is_known && inside.files == told.files && expected.check(member).is_err()
}

/// What every member was seen to serve, for the request's status. A time stays as long as nothing else changes.
pub fn members(op: &Operation, world: &World, before: &[MemberProof], now: Timestamp) -> Vec<MemberProof> {
    if world.members.is_empty() {
        return before.to_vec();
    }
    let wanted = world.config.present().and_then(|config| {
        let server = config.material.get(CertificateAlias::Server)?;
        server.fingerprint()
    });
    let proof = |(pod, member): (&String, &Member)| {
        let known = before.iter().find(|proof| proof.name == *pod);
        let Some(wire) = member.wire.present() else {
            return known.cloned();
        };
        let served = wire.served.as_ref();
        let seen = MemberProof {
            name: pod.clone(),
            role: role(world, pod).or_else(|| known.and_then(|known| known.role.clone())),
            served: served.map(certificate),
            matches_secret: served.map(|served| Some(&served.fingerprint) == wanted.as_ref()),
            plaintext: wire.plaintext.or_else(|| known.and_then(|known| known.plaintext)),
            restart_reason: op.plan.restart_reasons.get(pod).cloned(),
            seen_at: Time(whole_seconds(now)),
        };
        Some(match known {
            Some(known) if same(known, &seen) => known.clone(),
            _ => seen,
        })
    };
    world.members.iter().filter_map(proof).collect()
}

/// Unknown while nobody is seen to lead.
pub fn role(world: &World, pod: &str) -> Option<String> {
    let leader = world.leader.as_deref()?;
    let role = if leader == pod { ROLE_PRIMARY } else { ROLE_STANDBY };
    Some(role.to_owned())
}

fn certificate(served: &ServedLeaf) -> ServedCertificate {
    ServedCertificate {
        fingerprint: served.fingerprint.clone(),
        issuer: served.issuer.clone(),
        serial: served.serial.clone(),
        not_after: Time(served.not_after),
        protocol: served.protocol.clone(),
    }
}

fn same(known: &MemberProof, seen: &MemberProof) -> bool {
    let seen = MemberProof {
        seen_at: known.seen_at.clone(),
        ..seen.clone()
    };
    *known == seen
}

/// As the API keeps times.
pub fn whole_seconds(now: Timestamp) -> Timestamp {
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// Asks kubelet to bring the files, unless they are there or it was asked.
fn touch(pod: &str, member: &Member, told: &Told) -> Option<Effect> {
    let is_asked = member.files_token.as_deref() == Some(told.token.as_str());
    let has_files = member
        .inside
        .present()
        .is_some_and(|inside| inside.files == told.files);
    (!is_asked && !has_files && !member.terminating).then(|| Effect::TouchFiles {
        pod: pod.to_owned(),
        token: told.token.clone(),
    })
}

/// The member is told to read its files when they are there; kubelet is asked to bring them if they are not. A member that
/// can't be asked what it has is told anyway.
fn bring_up_to_date(pod: &str, member: &Member, told: &Told, expected: &Expectation) -> Vec<Effect> {
    if member.terminating {
        return Vec::new();
    }
    let mut effects: Vec<Effect> = touch(pod, member, told).into_iter().collect();
    if member.patroni.present().is_some() {
        let inside = member.inside.present();
        effects.push(Effect::Reload {
            pod: pod.to_owned(),
            configuration: expected.needs_configuration(member),
            files: inside
                .filter(|inside| inside.files != told.files)
                .map(|_| Box::new(told.files.clone())),
        });
    }
    effects
}

/// Whether every member that the spec asks for was seen; what is waited for, if not.
pub fn all_there(world: &World) -> Option<String> {
    let wanted = usize::try_from(world.replicas()).unwrap_or(0);
    let seen = world.members.len();
    (seen < wanted).then(|| format!("waits for all {wanted} Pods; there are {seen}"))
}
