//! Patroni's REST API (4.1), over TLS of the database's internal CA. Calls that change something need a client certificate
//! of that CA, so every call shows it.

mod error;

use std::{collections::BTreeMap, fmt, time::Duration};

use reqwest::tls::TlsInfo;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::certificate::{self, CertificateError};
pub use crate::patroni::error::PatroniError;
use crate::tls::{ClientIdentity, Connector, TlsMode};

/// Patroni responds to a switchover when the new leader is there; it gives up after 20 s (two loops).
const SWITCHOVER_TIMEOUT: Duration = Duration::from_secs(30);

/// What an operator needs to call Patroni: the CAs that it trusts, and who it is. `Debug` shows no key.
#[derive(Clone, Debug)]
pub struct PatroniTls {
    ca: Vec<u8>,
    identity: ClientIdentity,
}

impl PatroniTls {
    /// The CAs (PEM), and a client certificate with its private key in one PEM text.
    ///
    /// # Errors
    /// When the certificate or its key can't be read, or they do not belong together.
    pub fn from_pem(ca: &[u8], identity: &[u8]) -> Result<Self, CertificateError> {
        Ok(Self {
            ca: ca.to_owned(),
            identity: ClientIdentity::from_pem(identity, identity)?,
        })
    }
}

/// The Patroni of one member.
#[derive(Clone)]
pub struct Patroni {
    address: String,
    deadline: Duration,
    http: Client,
}

/// `GET /patroni`: a member's report on itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct MemberStatus {
    /// `running`, `starting`, `creating replica`, `stopped`, `unknown`, …
    pub state: String,
    /// `primary`, `replica`, `standby_leader`, `demoted`, `uninitialized`, …
    pub role: String,
    /// Timeline of the primary as this member knows it.
    #[serde(default)]
    pub timeline: Option<i64>,
    /// For example `170002`.
    #[serde(default)]
    pub server_version: Option<i64>,
    /// Whether PostgreSQL must be restarted for a parameter to take effect.
    #[serde(default)]
    pub pending_restart: bool,
    /// Which parameters, and from what to what.
    #[serde(default)]
    pub pending_restart_reason: BTreeMap<String, PendingChange>,
    /// Positions in the WAL.
    #[serde(default)]
    pub xlog: Xlog,
    /// `streaming` or `in archive recovery`; only on a standby.
    #[serde(default)]
    pub replication_state: Option<String>,
    /// Whether the cluster is in maintenance mode.
    #[serde(default)]
    pub pause: bool,
    /// Whether the leader lock is free, as this member knows.
    #[serde(default)]
    pub cluster_unlocked: bool,
    /// When PostgreSQL started, in Patroni's own format; differs after every restart.
    #[serde(default)]
    pub postmaster_start_time: Option<String>,
    /// Patroni itself.
    pub patroni: Identity,
}

/// A parameter that waits for a restart of PostgreSQL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct PendingChange {
    /// The value in force.
    #[serde(default)]
    pub old_value: Option<Value>,
    /// The value after a restart.
    #[serde(default)]
    pub new_value: Option<Value>,
}

/// WAL positions in bytes from the beginning; those of the other role are `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Xlog {
    /// Written by a primary.
    #[serde(default)]
    pub location: Option<u64>,
    /// Received by a standby.
    #[serde(default)]
    pub received_location: Option<u64>,
    /// Replayed by a standby.
    #[serde(default)]
    pub replayed_location: Option<u64>,
    /// When the last transaction was committed that a standby has replayed, as PostgreSQL writes a time.
    #[serde(default)]
    pub replayed_timestamp: Option<String>,
    /// Whether replay is paused.
    #[serde(default)]
    pub paused: bool,
}

/// Which Patroni this is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Identity {
    /// For example `4.1.0`.
    pub version: String,
    /// Name of the cluster.
    pub scope: String,
    /// Name of the member: its Pod.
    #[serde(default)]
    pub name: String,
}

/// `GET /cluster`: all members, as this member knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Cluster {
    /// The members, by name.
    pub members: Vec<Member>,
    /// Whether the cluster is in maintenance mode.
    #[serde(default)]
    pub pause: bool,
}

/// One member of a [`Cluster`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Member {
    /// Its Pod.
    pub name: String,
    /// `leader`, `standby_leader`, `sync_standby`, `quorum_standby` or `replica`.
    pub role: String,
    /// `running`; of a healthy standby `streaming`.
    pub state: String,
    /// Timeline.
    #[serde(default)]
    pub timeline: Option<i64>,
    /// Bytes behind the leader's last known position; `None` on the leader and while unknown.
    #[serde(default, deserialize_with = "known_number")]
    pub lag: Option<i64>,
    /// Whether PostgreSQL must be restarted for a parameter to take effect.
    #[serde(default)]
    pub pending_restart: bool,
}

