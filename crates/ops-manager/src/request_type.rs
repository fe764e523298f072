//! What a type of request is. There is one value of this for each type, in a folder of its own below [`crate::ops`]; nothing
//! else in this operator knows a type.

use api_types::ops_request::{
    ApplyOption, OperationProgress, OpsRequestType, PlannedCertificate, PlannedMember, PlannedParameter,
    PlannedRestart, PostgresOpsRequestSpec,
};
use api_types::tls::IssuerRef;
use api_types::{Postgres, PostgresOpsRequest};
use jiff::Timestamp;
use kube::ResourceExt;

use crate::admit::Admission;
use crate::operation::Operation;
use crate::step::{Step, StepResult};
use crate::world::World;

/// One type of request: how it is checked, planned, carried out, described and undone.
pub trait RequestType: Send + Sync {
    /// The type on the wire.
    fn kind(&self) -> OpsRequestType;

    /// Message of the request's first condition (KubeDB's words).
    fn begun(&self) -> &'static str;

    /// Message of the last condition when all went well (KubeDB's words).
    fn succeeded(&self) -> &'static str;

    /// Checks the request alone, whatever the database is like.
    ///
    /// # Errors
    /// A message that names what to change in the request.
    fn check(&self, _spec: &PostgresOpsRequestSpec) -> Result<(), String> {
        Ok(())
    }

    /// The request that carries out an edit of the spec which the provisioner holds for this reason, if it is of this type.
    fn for_edit(&self, _postgres: &Postgres, _held: &str) -> Option<PostgresOpsRequestSpec> {
        None
    }

    /// How pending requests of this type become one; none where the newest replaces the others.
    fn merging(&self) -> Option<Merging> {
        None
    }

    /// When the spec wants the next request of this type, if it wants them by time.
    fn due_at(&self, _postgres: &Postgres) -> Option<Timestamp> {
        None
    }

    /// Whether it repairs a database, and so begins whatever the phase is: a broken one would never be Ready.
    fn repairs(&self) -> bool {
        false
    }

    /// Whether its plan is complete while no member is the primary.
    fn makes_a_primary(&self) -> bool {
        false
    }

    /// Whether it decides which PostgreSQL the members run, and so begins while the provisioner holds an edited version back.
    fn decides_version(&self) -> bool {
        false
    }

    /// Whether Secrets decide if this request can begin. Other requests are admitted without reading any.
    fn is_admitted_by_secrets(&self, _spec: &PostgresOpsRequestSpec) -> bool {
        false
    }

    /// What has to be read besides what every type needs.
    fn reads(&self, _op: &Operation, _postgres: &Postgres) -> Reads {
        Reads::default()
    }

    /// Fixes what the operation changes into what, from the world before anything is touched.
    ///
    /// # Errors
    /// What happens to the request instead.
    fn plan(
        &self,
        op: &Operation,
        proposal: &Proposal<'_>,
        plan: &mut OperationProgress,
    ) -> Result<(), Admission>;

    /// The steps between pause and resume.
    fn recipe(&self, op: &Operation) -> Vec<Step>;

    /// What brings the database back to its spec when the recipe can't be finished; none where it changes no settings.
    fn restore(&self) -> Option<Step> {
        None
    }

    /// What the operation will do to members, sessions and certificates, from the same functions that do it.
    ///
    /// # Errors
    /// What is waited for, or why it can't be done.
    fn describe(&self, op: &Operation, world: &World) -> StepResult<Description>;
}

/// What every request has that an operator makes for an edit of the spec: it begins whatever the phase is, as the edit itself
/// would have.
pub fn for_edit_of(postgres: &Postgres, type_: OpsRequestType) -> PostgresOpsRequestSpec {
    PostgresOpsRequestSpec {
        apply: Some(ApplyOption::Always),
        ..PostgresOpsRequestSpec::of(&postgres.name_any(), type_)
    }
}

/// How pending requests of a type become one.
#[derive(Clone, Copy)]
pub struct Merging {
    /// Between the names of database and moment in the name of the merged request.
    pub infix: &'static str,
    /// Why the merged requests are skipped.
    pub reason: &'static str,
    /// The beginning of the message of a request that is skipped; the name of the merged request follows.
    pub skipped: &'static str,
    /// The one request that combines these, oldest first.
    pub merge: fn(&[&PostgresOpsRequestSpec]) -> PostgresOpsRequestSpec,
}

impl std::fmt::Debug for dyn RequestType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind().as_str())
    }
}

impl PartialEq for dyn RequestType {
    fn eq(&self, other: &Self) -> bool {
        self.kind() == other.kind()
    }
}

/// A request that has not begun, and what it would begin in.
pub struct Proposal<'a> {
    /// The request.
    pub request: &'a PostgresOpsRequest,
    /// The world, with what [`RequestType::reads`] lists; with the members only for a plan.
    pub world: &'a World,
    /// Now.
    pub now: Timestamp,
}

/// What an operation observes besides what every type needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reads {
    /// Issuers that are to be Ready; read before a request begins, too.
    pub issuers: Vec<IssuerRef>,
    /// Certificates.
    pub tls: Option<TlsReads>,
    /// Whether Patroni keeps the replication slots of members that are gone.
    pub slot_retention: bool,
    /// What Patroni keeps for all members.
    pub dynamic_configuration: bool,
    /// The parameters that members have of their configuration.
    pub parameters: bool,
    /// The control groups that members run in.
    pub cgroups: bool,
    /// The claims, and what members see of their volumes.
    pub volumes: bool,
    /// PostgresVersions, besides the one that the spec names.
    pub versions: Vec<String>,
    /// Secrets with a `user.conf`, besides the one that the spec names.
    pub user_confs: Vec<String>,
    /// The superuser's credentials.
    pub auth: Option<AuthReads>,
}

/// What is read of the superuser's credentials.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AuthReads {
    /// Name of the auth Secret with the new credentials.
    pub secret: String,
}

/// What is read of certificates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TlsReads {
    /// Secrets of certificates.
    pub secrets: Vec<String>,
    /// CertificateRequests that probe issuers for their CA.
    pub answers: Vec<String>,
}

/// What an operation will do, for its plan.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// The beginning of the summary, for example `would add TLS`.
    pub aim: String,
    /// Parts of the summary that come then.
    pub changes: Vec<String>,
    /// What happens to each member; roles are filled in.
    pub members: Vec<PlannedMember>,
    /// Which sessions of applications do not go on.
    pub sessions: EndedSessions,
    /// How each parameter changes.
    pub parameters: Vec<PlannedParameter>,
    /// What happens to each certificate.
    pub certificates: Vec<PlannedCertificate>,
}

/// Sessions of applications that do not go on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndedSessions {
    /// Those with TLS, on these Pods.
    pub with_tls: Vec<String>,
    /// Those without TLS, on these Pods.
    pub without_tls: Vec<String>,
    /// They have to end by themselves; otherwise they are ended.
    pub by_themselves: bool,
}

impl EndedSessions {
    /// All sessions of the members among these whose PostgreSQL restarts.
    pub fn of_restarted(members: &[PlannedMember]) -> Self {
        let restarted = members
            .iter()
            .filter(|member| member.restart != PlannedRestart::Never);
        Self::all(&restarted.map(|member| member.name.clone()).collect::<Vec<_>>())
    }

    /// All sessions of these Pods.
    pub fn all(pods: &[String]) -> Self {
        Self {
            with_tls: pods.to_vec(),
            without_tls: pods.to_vec(),
            by_themselves: false,
        }
    }
}
