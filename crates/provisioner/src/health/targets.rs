//! The input of a health check: which members to probe, how to get in, what to expect.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use api_types::Major;
use blueprint::{CaBundle, TlsPhase};

use crate::health::Served;

/// Everything that the checks of one database need. Equal targets need no new check.
#[derive(Clone, PartialEq, Eq)]
pub struct Targets {
    /// `<namespace>/<name>`, for logs.
    pub database: String,
    /// The members' Pods, by ordinal.
    pub members: Vec<Target>,
    /// Number of members in the spec.
    pub replicas: usize,
    /// Address of the primary Service, and its port that leads to PostgreSQL; none where there is no such.
    pub service: Option<(IpAddr, u16)>,
    /// DNS name of the primary Service, as in the server certificate.
    pub service_host: String,
    /// PostgreSQL's major version, if it is known.
    pub major: Option<Major>,
    /// Bytes of a member's volume; none for one that is gone with its Pod.
    pub volume_bytes: Option<u64>,
    /// How to get in.
    pub login: Login,
    /// A primary's report on the roles of ours when they are in order; none before they were made.
    pub roles: Option<String>,
    /// Credentials of the user's superuser that may open the database by now; none when there are no others.
    pub candidate: Option<Candidate>,
    /// Time between checks of a healthy database.
    pub period: Duration,
    /// Time for one check.
    pub timeout: Duration,
    /// Failures in a row until a verdict turns bad.
    pub threshold: u32,
    /// Whether the check writes a row.
    pub write_check: bool,
    /// Whether something is changing, so that checks are worth a second.
    pub unsettled: bool,
    /// The hash of the parameters that members have to read; none while another operator cares for them.
    pub configuration: Option<String>,
    /// How Patroni is called; none before the members' own certificate was issued.
    pub patroni: Option<PatroniAccess>,
    /// Names of users' physical replication slots that Patroni leaves alone.
    pub kept_slots: BTreeSet<String>,
    /// Logical replication slots, by Pod and name, that were made while the Pod was the primary, which it is no more.
    pub left_slots: BTreeSet<(String, String)>,
    /// A certificate that members have to serve and that they may have to load.
    pub renewal: Option<Renewal>,
}

impl Targets {
    /// Name of the database.
    pub fn name(&self) -> &str {
        let parts = self.database.split_once('/');
        parts.map_or(self.database.as_str(), |(_, name)| name)
    }
}

/// One member's Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Name of the Pod.
    pub pod: String,
    /// Its address; none before it has one.
    pub address: Option<IpAddr>,
    /// DNS name, as in the server certificate.
    pub host: String,
    /// Whether Patroni's label calls it primary.
    pub is_labelled_primary: bool,
    /// Whether it is ready and not on its way out.
    pub is_ready: bool,
}

/// How to get in. Not for logs: `Debug` of [`Targets`] does not exist on purpose.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Role name.
    pub username: String,
    /// Its password.
    pub password: String,
    /// The members' TLS phase.
    pub phase: TlsPhase,
    /// PEM bundle of the CAs that members trust.
    pub trust: String,
    /// PEM client certificate and key, when there is one.
    pub client: Option<(String, String)>,
}

/// How Patroni is called. Not for logs, as [`Login`].
#[derive(Clone, PartialEq, Eq)]
pub struct PatroniAccess {
    /// PEM bundle of the CAs that are trusted.
    pub ca: String,
    /// PEM client certificate and its key.
    pub identity: String,
    /// SHA-256 of the certificate that members were given, in DER, hexadecimal.
    pub served: Option<String>,
}

/// Credentials to try. Not for logs, as [`Login`].
#[derive(Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Role name.
    pub username: String,
    /// Its password.
    pub password: String,
}

/// Credentials that were tried, distinguished by a number that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Tried(u64);

impl Tried {
    /// Of this role and its password.
    pub fn of(username: &str, password: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (username, password).hash(&mut hasher);
        Self(hasher.finish())
    }
}

impl fmt::Debug for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

/// The certificate and the CAs deployed to the members, which they may have to load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// SHA-256 of the leaf's DER, hexadecimal.
    pub fingerprint: String,
    /// The CAs that members have to trust.
    pub trust: CaBundle,
}

impl Renewal {
    /// Whether a member serves another leaf or trusts less. What was not seen is not known to be missed.
    pub fn is_missed_by(&self, served: Option<&Served>, trusted: Option<&CaBundle>) -> bool {
        served.is_some_and(|served| served.fingerprint != self.fingerprint)
            || trusted.is_some_and(|trusted| !trusted.contains_all(&self.trust))
    }

    /// Whether members trust more than one CA, so that Patroni has to read its configuration again too.
    pub fn changes_trust(&self) -> bool {
        self.trust.len() > 1
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Three ready members of `pg`, the first labelled primary.
    pub fn targets() -> Targets {
        let member = |ordinal: u8| Target {
            pod: format!("pg-{ordinal}"),
            address: Some(IpAddr::from([10, 0, 0, ordinal])),
            host: format!("pg-{ordinal}.pg-pods.shop.svc"),
            is_labelled_primary: ordinal == 0,
            is_ready: true,
        };
        Targets {
            database: "shop/pg".into(),
            members: (0..3).map(member).collect(),
            replicas: 3,
            service: None,
            major: Some(Major::new(17)),
            volume_bytes: Some(1 << 30),
            service_host: "pg.shop.svc".into(),
            login: Login {
                username: "postgres".into(),
                password: String::new(),
                phase: TlsPhase::Off,
                trust: String::new(),
                client: None,
            },
            roles: None,
            candidate: None,
            period: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            threshold: 1,
            write_check: true,
            unsettled: false,
            configuration: None,
            patroni: None,
            kept_slots: BTreeSet::new(),
            left_slots: BTreeSet::new(),
            renewal: None,
        }
    }
}