impl Cluster {
    /// The member that holds the leader lock.
    pub fn leader(&self) -> Option<&Member> {
        self.members
            .iter()
            .find(|m| matches!(m.role.as_str(), "leader" | "standby_leader"))
    }

    /// The member of this name.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|m| m.name == name)
    }
}

/// Patroni writes `"unknown"` where it has no number.
fn known_number<'de, D: Deserializer<'de>>(input: D) -> Result<Option<i64>, D::Error> {
    Ok(Value::deserialize(input)?.as_i64())
}

/// From which member the leadership goes to which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Switchover {
    /// The leader now; Patroni refuses if it is another.
    pub leader: String,
    /// The member that is to lead.
    pub candidate: String,
}

impl Patroni {
    /// The Patroni at an address and port, whose certificate must be for `host`. `deadline` is for each call.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(
        address: &str,
        port: u16,
        host: &str,
        tls: &PatroniTls,
        deadline: Duration,
    ) -> Result<Self, PatroniError> {
        let mode = TlsMode::VerifyFull {
            ca: tls.ca.clone(),
            server_name: host.to_owned(),
        };
        let connector = Connector::new(&mode, Some(&tls.identity)).map_err(PatroniError::Trust)?;
        let builder = Client::builder();
        let builder = match connector {
            Some(connector) => builder.use_preconfigured_tls((*connector.config).clone()),
            None => builder,
        };
        let http = builder
            .https_only(true)
            .tls_info(true)
            // Members are reached directly, whatever proxies the process' environment names.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(PatroniError::Client)?;
        let address = if address.contains(':') {
            format!("[{address}]:{port}")
        } else {
            format!("{address}:{port}")
        };
        Ok(Self {
            address,
            deadline,
            http,
        })
    }

    /// The certificate that Patroni serves now: SHA-256 of its DER, lower-case hex.
    ///
    /// # Errors
    /// [`PatroniError`].
    pub async fn served_leaf(&self) -> Result<String, PatroniError> {
        let doing = "reading its certificate";
        // It needs neither PostgreSQL nor the API server.
        let request = self.http.get(self.url("liveness")).timeout(self.deadline);
        let sent = request.send().await;
        let answer = sent.map_err(|error| self.no_answer(doing, error, self.deadline))?;
        let info = answer.extensions().get::<TlsInfo>();
        let leaf = info.and_then(TlsInfo::peer_certificate);
        leaf.map(certificate::fingerprint)
            .ok_or_else(|| PatroniError::Unexpected {
                doing,
                address: self.address.clone(),
                status: answer.status().as_u16(),
                body: "no certificate".to_owned(),
            })
    }

    /// The member's report on itself.
    ///
    /// # Errors
    /// [`PatroniError`].
    pub async fn status(&self) -> Result<MemberStatus, PatroniError> {
        let doing = "reading the member's state";
        self.read(doing, self.http.get(self.url("patroni"))).await
    }

    /// All members, as this one knows them.
    ///
    /// # Errors
    /// [`PatroniError`].
    pub async fn cluster(&self) -> Result<Cluster, PatroniError> {
        let doing = "reading the members";
        self.read(doing, self.http.get(self.url("cluster"))).await
    }

    /// The dynamic configuration, which all members share.
    ///
    /// # Errors
    /// [`PatroniError`].
    pub async fn config(&self) -> Result<Value, PatroniError> {
        self.read("reading the configuration", self.http.get(self.url("config")))
            .await
    }

    /// Makes the member read its local configuration again and reload PostgreSQL. That happens after the response:
    /// check for the effect, not for the response.
    ///
    /// Patroni 4 only notes a reload and comes to it in the next turn of its loop. A change of the dynamic configuration
    /// wakes the loop (`Ha.wakeup`), also one that changes nothing.
    ///
    /// # Errors
    /// [`PatroniError`].
    pub async fn reload(&self) -> Result<(), PatroniError> {
        let request = self.change(Method::POST, "reload");
        self.send("the reload", request, self.deadline).await?;
        if let Err(error) = self.wake().await {
            tracing::debug!(%error, "the loop was not woken; it turns by itself");
        }
        Ok(())
    }

    /// Makes Patroni's loop turn at once. A change of the dynamic configuration does, also one that changes nothing (Patroni
    /// 4.1, `do_PATCH_config`, `Ha.wakeup`).
    ///
    /// # Errors
    /// [`PatroniError`].
    pub async fn wake(&self) -> Result<(), PatroniError> {
        let nothing = serde_json::json!({ "sealwright": null });
        self.patch_config(&nothing).await.map(drop)
    }

    /// Gives the leadership to another member; returns Patroni's words, which name the new leader. It may be another than
    /// the candidate.
    ///
    /// # Errors
    /// [`PatroniError`]; after [`PatroniError::Deadline`] and [`PatroniError::Failed`] check which member leads.
    pub async fn switchover(&self, switchover: &Switchover) -> Result<String, PatroniError> {
        let request = self.change(Method::POST, "switchover").json(switchover);
        self.take_over("the switchover", request).await
    }

    async fn take_over(&self, doing: &'static str, request: RequestBuilder) -> Result<String, PatroniError> {
        let answer = self
            .send(doing, request, self.deadline.max(SWITCHOVER_TIMEOUT))
            .await?;
        answer
            .text()
            .await
            .map_err(|error| self.unreachable(doing, error))
    }

    /// Gives the leadership to this member while there is no leader, whatever the member lacks (Patroni, "Manual failover");
    /// returns Patroni's message.
    ///
    /// # Errors
    /// [`PatroniError`]; after [`PatroniError::Deadline`] and [`PatroniError::Failed`] check which member leads.
    pub async fn failover(&self, candidate: &str) -> Result<String, PatroniError> {
        let body = serde_json::json!({"candidate": candidate});
        let request = self.change(Method::POST, "failover").json(&body);
        self.take_over("the failover", request).await
    }

    /// Restarts PostgreSQL in place, without its Pod; `only_if_pending` leaves it alone if no parameter waits for that.
    ///
    /// # Errors
    /// [`PatroniError`].
    pub async fn restart(&self, only_if_pending: bool, deadline: Duration) -> Result<(), PatroniError> {
        let body = if only_if_pending {
            serde_json::json!({"restart_pending": true})
        } else {
            serde_json::json!({})
        };
        let request = self.change(Method::POST, "restart").json(&body);
        self.send("the restart", request, deadline).await.map(drop)
    }

    /// Replaces the data of this standby by a copy of the primary's (`POST /reinitialize`). It returns when Patroni has begun;
    /// [`MemberStatus::state`] shows when the copy is there. Patroni refuses it on a primary.
    ///
    /// # Errors
    /// [`PatroniError`].
    pub async fn reinitialize(&self) -> Result<(), PatroniError> {
        let body = serde_json::json!({"force": true, "from-leader": true});
        let request = self.change(Method::POST, "reinitialize").json(&body);
        self.send("the rebuild", request, self.deadline).await.map(drop)
    }

    /// Merges a patch into the dynamic configuration (null removes a key); returns the configuration after it.
    ///
    /// # Errors
    /// [`PatroniError`].
    pub async fn patch_config(&self, patch: &Value) -> Result<Value, PatroniError> {
        self.read(
            "changing the configuration",
            self.change(Method::PATCH, "config").json(patch),
        )
        .await
    }

    fn url(&self, path: &str) -> String {
        format!("https://{}/{path}", self.address)
    }

    fn change(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path))
    }

    async fn read<T: DeserializeOwned>(
        &self,
        doing: &'static str,
        request: RequestBuilder,
    ) -> Result<T, PatroniError> {
        let answer = self.send(doing, request, self.deadline).await?;
        let status = answer.status().as_u16();
        let body = answer
            .bytes()
            .await
            .map_err(|error| self.unreachable(doing, error))?;
        serde_json::from_slice(&body).map_err(|error| PatroniError::Unexpected {
            doing,
            address: self.address.clone(),
            status,
            body: error.to_string(),
        })
    }

    /// Sends; the deadline includes the body of the response.
    async fn send(
        &self,
        doing: &'static str,
        request: RequestBuilder,
        deadline: Duration,
    ) -> Result<Response, PatroniError> {
        let sent = request.timeout(deadline).send().await;
        let answer = sent.map_err(|error| self.no_answer(doing, error, deadline))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let words = answer.text().await.unwrap_or_default();
        Err(self.refused(doing, status, words))
    }

    fn no_answer(&self, doing: &'static str, source: reqwest::Error, after: Duration) -> PatroniError {
        if source.is_timeout() {
            return PatroniError::Deadline {
                doing,
                address: self.address.clone(),
                after,
            };
        }
        self.unreachable(doing, source)
    }

    fn unreachable(&self, doing: &'static str, source: reqwest::Error) -> PatroniError {
        PatroniError::of_connection(doing, self.address.clone(), source)
    }

    fn refused(&self, doing: &'static str, status: StatusCode, words: String) -> PatroniError {
        let address = self.address.clone();
        let why: String = words.chars().take(300).collect();
        match status.as_u16() {
            401 | 403 => PatroniError::Unauthorized { doing, address },
            409 => PatroniError::Conflict { doing, address },
            412 => PatroniError::NotPossible { doing, address, why },
            503 => PatroniError::Failed { doing, address, why },
            status => PatroniError::Unexpected {
                doing,
                address,
                status,
                body: why,
            },
        }
    }
}

impl fmt::Debug for Patroni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patroni")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
