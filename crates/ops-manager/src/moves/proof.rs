//! What a member has loaded is known only by asking it on the wire.

use std::collections::BTreeSet;

use blueprint::{CaBundle, Resolved};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::effect::Effect;
use crate::step::{Needs, Progress};
use crate::world::{Member, Observed, World};
use api_types::tls::CertificateAlias;

/// How every member is to answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expectation {
    /// What it is to serve.
    pub tls: ExpectedTls,
    /// Whether it is to go on with a client that speaks plaintext; either when none.
    pub plaintext: Option<bool>,
    /// CAs by whose certificates it is to recognise clients.
    pub trust: ExpectedTrust,
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
    /// The leaf with this fingerprint from the Secret of this name.
    Leaf {
        /// Secret that holds it; a Pod that does not mount it can't serve it before it is made anew.
        secret: String,
        /// SHA-256, hexadecimal.
        fingerprint: String,
    },
}

impl ExpectedTls {
    /// The leaf that the server Secret of this database holds now.
    pub fn of_secret(world: &World, resolved: &Resolved) -> Needs<Self> {
        let secret = resolved.certificate_secret(CertificateAlias::Server);
        let fingerprint = world.issued(&secret)?.fingerprint.clone();
        Ok(Self::Leaf { secret, fingerprint })
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
            ExpectedTls::Leaf { secret, .. } if !member.secrets.contains(secret) => {}
            ExpectedTls::Leaf { .. } if wire.served.is_none() => return Err("it does not serve TLS".into()),
            ExpectedTls::Leaf { fingerprint, .. } if wire.served.as_ref() != Some(fingerprint) => {
                return Err("it does not serve the issued certificate yet".into());
            }
            ExpectedTls::Leaf { .. } => {}
        }
        if wire.served.is_some() {
            self.check_trust(&wire.trusted_subjects)?;
        }
        match (self.plaintext, wire.plaintext) {
            (Some(true), Some(false)) => Err("it refuses plaintext".into()),
            (Some(false), Some(true)) => Err("it still accepts plaintext".into()),
            (Some(_), None) => Err("whether it accepts plaintext is not known".into()),
            _ => Ok(()),
        }
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
/// Standbys come before the primary: when the primary begins to serve a certificate of another CA, the standbys trust
/// that CA already.
pub fn reload(world: &World, files: &str, expected: &Expectation) -> Result<Progress, Progress> {
    let leader = world.leader.as_deref();
    for is_leader in [false, true] {
        let mut behind = Vec::new();
        let mut effects = Vec::new();
        for (pod, member) in &world.members {
            if (Some(pod.as_str()) == leader) != is_leader {
                continue;
            }
            if let Err(why) = expected.check(member) {
                behind.push(format!("{pod}: {why}"));
                effects.extend(bring_up_to_date(pod, member, files));
            }
        }
        if effects.is_empty() && !behind.is_empty() {
            return Ok(Progress::Wait(behind.join("; ")));
        }
        if !effects.is_empty() {
            return Ok(Progress::Act(effects));
        }
    }
    Ok(all_there(world)?.map_or(Progress::Done, Progress::Wait))
}

fn bring_up_to_date(pod: &str, member: &Member, files: &str) -> Vec<Effect> {
    if member.terminating {
        return Vec::new();
    }
    let mut effects = Vec::new();
    if member.files_token.as_deref() != Some(files) {
        effects.push(Effect::TouchFiles {
            pod: pod.to_owned(),
            token: files.to_owned(),
        });
    }
    if member.patroni.present().is_some() {
        effects.push(Effect::Reload(pod.to_owned()));
    }
    effects
}

/// Whether every member that the spec asks for was seen.
fn all_there(world: &World) -> Needs<Option<String>> {
    let wanted = usize::try_from(world.replicas()).unwrap_or(0);
    let seen = world.members.len();
    Ok((seen < wanted).then(|| format!("waits for all {wanted} Pods; there are {seen}")))
}

/// A token that changes with everything that is projected into the Pods: the config Secret and the certificates.
pub fn files_token(world: &World, resolved: &Resolved, config_hash: &str) -> String {
    let versions = CertificateAlias::ALL.iter().map(|alias| {
        let secret = world.secrets.get(&resolved.certificate_secret(*alias));
        secret
            .and_then(Observed::present)
            .map_or("-", |secret| secret.resource_version.as_str())
    });
    let parts: Vec<&str> = std::iter::once(config_hash).chain(versions).collect();
    parts.join(".")
}
