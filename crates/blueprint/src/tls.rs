//! The TLS configuration of a database's members.

use std::fmt;
use std::str::FromStr;

use api_types::postgres::PostgresSpec;

use crate::ca_bundle::CaBundle;
use crate::material::TlsMaterial;

/// How far a database has come on its way to TLS, or back.
///
/// Members in neighbouring phases can always replicate with each other; `Off` and `Enforce` are never neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsPhase {
    /// The server supports plaintext only.
    #[default]
    Off,
    /// The server supports TLS and plaintext; every client that could connect before still can.
    Accept,
    /// The server refuses TCP clients without TLS.
    Enforce,
}

impl TlsPhase {
    /// The word in the config Secret's annotation [`crate::TLS_PHASE`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "Off",
            Self::Accept => "Accept",
            Self::Enforce => "Enforce",
        }
    }
}

impl fmt::Display for TlsPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no [`TlsPhase`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no TLS phase; write Off, Accept or Enforce")]
pub struct UnknownPhase(pub String);

impl FromStr for TlsPhase {
    type Err = UnknownPhase;

    fn from_str(word: &str) -> Result<Self, UnknownPhase> {
        [Self::Off, Self::Accept, Self::Enforce]
            .into_iter()
            .find(|phase| phase.as_str() == word)
            .ok_or_else(|| UnknownPhase(word.to_owned()))
    }
}

/// The TLS switches of a database, chosen by the operator that owns its children at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsInputs {
    /// What the servers accept and the standbys require.
    pub phase: TlsPhase,
    /// The CAs that members trust, written to `trust.crt`.
    pub trust: CaBundle,
    /// The certificates and keys that members are given.
    pub material: TlsMaterial,
    /// TLS is about to be taken away: while it is still accepted, clients that come over it prove themselves as before.
    pub removing_tls: bool,
    /// PEM bundle for the AppBinding's `caBundle`; none while applications must not use TLS.
    pub app_binding_ca: Option<String>,
}

impl TlsInputs {
    /// The switches while no operation runs: `Enforce` when the spec has `tls`, else `Off`.
    pub fn steady(spec: &PostgresSpec, trust: CaBundle, material: TlsMaterial) -> Self {
        if spec.tls.is_none() {
            return Self::default();
        }
        Self::of(TlsPhase::Enforce, trust, material)
    }

    /// The switches of a phase; without TLS there is nothing else.
    pub fn of(phase: TlsPhase, trust: CaBundle, material: TlsMaterial) -> Self {
        if phase == TlsPhase::Off {
            return Self::default();
        }
        let app_binding_ca = (!trust.is_empty()).then(|| trust.to_pem());
        Self {
            phase,
            trust,
            material,
            removing_tls: false,
            app_binding_ca,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_read_as_they_are_written() {
        for phase in [TlsPhase::Off, TlsPhase::Accept, TlsPhase::Enforce] {
            assert_eq!(phase.to_string().parse(), Ok(phase));
        }
        assert!("off".parse::<TlsPhase>().is_err());
    }
}
