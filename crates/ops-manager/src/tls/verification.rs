//! What a member has loaded is known only from a TLS handshake and a session with it.

use std::collections::BTreeSet;

use api_types::tls::CertificateAlias;
use blueprint::{CaBundle, KeyPair, TlsMaterial};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::effect::{Effect, MemberEffect};
use crate::step::{Progress, StepResult};
use crate::waiting::WaitingOn;
use crate::world::{Files, Member, Observed, World};

/// What a probe of every member must find.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expectation {
    /// What it is to serve.
    pub tls: ExpectedTls,
    /// Whether it must go on with a client that speaks plaintext; either when none.
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

/// What members are given in one rendered state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetConfig {
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
    pub fn of(material: &TlsMaterial) -> Self {
        let server = material.get(CertificateAlias::Server);
        server
            .and_then(KeyPair::fingerprint)
            .map_or(Self::Any, Self::Leaf)
    }
}

impl Expectation {
    /// Whether the probe of a member found this.
    ///
    /// # Errors
    /// In a few words, what is different.
    pub fn check(&self, member: &Member) -> Result<(), String> {
        let probe = match &member.probe {
            Observed::Present(probe) => probe,
            Observed::Absent => return Err("its port was not asked".into()),
            Observed::Unknown(why) => return Err(format!("its port does not answer: {why}")),
        };
        match &self.tls {
            ExpectedTls::Any => {}
            ExpectedTls::None if probe.served.is_some() => return Err("it still serves TLS".into()),
            ExpectedTls::None => {}
            ExpectedTls::Leaf(wanted) => match &probe.served {
                None => return Err("it does not serve TLS".into()),
                Some(served) if served.fingerprint != *wanted => {
                    return Err("it does not serve the issued certificate yet".into());
                }
                Some(_) => {}
            },
        }
        if probe.served.is_some() {
            self.check_trust(&probe.trusted_subjects)?;
        }
        match (self.plaintext, probe.plaintext) {
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
        let serves_tls = member.probe.present().is_some_and(|probe| probe.served.is_some());
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

    /// Two CAs may have the same subject: the TLS protocol shows only subjects, so it can't distinguish them.
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
        let read = match &member.server {
            Observed::Present(server) => &server.configuration,
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

/// Every standby streams from the primary, with TLS or without.
///
/// # Errors
/// What is waited for.
pub fn replication(world: &World, encrypted: bool) -> Result<(), WaitingOn> {
    if world.replicas() <= 1 {
        return Ok(());
    }
    let leader = world.leader().ok_or(WaitingOn::Primary)?;
    let server = match world.members().get(leader).map(|member| &member.server) {
        Some(Observed::Present(server)) => server,
        _ => {
            return Err(WaitingOn::ReplicationReport {
                leader: leader.to_owned(),
            });
        }
    };
    let streams = |pod: &str| {
        server.replicas.iter().any(|replica| {
            replica.application_name == pod && replica.state == "streaming" && replica.ssl == encrypted
        })
    };
    let standby = world.members().keys().find(|pod| *pod != leader && !streams(pod));
    standby.map_or(Ok(()), |standby| {
        Err(WaitingOn::Replication {
            standby: standby.clone(),
            leader: leader.to_owned(),
            encrypted,
        })
    })
}

/// Subjects (DER) of the certificates of a bundle; what can't be read has none.
pub fn subjects_of(bundle: &CaBundle) -> BTreeSet<Vec<u8>> {
    let subject = |der: &Vec<u8>| {
        let (_, certificate) = X509Certificate::from_der(der).ok()?;
        Some(certificate.subject().as_raw().to_vec())
    };
    bundle.ders().iter().filter_map(subject).collect()
}

/// Every member matches the expectation; the operator makes the others read their files again.
///
/// Where it matters, standbys read them before the primary does: when it begins to serve a certificate of another CA, the
/// standbys trust that CA already. The files themselves are brought to all at once, since kubelet takes most of the time.
pub fn reload(world: &World, target: &TargetConfig, expected: &Expectation) -> StepResult {
    if !needs_order(world, expected) {
        return reload_at_once(world, target, expected);
    }
    let leader = world.leader();
    for is_leader in [false, true] {
        let these = |pod: &str| (Some(pod) == leader) == is_leader;
        match reload_these(world, target, expected, these) {
            None => {}
            Some(Progress::Act(mut effects)) if !is_leader => {
                let leader = leader.and_then(|leader| Some((leader, world.members().get(leader)?)));
                effects.extend(leader.and_then(|(pod, member)| touch(pod, member, target)));
                return Ok(Progress::Act(effects));
            }
            Some(progress) => return Ok(progress),
        }
    }
    world.all_seen()?;
    Ok(Progress::Done)
}

/// Whether the primary is about to serve something that a standby may not trust yet.
fn needs_order(world: &World, expected: &Expectation) -> bool {
    let served = |member: &Member| Some(member.probe.present()?.served.as_ref()?.fingerprint.clone());
    let leader = world.leader().and_then(|leader| world.members().get(leader));
    let stays = match &expected.tls {
        ExpectedTls::Leaf(leaf) => leader.and_then(served).as_ref() == Some(leaf),
        ExpectedTls::Any | ExpectedTls::None => false,
    };
    let trusts = |member: &Member| {
        let probe = member.probe.present();
        probe.is_some_and(|probe| {
            probe.served.is_some() && expected.check_trust(&probe.trusted_subjects).is_ok()
        })
    };
    !stays && !world.members().values().all(trusts)
}

/// As [`reload`], in no order: for members of which one may never match the expectation.
pub fn reload_at_once(world: &World, target: &TargetConfig, expected: &Expectation) -> StepResult {
    if let Some(progress) = reload_these(world, target, expected, |_| true) {
        return Ok(progress);
    }
    world.all_seen()?;
    Ok(Progress::Done)
}

/// `None` when all of these members match the expectation.
fn reload_these(
    world: &World,
    target: &TargetConfig,
    expected: &Expectation,
    these: impl Fn(&str) -> bool,
) -> Option<Progress> {
    let mut outdated = Vec::new();
    let mut effects = Vec::new();
    for (pod, member) in world.members().iter().filter(|(pod, _)| these(pod)) {
        if let Err(why) = expected.check(member) {
            outdated.push((pod.clone(), why));
            effects.extend(bring_up_to_date(pod, member, target, expected));
        }
    }
    match (effects.is_empty(), outdated.is_empty()) {
        (true, true) => None,
        (true, false) => Some(WaitingOn::Outdated(outdated).into()),
        (false, _) => Some(Progress::Act(effects)),
    }
}

/// Members that do not match the expectation, and what is different.
pub fn outdated(world: &World, expected: &Expectation) -> Vec<(String, String)> {
    let members = world.members().iter();
    members
        .filter_map(|(pod, member)| Some((pod.clone(), expected.check(member).err()?)))
        .collect()
}

/// Whether a member has the target's files and still does not match the expectation. That is unknown for a member that
/// is terminating, could not be reached, or lacks the files.
pub fn is_not_converging(member: &Member, target: &TargetConfig, expected: &Expectation) -> bool {
    let (Some(probe), Some(server)) = (member.probe.present(), member.server.present()) else {
        return false;
    };
    // A member whose Patroni does not respond got no request to reload.
    let is_known =
        member.patroni.present().is_some() && (probe.plaintext.is_some() || expected.plaintext.is_none());
    !member.terminating && is_known && server.files == target.files && expected.check(member).is_err()
}

/// Whether every member has the files of the target. Done, or what is next.
pub fn have_files(world: &World, target: &TargetConfig) -> StepResult {
    world.all_seen()?;
    let lacking = |member: &Member| match &member.server {
        Observed::Present(server) if server.files == target.files => None,
        Observed::Present(_) => Some("it does not have the new files".to_owned()),
        Observed::Absent => Some("it was not asked for its files".to_owned()),
        Observed::Unknown(why) => Some(format!("it did not report its files: {why}")),
    };
    let members = world.members().iter();
    let outdated: Vec<(String, String)> = members
        .clone()
        .filter_map(|(pod, member)| Some((pod.clone(), lacking(member)?)))
        .collect();
    let touched = members.filter_map(|(pod, member)| touch(pod, member, target));
    Progress::of(touched.collect()).require_done()?;
    if outdated.is_empty() {
        return Ok(Progress::Done);
    }
    Err(WaitingOn::Outdated(outdated).into())
}

/// Makes kubelet bring the files, unless they are there or kubelet was already woken.
fn touch(pod: &str, member: &Member, target: &TargetConfig) -> Option<Effect> {
    let is_asked = member.files_token.as_deref() == Some(target.token.as_str());
    let has_files = member
        .server
        .present()
        .is_some_and(|server| server.files == target.files);
    (!is_asked && !has_files && !member.terminating).then(|| {
        let (pod, token) = (pod.to_owned(), target.token.clone());
        MemberEffect::TouchFiles { pod, token }.into()
    })
}

/// The member is reloaded when its files are there; kubelet is woken to bring them if they are not. A member whose files
/// can't be observed is reloaded anyway.
fn bring_up_to_date(
    pod: &str,
    member: &Member,
    target: &TargetConfig,
    expected: &Expectation,
) -> Vec<Effect> {
    tell(pod, member, target, expected.needs_configuration(member))
}

/// The same for a member that has to read its configuration, or only its certificates.
pub fn tell(pod: &str, member: &Member, target: &TargetConfig, configuration: bool) -> Vec<Effect> {
    if member.terminating {
        return Vec::new();
    }
    let mut effects: Vec<Effect> = touch(pod, member, target).into_iter().collect();
    if member.patroni.present().is_some() {
        let server = member.server.present();
        let reload = MemberEffect::Reload {
            pod: pod.to_owned(),
            configuration,
            files: server
                .filter(|server| server.files != target.files)
                .map(|_| Box::new(target.files.clone())),
            unseen: member.server.unknown().map(str::to_owned),
        };
        effects.push(reload.into());
    }
    effects
}
