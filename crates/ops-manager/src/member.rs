//! The members of a database over the network: Patroni's REST API and the database port.

pub mod probe;
pub mod resources;
pub mod sql;

use std::collections::BTreeMap;
use std::time::Duration;

use api_types::names;
use api_types::vocabulary::{
    FILES_TOKEN, INSTANCE_LABEL, PATRONI_PORT, POSTGRES_CONTAINER, POSTGRES_PORT, SERVES_READS,
    SERVES_READS_LABEL,
};
use instance::{Cluster, MemberStatus, Password, Patroni, PatroniError, PatroniTls, Session, Switchover};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use runtime::error_chain;
use serde_json::json;

use crate::error::Error;
use crate::observe::Seen;
use crate::world::{Files, Member, Members, Observed, PatroniState};

/// Label by which the petset operator notes the revision that a Pod was made from.
const REVISION_LABEL: &str = "controller-revision-hash";
/// How long a member may take to respond. The state of one that does not is unknown until the next observation.
const MEMBER_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a reload waits for the files that are to be read: several times as long as `config-agent` takes.
const FILES_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a restart of PostgreSQL is waited for; it goes on afterwards.
const RESTART_TIMEOUT: Duration = Duration::from_secs(20);
/// Patroni's setting of how long it keeps the replication slot of a member that is gone.
const SLOT_RETENTION: &str = "member_slots_ttl";
/// Patroni's word for a PostgreSQL that runs.
const RUNNING: &str = "running";
/// Patroni's words for a standby whose data is being copied from the primary.
const CLONING: &str = "creating replica";
/// Patroni's word for a standby that receives WAL from the primary.
const STREAMING: &str = "streaming";
/// Patroni's words for a member that takes writes.
const PRIMARY: [&str; 2] = ["primary", "master"];

/// The operators' credentials for PostgreSQL.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The operators' role.
    pub user: String,
    /// Its password.
    pub password: Password,
}

/// Connections to the members that were seen.
pub struct Connections<'a> {
    seen: &'a Seen,
    patroni_tls: &'a PatroniTls,
}

impl<'a> Connections<'a> {
    /// The members, to send them requests.
    ///
    /// # Errors
    /// When the Secret with the operators' certificate was not read.
    pub fn new(seen: &'a Seen) -> Result<Self, Error> {
        let patroni_tls = seen
            .patroni_tls
            .present()
            .ok_or_else(|| Error::Vanished("the Secret with the operators' certificate".into()))?;
        Ok(Self { seen, patroni_tls })
    }

    /// Probes every member, side by side; returns the SQL sessions too, by Pod name.
    pub async fn ask(seen: &Seen) -> (Members, BTreeMap<String, Session>) {
        let asked = seen
            .pods
            .iter()
            .map(|(name, pod)| async move { (name.clone(), ask(seen, pod).await) });
        let answers = futures::future::join_all(asked).await;
        let leader = leader(&answers);
        let (mut by_pod, mut sessions) = (BTreeMap::new(), BTreeMap::new());
        for (name, answer) in answers {
            sessions.extend(answer.session.map(|session| (name.clone(), session)));
            by_pod.insert(name, answer.member);
        }
        let asks_patroni = seen.reads.slot_retention || seen.reads.dynamic_configuration;
        // Every Patroni reports the same.
        let any = leader.as_deref().and_then(|leader| seen.pod(leader));
        let dynamic = match any.or_else(|| seen.pods.values().next()) {
            Some(pod) if asks_patroni => dynamic_configuration(seen, pod).await,
            _ => None,
        };
        let members = Members {
            by_pod,
            leader,
            forgets_slots: dynamic.as_ref().map(forgets_slots),
            dynamic_configuration: dynamic,
        };
        (members, sessions)
    }

    /// Makes the member read its certificates again, and its configuration if that has changed too, once it has these
    /// files. PostgreSQL itself takes milliseconds; Patroni, which writes PostgreSQL's configuration, takes one loop. When
    /// all connections of a member are taken, only Patroni gets the request, because it needs no new one. Returns whether
    /// the request was sent once the member had the files.
    ///
    /// # Errors
    /// [`Error::Member`]; a member that can't be reached now, or whose files do not come, is no error: the next
    /// observation shows it.
    pub async fn reload(&self, pod: &str, configuration: bool, files: Option<&Files>) -> Result<bool, Error> {
        let (Some(patroni), Some(address)) = (self.patroni(pod)?, self.seen.pod(pod).and_then(address))
        else {
            return Ok(false);
        };
        if let Err(why) = self.reload_by_sql(pod, &address, files).await {
            tracing::info!(pod, why, "PostgreSQL was not told to reload; looks again");
            tolerant("reload", pod, patroni.reload().await)?;
            return Ok(files.is_none());
        }
        if configuration {
            tolerant("reload", pod, patroni.reload().await)?;
        }
        Ok(true)
    }

