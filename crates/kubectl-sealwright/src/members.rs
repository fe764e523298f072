//! The members of a database by their Pods, and the TLS handshake with each through the API server.

use std::time::Duration;

use api_types::vocabulary::{
    INSTANCE_LABEL, NAME_LABEL, NAME_VALUE, PATRONI_STATUS, POSTGRES_PORT, ROLE_LABEL, ROLE_PRIMARY,
};
use instance::Answer;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::ResourceExt;
use kube::api::ListParams;
use serde::{Deserialize, Serialize};

use crate::cluster::{Target, reason};
use crate::exit::Error;

/// How long a port-forward gets to end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// One member, by its Pod.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Name of the Pod.
    pub name: String,
    /// `primary` or `standby`, by the Pod's label; absent while it has none.
    pub role: Option<String>,
    /// Whether the Pod is Ready.
    pub ready: bool,
    /// Why the Pod does not run, in Kubernetes' word, for example `ImagePullBackOff`.
    pub waiting: Option<String>,
    /// Bytes of WAL that it has not replayed yet, by Patroni's last report; absent when not known.
    pub lag_bytes: Option<u64>,
    /// Timeline, by Patroni's last report.
    pub timeline: Option<u64>,
    /// When the Pod was made.
    #[serde(skip)]
    pub created: Option<jiff::Timestamp>,
}

/// Patroni's report in the annotation.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PatroniStatus {
    xlog_location: Option<u64>,
    replay_lsn: Option<u64>,
    timeline: Option<u64>,
}

/// Selects the Pods of a database.
pub fn selector(database: &str) -> String {
    format!("{NAME_LABEL}={NAME_VALUE},{INSTANCE_LABEL}={database}")
}

/// The Pods of a database.
///
/// # Errors
/// When they can't be listed.
pub async fn pods(target: &Target, database: &str) -> Result<Vec<Pod>, Error> {
    let doing = format!("listing the Pods of {}/{database}", target.namespace);
    let params = ListParams::default().labels(&selector(database));
    let list = target.api::<Pod>().list(&params).await;
    Ok(list.map_err(|error| Error::api(doing, error))?.items)
}

/// The members, by name.
pub fn members(pods: &[Pod]) -> Vec<Member> {
    let says: Vec<PatroniStatus> = pods.iter().map(patroni).collect();
    let primary = pods
        .iter()
        .zip(&says)
        .find(|(pod, _)| role(pod).as_deref() == Some(ROLE_PRIMARY))
        .and_then(|(_, says)| says.xlog_location);
    let mut members: Vec<Member> = pods
        .iter()
        .zip(&says)
        .map(|(pod, says)| member(pod, says, primary))
        .collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    members
}

fn member(pod: &Pod, says: &PatroniStatus, primary: Option<u64>) -> Member {
    let role = role(pod);
    let replayed = says.replay_lsn.or(says.xlog_location);
    let lag_bytes = match (role.as_deref(), primary, replayed) {
        (Some(ROLE_PRIMARY), _, _) => None,
        // Reports are seconds apart, so a standby's may be the newer one.
        (_, Some(primary), Some(replayed)) => Some(primary.saturating_sub(replayed)),
        _ => None,
    };
    Member {
        name: pod.name_any(),
        ready: is_ready(pod),
        waiting: waiting(pod),
        lag_bytes,
        timeline: says.timeline,
        role,
        created: pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
    }
}

/// The name of the one Pod that has the primary's label and is Ready.
pub fn primary(members: &[Member]) -> Option<&Member> {
    members
        .iter()
        .find(|member| member.role.as_deref() == Some(ROLE_PRIMARY) && member.ready)
}

fn role(pod: &Pod) -> Option<String> {
    pod.labels().get(ROLE_LABEL).cloned()
}

fn patroni(pod: &Pod) -> PatroniStatus {
    let text = pod.annotations().get(PATRONI_STATUS);
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().filter_map(|s| s.conditions.as_ref()).flatten();
    pod.metadata.deletion_timestamp.is_none()
        && conditions
            .into_iter()
            .any(|c| c.type_ == "Ready" && c.status == "True")
}

