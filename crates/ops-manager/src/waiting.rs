//! What an operation waits for, as values; rendered to words here and nowhere else.

use std::fmt;

use api_types::PauseHolder;
use api_types::vocabulary::PAUSED_BY;
use jiff::{SignedDuration, Timestamp, Unit};

/// What has to happen before a step can go on. Waiting is not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitingOn {
    /// A read failed; whether the object is there is unknown.
    Unread {
        /// Kind and name, or what it is.
        what: String,
        /// Why.
        why: String,
    },
    /// An object does not exist yet.
    Missing {
        /// Kind and name, or what it is.
        what: String,
    },
    /// The provisioner has not acknowledged the pause.
    PauseAcknowledgement,
    /// The provisioner has not seen yet that the pause has ended.
    PauseEnd,
    /// Another request, or a person, holds the pause.
    PausedBy {
        /// Name of the Postgres.
        database: String,
        /// The request or the person.
        holder: PauseHolder,
    },
    /// The petset operator has not observed the new Pod template.
    PodTemplate,
    /// Fewer Pods exist than the database is to have.
    Pods {
        /// Number that is expected.
        wanted: usize,
        /// Number that exists.
        seen: usize,
    },
    /// More Pods exist than the database is to have.
    PodsToEnd(Vec<String>),
    /// A Pod is terminating.
    PodEnd(String),
    /// A member is unhealthy, or was not proven.
    Member {
        /// The Pod.
        pod: String,
        /// What it lacks.
        why: String,
    },
    /// A member is unhealthy, so another one can't be restarted now.
    OtherMember {
        /// The Pod that is next.
        next: String,
        /// The unhealthy one.
        other: String,
        /// What it lacks.
        why: String,
    },
    /// Members that do not match the expectation yet, with what is different.
    Outdated(Vec<(String, String)>),
    /// A Pod is terminating whose PostgreSQL may take writes: its node does not report that it has ended.
    Fence(String),
    /// No member is the primary.
    Primary,
    /// No member that stays can take over; with what each lacks.
    Candidate(Vec<(String, String)>),
    /// A member did not report its sessions.
    SessionCount {
        /// The Pod.
        pod: String,
    },
    /// Sessions of applications have to end.
    Sessions {
        /// How many are left.
        left: i64,
        /// Those with TLS; otherwise those without.
        encrypted: bool,
        /// Longest time.
        timeout: SignedDuration,
    },
    /// The nodes have to take members that leave out of the Service for reads.
    Endpoints,
    /// Sessions of clients on members that leave have to end.
    SessionsOfLeaving {
        /// How many are left.
        left: i64,
        /// Longest time.
        timeout: SignedDuration,
    },
    /// The primary did not report its standbys.
    ReplicationReport {
        /// Its Pod.
        leader: String,
    },
    /// A standby does not stream as required.
    Replication {
        /// Its Pod.
        standby: String,
        /// The primary's Pod.
        leader: String,
        /// With TLS; otherwise without.
        encrypted: bool,
    },
    /// No Patroni reported what it keeps for all members.
    DynamicConfiguration,
    /// A replication slot of a member that left exists.
    Slots(Vec<String>),
    /// cert-manager is at work on a Certificate.
    Certificate {
        /// Kind and name.
        certificate: String,
        /// What is missing.
        state: CertificateState,
    },
    /// A Secret has a certificate of another issuer.
    IssuedBy {
        /// Name of the Secret.
        secret: String,
        /// Name of the issuer.
        issuer: String,
    },
    /// A Secret of a certificate lacks a part.
    SecretParts {
        /// Name of the Secret.
        secret: String,
    },
    /// An issuer has not published its CA.
    IssuerCa {
        /// Kind and name.
        issuer: String,
        /// What it reports.
        why: String,
    },
    /// Clients have time to take the CA bundle.
    Clients {
        /// Until then.
        until: Timestamp,
        /// The overlap in the request.
        given: SignedDuration,
    },
}

/// What is missing before a Certificate is issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificateState {
    /// It is being issued.
    Issuing,
    /// It is not Ready; with the message of its condition.
    NotReady(String),
    /// cert-manager has not observed its last change.
    NotObserved,
    /// The revision of before.
    OldRevision,
}