    /// Uses the session of the probe, if there is one.
    async fn reload_by_sql(&self, pod: &str, address: &str, files: Option<&Files>) -> Result<(), String> {
        if let Some(session) = self.seen.sessions.get(pod) {
            return sql::reload(session, files, FILES_TIMEOUT).await;
        }
        let session = sql::session(self.seen, address, MEMBER_TIMEOUT).await?;
        sql::reload(&session, files, FILES_TIMEOUT).await
    }

    /// Ends sessions of applications on every member, with TLS or without; returns how many. A member that can't be
    /// reached has none that matter.
    pub async fn end_sessions(&self, encrypted: bool) -> i64 {
        let ended =
            self.seen
                .pods
                .values()
                .filter_map(address)
                .map(|address| async move {
                    sql::end_sessions(self.seen, &address, encrypted, MEMBER_TIMEOUT).await
                });
        let ended = futures::future::join_all(ended).await;
        ended.into_iter().filter_map(Result::ok).sum()
    }

    /// Moves the primary role from one member to another. The next observation shows which member leads afterwards.
    ///
    /// # Errors
    /// [`Error::Member`].
    pub async fn switch_over(&self, from: &str, to: &str) -> Result<(), Error> {
        let Some(patroni) = self.patroni(from)? else {
            return Ok(());
        };
        let wish = Switchover {
            leader: from.to_owned(),
            candidate: to.to_owned(),
        };
        tolerant("switchover", from, patroni.switchover(&wish).await.map(drop))
    }

    /// Lets Patroni make this member the primary, whatever it lacks. Patroni does nothing while another member leads.
    ///
    /// # Errors
    /// [`Error::Member`]; a member that can't be reached now is no error.
    pub async fn promote(&self, pod: &str) -> Result<(), Error> {
        let Some(patroni) = self.patroni(pod)? else {
            return Ok(());
        };
        tolerant("promote", pod, patroni.failover(pod).await.map(drop))
    }

    /// Lets Patroni replace the data of a standby by a copy of the primary's. Patroni itself refuses that for a primary.
    ///
    /// # Errors
    /// [`Error::Member`]; a member that can't be reached now is no error.
    pub async fn rebuild(&self, pod: &str) -> Result<(), Error> {
        let Some(patroni) = self.patroni(pod)? else {
            return Ok(());
        };
        tolerant("rebuild", pod, patroni.reinitialize().await)
    }

    /// Lets Patroni drop the replication slots of members that are gone at once, or keep them for its usual time
    /// (`member_slots_ttl`, Patroni's documentation of the dynamic configuration).
    ///
    /// # Errors
    /// [`Error::Member`]; a member that can't be reached now is no error.
    pub async fn forget_slots(&self, leader: &str, forget: bool) -> Result<(), Error> {
        let Some(patroni) = self.patroni(leader)? else {
            return Ok(());
        };
        let patch = json!({SLOT_RETENTION: forget.then_some(0)});
        tolerant(
            "change the slots' retention",
            leader,
            patroni.patch_config(&patch).await.map(drop),
        )
    }

    /// Restarts PostgreSQL of a member in its Pod, if a parameter waits for that.
    ///
    /// # Errors
    /// [`Error::Member`]; a member that can't be reached now, or whose PostgreSQL takes longer, is no error: the next
    /// observation shows it.
    pub async fn restart_postgres(&self, pod: &str) -> Result<(), Error> {
        let Some(patroni) = self.patroni(pod)? else {
            return Ok(());
        };
        tolerant(
            "restart PostgreSQL",
            pod,
            patroni.restart(true, RESTART_TIMEOUT).await,
        )
    }

    /// Changes what Patroni keeps for all members.
    ///
    /// # Errors
    /// [`Error::Member`]; a member that can't be reached now is no error.
    pub async fn configure(&self, pod: &str, patch: &serde_json::Value) -> Result<(), Error> {
        let Some(patroni) = self.patroni(pod)? else {
            return Ok(());
        };
        tolerant(
            "change the parameters that all members share",
            pod,
            patroni.patch_config(patch).await.map(drop),
        )
    }

