//! The members of a database, looked at one by one from outside.

use anyhow::{Context, Result, ensure};
use api_types::vocabulary::{
    INSTANCE_LABEL, NAME_LABEL, NAME_VALUE, POSTGRES_CONTAINER, POSTGRES_PORT, ROLE_LABEL, ROLE_PRIMARY,
};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{ListParams, LogParams};

use crate::cluster::TestNamespace;
use crate::served::{self, Served};
use crate::shell;

/// One member's Pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Name of the Pod.
    pub name: String,
    /// UID of the Pod.
    pub uid: String,
    /// Value of the role label.
    pub role: Option<String>,
    /// Node it runs on.
    pub node: String,
    /// Address of the Pod; empty before it has one.
    pub address: String,
    /// Whether the Pod is Ready.
    pub ready: bool,
    /// Restarts of its containers, all together.
    pub restarts: i32,
}

impl Member {
    /// Reads a Pod.
    pub fn of(pod: &Pod) -> Self {
        let status = pod.status.clone().unwrap_or_default();
        let ready = status
            .conditions
            .iter()
            .flatten()
            .any(|c| c.type_ == "Ready" && c.status == "True");
        Self {
            name: pod.name_any(),
            uid: pod.uid().unwrap_or_default(),
            role: pod.labels().get(ROLE_LABEL).cloned(),
            node: pod
                .spec
                .as_ref()
                .and_then(|s| s.node_name.clone())
                .unwrap_or_default(),
            address: status.pod_ip.clone().unwrap_or_default(),
            ready: ready && pod.metadata.deletion_timestamp.is_none(),
            restarts: status
                .container_statuses
                .iter()
                .flatten()
                .map(|c| c.restart_count)
                .sum(),
        }
    }

    /// Whether it carries the primary's label.
    pub fn is_primary(&self) -> bool {
        self.role.as_deref() == Some(ROLE_PRIMARY)
    }
}

/// Selects the Pods of a database.
pub fn selector(database: &str) -> String {
    format!("{NAME_LABEL}={NAME_VALUE},{INSTANCE_LABEL}={database}")
}

/// The members, by name.
pub async fn list(namespace: &TestNamespace, database: &str) -> Result<Vec<Member>> {
    let pods = namespace
        .pods()
        .list(&ListParams::default().labels(&selector(database)))
        .await?;
    let mut members: Vec<Member> = pods.items.iter().map(Member::of).collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(members)
}

/// The one ready Pod with the primary's label.
pub async fn primary(namespace: &TestNamespace, database: &str) -> Result<Member> {
    let members = list(namespace, database).await?;
    let mut primaries = members.iter().filter(|m| m.is_primary() && m.ready);
    let primary = primaries
        .next()
        .with_context(|| format!("no ready primary among {members:?}"))?;
    ensure!(primaries.next().is_none(), "two primaries: {members:?}");
    Ok(primary.clone())
}

/// What a member presents on its PostgreSQL port; `None` when it speaks no TLS.
pub async fn served(namespace: &TestNamespace, pod: &str) -> Result<Option<Served>> {
    let mut forward = namespace.pods().portforward(pod, &[POSTGRES_PORT as u16]).await?;
    let stream = forward.take_stream(POSTGRES_PORT as u16).context("no stream")?;
    let served = served::look(stream)
        .await
        .with_context(|| format!("handshake with {pod}"));
    forward.abort();
    served
}

/// As [`served`], but with the checks of `sslmode=verify-full`.
pub async fn served_verified(namespace: &TestNamespace, pod: &str, ca: &[u8], host: &str) -> Result<Served> {
    let mut forward = namespace.pods().portforward(pod, &[POSTGRES_PORT as u16]).await?;
    let stream = forward.take_stream(POSTGRES_PORT as u16).context("no stream")?;
    let served = served::verify_full(stream, ca, host).await;
    forward.abort();
    served.with_context(|| format!("verify-full handshake with {pod} for {host}"))
}

/// What the container of a member that runs now has said.
pub async fn log(namespace: &TestNamespace, pod: &str, container: &str) -> Result<String> {
    let params = LogParams {
        container: Some(container.to_owned()),
        ..LogParams::default()
    };
    Ok(namespace.pods().logs(pod, &params).await?)
}

/// Runs SQL in a member over its Unix socket, where the superuser needs no password; rows as lines, columns by `|`.
pub async fn sql(namespace: &TestNamespace, pod: &str, statement: &str) -> Result<String> {
    sql_as(namespace, pod, "postgres", statement).await
}

/// As [`sql`], as another role.
pub async fn sql_as(namespace: &TestNamespace, pod: &str, role: &str, statement: &str) -> Result<String> {
    let command = [
        "psql",
        "-XAtq",
        "-v",
        "ON_ERROR_STOP=1",
        "-h",
        "/var/run/postgresql",
        "-d",
        "postgres",
        "-U",
        role,
        "-c",
    ];
    let command = [command.as_slice(), &[statement]].concat();
    let rows = shell::output_of(&namespace.pods(), pod, POSTGRES_CONTAINER, &command).await?;
    Ok(rows.trim_end().to_owned())
}

/// SQL on whichever member is primary now.
pub async fn sql_on_primary(namespace: &TestNamespace, database: &str, statement: &str) -> Result<String> {
    let primary = primary(namespace, database).await?;
    sql(namespace, &primary.name, statement).await
}
