//! An application's view: `psql` in a Pod, through the primary Service.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::names;
use api_types::tls::CertificateAlias;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{DeleteParams, LogParams, PostParams};
use serde_json::json;

use crate::cluster::TestNamespace;
use crate::{pods, wait};

const CLIENT_DEADLINE: Duration = Duration::from_secs(60);
/// Options of a `verify-full` connection with the files of the mounted client Secret.
pub const VERIFY_FULL: &str =
    "sslmode=verify-full sslrootcert=/tls/ca.crt sslcert=/tls/tls.crt sslkey=/tls/tls.key";
/// As [`VERIFY_FULL`], but with a password instead of a certificate.
pub const VERIFY_FULL_PASSWORD: &str =
    "sslmode=verify-full sslrootcert=/tls/ca.crt sslcert=/none sslkey=/none";
/// No TLS at all.
pub const PLAINTEXT: &str = "sslmode=disable";

/// What one connection came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// `psql` printed this.
    Connected(String),
    /// `psql` said this.
    Refused(String),
}

impl Attempt {
    /// The printed rows; an error with psql's words when the connection was refused.
    pub fn connected(&self) -> Result<&str> {
        match self {
            Self::Connected(rows) => Ok(rows),
            Self::Refused(words) => anyhow::bail!("no connection: {words}"),
        }
    }

    /// psql's words; an error when there was a connection.
    pub fn refused(&self) -> Result<&str> {
        match self {
            Self::Refused(words) => Ok(words),
            Self::Connected(rows) => anyhow::bail!("connected, and should not: {rows}"),
        }
    }
}

/// Connects once with each of these options to `<db>.<ns>.svc` and runs the statement, from a Pod that is born now
/// and so has the client Secret as it is now. Passwords come from the auth Secret.
pub async fn connect(
    namespace: &TestNamespace,
    database: &str,
    options: &[&str],
    statement: &str,
) -> Result<Vec<Attempt>> {
    let host = format!("{database}.{}.svc", namespace.name);
    let script: String = options
        .iter()
        .map(|o| {
            format!(
                "if o=$(psql -XAtq -d 'host={host} dbname=postgres connect_timeout=5 {o}' -c \"$1\" 2>&1); \
                 then echo \"@connected\"; else echo \"@refused\"; fi; printf '%s\\n' \"$o\"\n"
            )
        })
        .collect();
    let target = pods::target(namespace, database).await?;
    let name = format!("client-{:08x}", rand::random::<u32>());
    let secret = json!({ "name": "tls", "secret": {
        "secretName": names::certificate(database, CertificateAlias::Client),
        "optional": true, "defaultMode": 0o640,
    }});
    let pod = pods::restricted(
        &name,
        &target,
        &["sh", "-c", &script, "sh", statement],
        vec![secret],
    )?;
    let api = namespace.pods();
    api.create(&PostParams::default(), &pod).await?;
    let ended = wait::until(&api, &name, "the end of psql", CLIENT_DEADLINE, |p: &Pod| {
        matches!(pod_phase(p), "Succeeded" | "Failed")
    })
    .await?;
    let logs = api.logs(&name, &LogParams::default()).await?;
    ensure!(
        pod_phase(&ended) == "Succeeded",
        "client Pod {}: {logs}",
        ended.name_any()
    );
    api.delete(&name, &DeleteParams::default()).await?;
    let attempts = parse(&logs);
    ensure!(
        attempts.len() == options.len(),
        "psql printed something unexpected: {logs}"
    );
    Ok(attempts)
}

/// Connects once.
pub async fn connect_once(
    namespace: &TestNamespace,
    database: &str,
    options: &str,
    statement: &str,
) -> Result<Attempt> {
    let attempts = connect(namespace, database, &[options], statement).await?;
    attempts.into_iter().next().context("no attempt")
}

fn pod_phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or("")
}

fn parse(logs: &str) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    for line in logs.lines() {
        match line {
            "@connected" => attempts.push(Attempt::Connected(String::new())),
            "@refused" => attempts.push(Attempt::Refused(String::new())),
            text => match attempts.last_mut() {
                Some(Attempt::Connected(all) | Attempt::Refused(all)) => {
                    if !all.is_empty() {
                        all.push('\n');
                    }
                    all.push_str(text);
                }
                None => {}
            },
        }
    }
    attempts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_are_told_apart() {
        let attempts = parse("@connected\n1\n2\n@refused\npsql: error: no\n");
        assert_eq!(
            attempts,
            [
                Attempt::Connected("1\n2".to_owned()),
                Attempt::Refused("psql: error: no".to_owned())
            ]
        );
    }
}