    /// As what PostgreSQL keeps the password of a role.
    ///
    /// # Errors
    /// [`Error`], when the member does not report it.
    pub async fn verifier(&self, pod: &str, role: &str) -> Result<String, Error> {
        let verifier = self.session(pod)?.verifier(role).await;
        let verifier = verifier.map_err(|source| Error::Member {
            action: "read the verifier of the superuser",
            pod: pod.to_owned(),
            source: source.into(),
        })?;
        verifier.ok_or_else(|| Error::Vanished(format!("the password of the role {role}")))
    }

    /// Gives a role another password, by its verifier.
    ///
    /// # Errors
    /// [`Error`], when the member does not do it.
    pub async fn set_verifier(&self, pod: &str, role: &str, verifier: &str) -> Result<(), Error> {
        let set = self.session(pod)?.set_verifier(role, verifier).await;
        set.map_err(|source| Error::Member {
            action: "give the superuser a password",
            pod: pod.to_owned(),
            source: source.into(),
        })
    }

    /// The session of the member's probe.
    fn session(&self, pod: &str) -> Result<&Session, Error> {
        let session = self.seen.sessions.get(pod);
        session.ok_or_else(|| Error::Vanished(format!("the session with {pod}")))
    }

    fn patroni(&self, pod: &str) -> Result<Option<Patroni>, Error> {
        match self.seen.pod(pod) {
            Some(pod) => patroni(pod, self.patroni_tls),
            None => Ok(None),
        }
    }
}

/// A passing refusal shows at the next observation; wrong credentials do not cure themselves.
fn tolerant(action: &'static str, pod: &str, outcome: Result<(), PatroniError>) -> Result<(), Error> {
    match outcome {
        Err(
            source @ (PatroniError::Unauthorized { .. }
            | PatroniError::Untrusted { .. }
            | PatroniError::Unexpected { .. }
            | PatroniError::Client(_)
            | PatroniError::Trust(_)),
        ) => Err(Error::Member {
            action,
            pod: pod.to_owned(),
            source: source.into(),
        }),
        Err(error) => {
            let why = error_chain(&error);
            tracing::info!(action, pod, why, "the member did not do it; looks again");
            Err(Error::NotNow(format!("{action} on member {pod}: {why}")))
        }
        Ok(()) => Ok(()),
    }
}

/// The Patroni of a member; `None` while its Pod has no address.
fn patroni(pod: &Pod, tls: &PatroniTls) -> Result<Option<Patroni>, Error> {
    let Some(address) = address(pod) else {
        return Ok(None);
    };
    let port = u16::try_from(PATRONI_PORT).unwrap_or_default();
    let patroni = Patroni::new(&address, port, &host(pod), tls, MEMBER_TIMEOUT);
    patroni.map(Some).map_err(|source| Error::Member {
        action: "reach",
        pod: pod.name_any(),
        source: source.into(),
    })
}

/// The name that a member's certificates have.
fn host(pod: &Pod) -> String {
    let database = pod.labels().get(INSTANCE_LABEL).map(String::as_str);
    let namespace = pod.namespace().unwrap_or_default();
    names::member_host(database.unwrap_or_default(), &namespace, &pod.name_any())
}

fn address(pod: &Pod) -> Option<String> {
    pod.status.as_ref()?.pod_ip.clone().filter(|ip| !ip.is_empty())
}

/// The report of one member.
struct Answer {
    member: Member,
    cluster: Option<Cluster>,
    session: Option<Session>,
}

async fn ask(seen: &Seen, pod: &Pod) -> Answer {
    let mut member = of_pod(pod);
    let Some(address) = address(pod).filter(|_| is_alive(pod)) else {
        return Answer {
            member,
            cluster: None,
            session: None,
        };
    };
    // What clients get counts, and they do not get what the operators get.
    let user = seen.world.superuser.present().map_or("postgres", String::as_str);
    let port = u16::try_from(POSTGRES_PORT).unwrap_or_default();
    let ((status, cluster), probe, server) = tokio::join!(
        ask_patroni(seen, pod),
        probe::look(&address, port, user, MEMBER_TIMEOUT),
        sql::look(seen, &address, MEMBER_TIMEOUT),
    );
    let mut session = None;
    member.server = match server {
        Ok((server, open)) => {
            session = Some(open);
            Observed::Present(server)
        }
        Err(why) => Observed::Unknown(why),
    };
    member.probe = match probe {
        Ok(probe) => Observed::Present(probe),
        Err(why) => Observed::Unknown(why),
    };
    member.patroni = match status {
        Ok(status) => Observed::Present(state(&status, cluster.as_ref(), &pod.name_any())),
        Err(why) => Observed::Unknown(why),
    };
    Answer {
        member,
        cluster,
        session,
    }
}