fn waiting(pod: &Pod) -> Option<String> {
    if pod.metadata.deletion_timestamp.is_some() {
        return Some("Terminating".to_owned());
    }
    let status = pod.status.as_ref()?;
    let waits = |container: &ContainerStatus| container.state.as_ref()?.waiting.as_ref()?.reason.clone();
    let ended = |container: &ContainerStatus| container.state.as_ref()?.terminated.as_ref()?.reason.clone();
    // Those before the others first: while one of them does not start, all others wait for it. Most of them end.
    let mut before = status.init_container_statuses.iter().flatten();
    let mut containers = status.container_statuses.iter().flatten();
    let container = before
        .find_map(waits)
        .or_else(|| containers.find_map(|container| waits(container).or_else(|| ended(container))));
    container.or_else(|| match status.phase.as_deref() {
        Some("Running") | None => None,
        Some(phase) => Some(phase.to_owned()),
    })
}

/// Probes what a member serves, through a port-forward of the API server; an error is a sentence.
///
/// # Errors
/// Why there was no response.
pub async fn handshake(target: &Target, pod: &str, deadline: Duration) -> Result<Answer, String> {
    let port = u16::try_from(POSTGRES_PORT).map_err(|error| error.to_string())?;
    let look = async {
        let pods = target.api::<Pod>();
        let forward = pods.portforward(pod, &[port]).await;
        let mut forward = forward.map_err(|error| format!("no port-forward: {}", reason(&error)))?;
        let stream = forward.take_stream(port).ok_or("no port-forward: no stream")?;
        let answer = instance::probe(stream, pod, None, deadline).await;
        // An end in order: PostgreSQL logs a connection that breaks.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, forward.join()).await;
        answer.map_err(|error| told(&error))
    };
    tokio::time::timeout(deadline, look)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {}s", deadline.as_secs())))
}

/// An error with its causes.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, role: Option<&str>, status: &str) -> Pod {
        let labels = role.map_or(json!({}), |role| json!({ ROLE_LABEL: role }));
        let pod = json!({
            "metadata": { "name": name, "labels": labels, "annotations": { "status": status } },
            "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] },
        });
        serde_json::from_value(pod).expect("a Pod")
    }

    #[test]
    fn lag_is_what_a_standby_has_not_replayed() {
        let list = members(&[
            pod(
                "db-2",
                Some("standby"),
                r#"{"xlog_location": 90, "replay_lsn": 70, "timeline": 3}"#,
            ),
            pod(
                "db-0",
                Some("primary"),
                r#"{"xlog_location": 100, "timeline": 3}"#,
            ),
            pod("db-1", Some("standby"), r#"{"xlog_location": 120}"#),
            pod("db-3", None, "no JSON"),
        ]);
        let lag: Vec<_> = list.iter().map(|m| (m.name.as_str(), m.lag_bytes)).collect();
        assert_eq!(
            lag,
            [
                ("db-0", None),
                ("db-1", Some(0)),
                ("db-2", Some(30)),
                ("db-3", None)
            ]
        );
        assert_eq!(primary(&list).map(|m| m.name.as_str()), Some("db-0"));
    }

    #[test]
    fn without_a_primary_no_lag_is_known() {
        let list = members(&[pod("db-0", Some("standby"), r#"{"xlog_location": 120}"#)]);
        assert_eq!(list[0].lag_bytes, None);
        assert!(primary(&list).is_none());
    }

    #[test]
    fn a_pod_that_ends_or_waits_says_so() {
        let mut ending = pod("db-0", None, "{}");
        ending.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).ok();
        assert_eq!(waiting(&ending).as_deref(), Some("Terminating"));
        assert!(!is_ready(&ending));
        let waits = json!({ "status": { "phase": "Pending", "containerStatuses": [{
            "name": "postgres", "image": "", "imageID": "", "ready": false, "restartCount": 0,
            "state": { "waiting": { "reason": "ImagePullBackOff" } } }] } });
        let waits: Pod = serde_json::from_value(waits).expect("a Pod");
        assert_eq!(waiting(&waits).as_deref(), Some("ImagePullBackOff"));
    }

    #[test]
    fn a_pod_whose_agent_does_not_start_says_why() {
        let status = |name: &str, state| json!({ "name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state });
        let pod = json!({ "status": { "phase": "Pending",
            "initContainerStatuses": [
                status("done", json!({ "terminated": { "exitCode": 0, "reason": "Completed" } })),
                status("config-agent", json!({ "waiting": { "reason": "ErrImagePull" } }))],
            "containerStatuses": [status("postgres", json!({ "waiting": { "reason": "PodInitializing" } }))] } });
        let pod: Pod = serde_json::from_value(pod).expect("a Pod");
        assert_eq!(waiting(&pod).as_deref(), Some("ErrImagePull"));
    }
}
