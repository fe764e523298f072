//! What was observed of a database's certificates: the part of the world that operations on TLS read.

use std::collections::BTreeMap;

use api_types::cert_manager::Certificate;
use api_types::tls::CertificateAlias;
use blueprint::{CaBundle, KeyPair, TlsMaterial};

use crate::step::{Progress, StepResult};
use crate::tls::issuer_ca::IssuerCaAnswer;
use crate::waiting::WaitingOn;
use crate::world::{Observed, World};

/// Certificates of one database.
#[derive(Clone, Debug, Default)]
pub struct TlsWorld {
    /// What members were given before this operation gave them something else; `Absent` until it did.
    pub last_good: Observed<TlsMaterial>,
    /// Certificates by alias.
    pub certificates: BTreeMap<CertificateAlias, Observed<Certificate>>,
    /// Secrets of the certificates by their names.
    pub secrets: BTreeMap<String, Observed<IssuedSecret>>,
    /// The results of the probes of new issuers, by the names of the CertificateRequests.
    pub answers: BTreeMap<String, Observed<IssuerCaAnswer>>,
}

/// What an issuer gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IssuedSecret {
    /// Certificate, key and CA; none when a part is missing.
    pub pair: Option<KeyPair>,
    /// Name of the issuer that cert-manager noted on the Secret.
    pub issuer: Option<String>,
    /// What clients find in its `ca.crt`, where an operator may have put more than the CA of the pair.
    pub shown_ca: CaBundle,
}

/// The certificates of this world.
///
/// # Errors
/// [`Progress::Impossible`] when the request type does not read them: a bug, and no reason to take them for absent.
pub fn of(world: &World) -> StepResult<&TlsWorld> {
    world.tls.as_ref().ok_or_else(|| {
        Progress::Impossible("certificates were not read for this type of request; this is a bug".into())
    })
}

impl TlsWorld {
    /// The issued Secret of this name.
    ///
    /// # Errors
    /// What is waited for.
    pub fn issued(&self, secret: &str) -> Result<&IssuedSecret, WaitingOn> {
        self.secrets
            .get(secret)
            .unwrap_or(&Observed::Absent)
            .require(&format!("Secret {secret}"))
    }
}
