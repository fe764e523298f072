//! The CA of an issuer that a database did not have before. The operator has to know it before anything is issued for the
//! database: it requests a certificate that nothing uses, and the issuer publishes its CA with it.

use api_types::ops_request::{TlsPlan, TlsSettings};
use api_types::tls::IssuerRef;
use blueprint::CaBundle;

use crate::effect::Effect;
use crate::operation::Operation;
use crate::step::{Progress, StepResult};
use crate::tls::effect::TlsEffect;
use crate::tls::world as tls_world;
use crate::waiting::WaitingOn;
use crate::world::{Observed, World};

/// The result of the probe of an issuer for its CA.
#[derive(Clone, Debug, PartialEq)]
pub enum IssuerCaAnswer {
    /// Nothing yet, and what it reports.
    Pending(String),
    /// Its CA; empty when it publishes none.
    Signed(CaBundle),
    /// It will not sign.
    Refused(String),
}

/// Issuers that the database gets and did not have.
pub fn new_issuers(plan: &TlsPlan) -> Vec<IssuerRef> {
    let before = issuers(&plan.before);
    let mut new = issuers(&plan.after);
    new.retain(|issuer| !is_among(&before, issuer));
    new
}

fn issuers(settings: &TlsSettings) -> Vec<IssuerRef> {
    let Some(tls) = &settings.tls else {
        return Vec::new();
    };
    let own = tls.certificates.iter().filter_map(|it| it.issuer_ref.as_ref());
    let mut all: Vec<IssuerRef> = Vec::new();
    for issuer in tls.issuer_ref.iter().chain(own) {
        if !is_among(&all, issuer) {
            all.push(issuer.clone());
        }
    }
    all
}

fn is_among(all: &[IssuerRef], issuer: &IssuerRef) -> bool {
    all.iter().any(|other| other.is_same_as(issuer))
}

/// Name of the CertificateRequest that probes an issuer.
pub fn request_name(op: &Operation, issuer: &IssuerRef) -> String {
    let uid: String = op
        .uid
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(8)
        .collect();
    let hash = blueprint::hash_of(issuer);
    api_types::names::with_suffix(&op.database, &format!("ca-{}-{uid}", &hash[..6]))
}

/// The CAs of the new issuers.
///
/// # Errors
/// What is next until they are known.
pub fn of_new_issuers(op: &Operation, plan: &TlsPlan, world: &World) -> StepResult<CaBundle> {
    let mut all = CaBundle::default();
    let mut ask: Vec<Effect> = Vec::new();
    for issuer in new_issuers(plan) {
        let name = request_name(op, &issuer);
        let whom = format!("{} {}", issuer.kind, issuer.name);
        match tls_world::of(world)?
            .answers
            .get(&name)
            .unwrap_or(&Observed::Absent)
        {
            Observed::Absent => ask.push(TlsEffect::ProbeIssuerCa { name, issuer }.into()),
            Observed::Unknown(why) => {
                let (what, why) = (format!("CertificateRequest {name}"), why.clone());
                return Err(WaitingOn::Unread { what, why }.into());
            }
            Observed::Present(IssuerCaAnswer::Pending(why)) => {
                let (issuer, why) = (whom, why.clone());
                return Err(WaitingOn::IssuerCa { issuer, why }.into());
            }
            Observed::Present(IssuerCaAnswer::Refused(why)) => {
                return Err(Progress::Impossible(format!(
                    "{whom} does not sign for this database: {why}; repair it, and create the request again"
                )));
            }
            Observed::Present(IssuerCaAnswer::Signed(ca)) => all = all.union(ca),
        }
    }
    if ask.is_empty() {
        Ok(all)
    } else {
        Err(Progress::Act(ask))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(issuer: &str) -> TlsSettings {
        serde_yaml::from_str(&format!("{{tls: {{issuerRef: {issuer}}}}}")).expect("settings")
    }

    #[test]
    fn another_spelling_of_an_issuer_is_no_new_issuer() {
        let plain = settings("{kind: Issuer, name: a}");
        let spelt = settings("{apiGroup: cert-manager.io, kind: Issuer, name: a}");
        let other = settings("{kind: ClusterIssuer, name: a}");
        let new = |before: &TlsSettings, after: &TlsSettings| {
            new_issuers(&TlsPlan {
                before: before.clone(),
                after: after.clone(),
                rotate: false,
                ..TlsPlan::default()
            })
        };
        assert_eq!(new(&plain, &spelt), []);
        assert_eq!(new(&spelt, &plain), []);
        assert_eq!(new(&plain, &other).len(), 1);
    }
}