/// Unknown when Patroni does not respond.
async fn dynamic_configuration(seen: &Seen, pod: &Pod) -> Option<serde_json::Value> {
    let patroni = patroni(pod, seen.patroni_tls.present()?).ok()??;
    patroni.config().await.ok()
}

fn forgets_slots(dynamic: &serde_json::Value) -> bool {
    dynamic.get(SLOT_RETENTION).and_then(serde_json::Value::as_i64) == Some(0)
}

async fn ask_patroni(seen: &Seen, pod: &Pod) -> (Result<MemberStatus, String>, Option<Cluster>) {
    let patroni = match reach(seen, pod) {
        Ok(patroni) => patroni,
        Err(why) => return (Err(why), None),
    };
    let (status, cluster) = tokio::join!(patroni.status(), patroni.cluster());
    (status.map_err(|error| error_chain(&error)), cluster.ok())
}

fn reach(seen: &Seen, pod: &Pod) -> Result<Patroni, String> {
    let tls = seen
        .patroni_tls
        .require("the Secret with the operators' certificate");
    let tls = tls.map_err(|waiting| waiting.to_string())?;
    let patroni = patroni(pod, tls).map_err(|error| error_chain(&error))?;
    patroni.ok_or_else(|| "it has no address".to_owned())
}

fn state(status: &MemberStatus, cluster: Option<&Cluster>, pod: &str) -> PatroniState {
    PatroniState {
        running: status.state == RUNNING,
        primary: PRIMARY.contains(&status.role.as_str()),
        cloning: status.state == CLONING,
        streaming: status.replication_state.as_deref() == Some(STREAMING),
        timeline: status.timeline.and_then(|it| u32::try_from(it).ok()),
        received: status.xlog.received_location,
        replayed: status.xlog.replayed_location,
        replayed_at: status.xlog.replayed_timestamp.clone(),
        lag: cluster
            .and_then(|cluster| cluster.member(pod))
            .and_then(|member| member.lag),
        pending_restart: status.pending_restart,
        pending: status.pending_restart_reason.clone(),
    }
}

/// What the Pod object reports.
fn of_pod(pod: &Pod) -> Member {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    Member {
        uid: pod.uid().unwrap_or_default(),
        revision: pod.labels().get(REVISION_LABEL).cloned().unwrap_or_default(),
        ready: conditions
            .into_iter()
            .flatten()
            .any(|c| c.type_ == "Ready" && c.status == "True"),
        terminating: pod.metadata.deletion_timestamp.is_some(),
        has_started: has_started(pod),
        serves_reads: pod
            .labels()
            .get(SERVES_READS_LABEL)
            .is_some_and(|it| it == SERVES_READS),
        resources: resources::of(pod.spec.as_ref(), pod.status.as_ref()),
        restarts: resources::restarts(pod.status.as_ref()),
        resizing: resources::resizing(pod.status.as_ref()),
        files_token: pod.annotations().get(FILES_TOKEN).cloned(),
        ..Member::default()
    }
}

/// Whether its PostgreSQL may run: kubelet has reported that its container does, and nothing else since.
fn has_started(pod: &Pod) -> bool {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    let mut postgres = statuses
        .into_iter()
        .flatten()
        .filter(|it| it.name == POSTGRES_CONTAINER);
    postgres.any(|it| it.state.as_ref().is_some_and(|state| state.running.is_some()))
}

fn is_alive(pod: &Pod) -> bool {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Running")
}

/// The leader is the member that reports so itself and that the others name. The report of a cut-off member alone does
/// not count.
fn leader(answers: &[(String, Answer)]) -> Option<String> {
    let takes_writes = |member: &Member| {
        member
            .patroni
            .present()
            .is_some_and(|state| state.running && state.primary)
    };
    let named = |pod: &str| {
        let voices = answers
            .iter()
            .filter_map(|(_, answer)| answer.cluster.as_ref()?.leader());
        voices.filter(|leader| leader.name == pod).count()
    };
    let candidates = answers
        .iter()
        .filter(|(_, answer)| takes_writes(&answer.member))
        .map(|(pod, _)| pod);
    candidates
        .filter(|pod| named(pod) > 0)
        .max_by_key(|pod| named(pod))
        .cloned()
}