impl fmt::Display for WaitingOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread { what, why } => write!(f, "{what} could not be read: {why}"),
            Self::Missing { what } => write!(f, "{what} does not exist"),
            Self::PauseAcknowledgement => f.write_str("waits for provisioner to acknowledge the pause"),
            Self::PauseEnd => f.write_str("waits for provisioner to see that the pause has ended"),
            Self::PausedBy { database, holder } => {
                write!(
                    f,
                    "the database is paused by {holder}; waits until that pause is removed"
                )?;
                // A person's pause may have been forgotten.
                if holder.is_person() {
                    write!(
                        f,
                        "; when nobody needs it any more: kubectl annotate postgres {database} {PAUSED_BY}-"
                    )?;
                }
                Ok(())
            }
            Self::PodTemplate => f.write_str("waits for petset to see the new Pod template"),
            Self::Pods { wanted, seen } => {
                write!(f, "waits for petset to make all {wanted} Pods; there are {seen}")
            }
            Self::PodsToEnd(pods) => write!(f, "waits for {} to end", pods.join(", ")),
            Self::PodEnd(pod) => write!(f, "waits for {pod} to end"),
            Self::Member { pod, why } => write!(f, "waits for {pod}: {why}"),
            Self::OtherMember { next, other, why } => {
                write!(f, "{next} is next; waits for {other}: {why}")
            }
            Self::Outdated(members) => f.write_str(&joined(members)),
            Self::Fence(pod) => write!(
                f,
                "waits for the node of {pod} to report that the Pod has ended: until then {pod} may take writes. When the node is lost for good, say so: \
                 kubectl delete node NODE, or the taint node.kubernetes.io/out-of-service"
            ),
            Self::Primary => f.write_str("waits for a primary"),
            Self::Candidate(lacks) if lacks.is_empty() => {
                f.write_str("waits for a standby that can take over")
            }
            Self::Candidate(lacks) => {
                write!(
                    f,
                    "waits for a member that can take over without loss of rows: {}",
                    joined(lacks)
                )
            }
            Self::SessionCount { pod } => write!(f, "waits for {pod} to report its sessions"),
            Self::Sessions {
                left,
                encrypted,
                timeout,
            } => write!(
                f,
                "waits for {left} sessions {} to end, {timeout:#} at most",
                with_tls(*encrypted)
            ),
            Self::Endpoints => f.write_str("waits until every node sends reads to the members that stay"),
            Self::SessionsOfLeaving { left, timeout } => write!(
                f,
                "waits for {left} sessions on the members that leave to end, {timeout:#} at most"
            ),
            Self::ReplicationReport { leader } => write!(f, "waits for {leader} to report its standbys"),
            Self::Replication {
                standby,
                leader,
                encrypted,
            } => {
                let how = if *encrypted { "over TLS" } else { "without TLS" };
                write!(f, "waits for {standby} to stream from {leader} {how}")
            }
            Self::DynamicConfiguration => {
                f.write_str("waits for Patroni to report what it keeps for all members")
            }
            Self::Slots(slots) => write!(
                f,
                "waits until replication slots are dropped: {}",
                slots.join(", ")
            ),
            Self::Certificate { certificate, state } => match state {
                CertificateState::Issuing => write!(f, "waits for cert-manager to issue {certificate}"),
                CertificateState::NotReady(why) => write!(f, "waits for {certificate} to be Ready: {why}"),
                CertificateState::NotObserved => {
                    write!(f, "waits for cert-manager to see the change of {certificate}")
                }
                CertificateState::OldRevision => write!(f, "waits for a new revision of {certificate}"),
            },
            Self::IssuedBy { secret, issuer } => {
                write!(f, "waits for a certificate of issuer {issuer} in Secret {secret}")
            }
            Self::SecretParts { secret } => write!(f, "Secret {secret} lacks ca.crt, tls.crt or tls.key"),
            Self::IssuerCa { issuer, why } => write!(f, "waits for {issuer} to tell its CA: {why}"),
            Self::Clients { until, given } => write!(
                f,
                "applications have until {} to take the bundle with the old and the new CA (spec.tls.caOverlap: {given:#})",
                until.round(Unit::Second).unwrap_or(*until)
            ),
        }
    }
}

/// Members and the message about each, in one line.
pub fn joined(members: &[(String, String)]) -> String {
    let all: Vec<String> = members.iter().map(|(pod, why)| format!("{pod}: {why}")).collect();
    all.join("; ")
}

/// The protection of sessions in words.
pub fn with_tls(encrypted: bool) -> &'static str {
    if encrypted { "with TLS" } else { "without TLS" }
}
