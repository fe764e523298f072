//! What must be true of a database after an operation, looked at from outside (KubeDB's documented artefacts).

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use api_types::cert_manager::Certificate;
use api_types::ops_request::OpsRequestPhase;
use api_types::postgres::TlsMode;
use api_types::tls::{CertificateAlias, ClientAuthMode, SslMode};
use api_types::vocabulary::{PAUSED_BY, POSTGRES_CONTAINER};
use api_types::{AppBinding, Postgres, condition, names};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use crate::cluster::TestNamespace;
use crate::history::History;
use crate::members::Member;
use crate::poll::{self, Look};
use crate::story::Performed;
use crate::writer::Stretch;
use crate::{client, members, pki, requests, served, shell, wait};

/// Until a database is ready after a request that failed.
const READY_TIMEOUT: Duration = Duration::from_secs(180);

/// What TLS should be like.
#[derive(Clone, Debug)]
pub struct Tls {
    /// `spec.sslMode`.
    pub ssl_mode: SslMode,
    /// `spec.clientAuthMode`.
    pub client_auth_mode: ClientAuthMode,
    /// Words of the CA's distinguished name.
    pub issuer: &'static [&'static str],
    /// Subject alternative names that a user asked for.
    pub extra_names: &'static [&'static str],
}

/// The database serves TLS as it should, to everybody who may have it, and to nobody else.
pub async fn serves_tls(namespace: &TestNamespace, database: &str, tls: &Tls) -> Result<()> {
    let postgres = at_peace(namespace, database).await?;
    ensure!(postgres.spec.tls.is_some(), "spec.tls is not set");
    ensure!(
        postgres.spec.ssl_mode == Some(tls.ssl_mode),
        "sslMode is {:?}",
        postgres.spec.ssl_mode
    );
    ensure!(
        postgres.spec.client_auth_mode == Some(tls.client_auth_mode),
        "clientAuthMode is {:?}",
        postgres.spec.client_auth_mode
    );
    secrets(namespace, database).await?;
    every_member_presents_it(namespace, database, tls).await?;
    for member in members::list(namespace, database).await? {
        tls_settings(namespace, &member.name, tls.client_auth_mode)
            .await
            .context(member.name)?;
    }
    replication(namespace, database, true).await?;
    app_binding(namespace, database, Some(tls.ssl_mode)).await?;
    let expiry = earliest_expiry(namespace, database).await?;
    told_of_tls(namespace, database, true, Some(expiry)).await?;
    clients_of_tls(namespace, database, tls.client_auth_mode).await
}

/// The database serves without TLS, by password.
pub async fn serves_plaintext(namespace: &TestNamespace, database: &str) -> Result<()> {
    let postgres = at_peace(namespace, database).await?;
    ensure!(postgres.spec.tls.is_none(), "spec.tls is set");
    for member in members::list(namespace, database).await? {
        let served = members::served(namespace, &member.name).await?;
        ensure!(served.is_none(), "{} still serves {served:?}", member.name);
        let settings = settings(namespace, &member.name).await?;
        ensure!(
            settings == "ssl=off\nssl_cert_file=server.crt\nssl_key_file=server.key",
            "{settings}"
        );
    }
    replication(namespace, database, false).await?;
    app_binding(namespace, database, None).await?;
    told_of_tls(namespace, database, false, None).await?;
    let options = [client::PLAINTEXT, client::VERIFY_FULL_PASSWORD];
    let attempts = client::connect(namespace, database, &options, "select 1").await?;
    attempts[0].connected().context("by password, without TLS")?;
    attempts[1].refused().context("TLS was asked for")?;
    Ok(())
}

/// The status says whether clients can use TLS, and when the first certificate ends.
async fn told_of_tls(
    namespace: &TestNamespace,
    database: &str,
    enabled: bool,
    expiry: Option<Time>,
) -> Result<()> {
    let told = |postgres: &Postgres| {
        let tls = postgres.status.as_ref().and_then(|status| status.tls.as_ref());
        tls.is_some_and(|tls| (tls.mode != TlsMode::Disabled) == enabled && tls.earliest_expiry == expiry)
    };
    let what = format!("status.tls says {enabled} and {expiry:?}");
    wait::until(&namespace.api(), database, &what, Duration::from_secs(30), told).await?;
    Ok(())
}

/// When the first of the database's certificates ends.
async fn earliest_expiry(namespace: &TestNamespace, database: &str) -> Result<Time> {
    let api = namespace.api::<Certificate>();
    let mut ends = Vec::new();
    for alias in CertificateAlias::ALL {
        let certificate = api.get(&names::certificate(database, alias)).await?;
        ends.extend(certificate.status.and_then(|status| status.not_after));
    }
    ends.into_iter().min().context("no Certificate says when it ends")
}

/// The request failed and took back what it had done: the database is ready with the members `before`, of which one was recreated.
pub async fn one_taken_back(
    namespace: &TestNamespace,
    database: &str,
    request: &str,
    before: &[Member],
    deadline: Duration,
) -> Result<()> {
    let ended = wait::request_ended(&namespace.api(), request, deadline).await?;
    ensure!(
        ended.phase() == Some(OpsRequestPhase::Failed),
        "{:?}",
        ended.status
    );
    let restored = condition::find(ended.conditions(), "RestoreDatabase");
    ensure!(restored.is_some_and(|it| it.is_true()), "{:?}", ended.status);
    wait::database_ready(&namespace.api::<Postgres>(), database, READY_TIMEOUT).await?;
    let after = members::list(namespace, database).await?;
    let touched = before.iter().zip(&after).filter(|(old, new)| old.uid != new.uid);
    ensure!(touched.count() == 1, "{before:?} {after:?}");
    Ok(())
}

/// Nobody holds a pause, and exactly one member has the primary's label.
pub async fn at_peace(namespace: &TestNamespace, database: &str) -> Result<Postgres> {
    let postgres: Postgres = namespace.api().get(database).await?;
    let conditions = postgres
        .status
        .as_ref()
        .map(|s| s.conditions.as_slice())
        .unwrap_or_default();
    ensure!(
        condition::find(conditions, "Paused").is_none(),
        "the condition Paused is still there"
    );
    ensure!(
        !postgres.annotations().contains_key(PAUSED_BY),
        "the pause is still held"
    );
    members::primary(namespace, database).await?;
    Ok(postgres)
}

/// The operation restarted every Pod once, and told it as KubeDB does.
pub async fn restarted_once(namespace: &TestNamespace, performed: &Performed, steps: &[&str]) -> Result<()> {
    performed.history.check_rolling_restart()?;
    told(namespace, performed, steps).await
}

/// The request's conditions have these types, in this order (others may be between), and its Events frame it.
pub async fn told(namespace: &TestNamespace, performed: &Performed, steps: &[&str]) -> Result<()> {
    let types = requests::conditions(&performed.request);
    let mut rest = types.iter();
    for step in steps {
        ensure!(
            rest.any(|t| t == step),
            "condition {step} is missing or out of order: {types:?}"
        );
    }
    let conditions = performed.request.status.iter().flat_map(|s| &s.conditions);
    let open: Vec<_> = conditions
        .filter(|c| steps.contains(&c.type_.as_str()) && !c.is_true())
        .collect();
    ensure!(open.is_empty(), "not True: {open:?}");
    let request = performed.request.clone();
    poll::until(
        "the Events of the operation",
        Duration::from_secs(10),
        Duration::from_millis(500),
        || async {
            let events = requests::events(namespace, &request).await?;
            let reasons: BTreeSet<&str> = events.iter().map(|(reason, _)| reason.as_str()).collect();
            let wanted = ["PauseDatabase", "ResumeDatabase", "Successful"];
            let missing: Vec<&str> = wanted.into_iter().filter(|w| !reasons.contains(w)).collect();
            Ok(if missing.is_empty() {
                Look::Found(())
            } else {
                Look::NotYet(format!("no {missing:?} among {reasons:?}"))
            })
        },
    )
    .await
}

/// Every member's serial number changed (or none, when nothing was to be issued).
pub fn serials_changed(performed: &Performed, changed: bool) -> Result<()> {
    for (member, after) in &performed.after {
        let before = performed
            .before
            .get(member)
            .and_then(Option::as_ref)
            .map(|s| &s.serial);
        let after = after.as_ref().map(|s| &s.serial);
        ensure!(
            (before != after) == changed,
            "{member}: serial {before:?} before, {after:?} after"
        );
    }
    Ok(())
}

/// The request's status has the proof of every member: what we saw it serve ourselves, as the Secret has it.
pub fn proven(performed: &Performed) -> Result<()> {
    let status = performed.request.status.as_ref().context("a status")?;
    for (pod, served) in &performed.after {
        let proof = status.members.iter().find(|member| member.name == *pod);
        let proof = proof.with_context(|| format!("no proof of {pod}: {:?}", status.members))?;
        let said = proof.served.as_ref().map(|served| served.fingerprint.as_str());
        ensure!(
            said == served.as_ref().map(|served| served.fingerprint.as_str())
                && proof.matches_secret == Some(true),
            "{pod} serves {served:?}, the request says {proof:?}"
        );
    }
    Ok(())
}

/// An operation may interrupt writes once, for a switchover; it may not be long.
pub fn writer_served(stretch: &Stretch, longest_gap: Duration) -> Result<()> {
    ensure!(
        stretch.acknowledged > 0,
        "no row was acknowledged: {:?}",
        stretch.errors
    );
    ensure!(
        stretch.longest_gap <= longest_gap,
        "writes stood still for {:?}, longer than {longest_gap:?}: {:?}",
        stretch.longest_gap,
        stretch.errors
    );
    Ok(())
}

/// Nothing was done to the database.
pub async fn untouched(
    namespace: &TestNamespace,
    database: &str,
    before: &Postgres,
    history: &History,
) -> Result<()> {
    history.check_untouched()?;
    let after = at_peace(namespace, database).await?;
    ensure!(before.spec == after.spec, "the spec was changed");
    ensure!(
        before.metadata.generation == after.metadata.generation,
        "the spec was written"
    );
    Ok(())
}

async fn secrets(namespace: &TestNamespace, database: &str) -> Result<()> {
    for alias in CertificateAlias::ALL {
        let name = names::certificate(database, alias);
        let certificate: Certificate = namespace.api().get(&name).await?;
        let conditions = certificate.status.map(|s| s.conditions).unwrap_or_default();
        let is = |type_: &str| conditions.iter().any(|c| c.type_ == type_ && c.status == "True");
        ensure!(
            is("Ready") && !is("Issuing"),
            "Certificate {name}: {conditions:?}"
        );
        let secret: Secret = namespace.api().get(&name).await?;
        ensure!(
            secret.type_.as_deref() == Some("kubernetes.io/tls"),
            "Secret {name} is {:?}",
            secret.type_
        );
        let keys: Vec<String> = secret.data.unwrap_or_default().into_keys().collect();
        ensure!(
            keys == ["ca.crt", "tls.crt", "tls.key"],
            "Secret {name} has {keys:?}"
        );
    }
    Ok(())
}

/// Every member serves the server certificate that was issued, by this issuer and for the names that it should have.
pub async fn every_member_presents_it(namespace: &TestNamespace, database: &str, tls: &Tls) -> Result<()> {
    let secret = pki::certificate(namespace, database, CertificateAlias::Server).await?;
    let ca = served::Served::parse_pem(&secret.ca)?;
    for words in tls.issuer {
        ensure!(
            ca.subject.contains(words),
            "the CA is {}, without {words}",
            ca.subject
        );
        ensure!(
            secret.leaf.issuer.contains(words),
            "the issuer is {}, without {words}",
            secret.leaf.issuer
        );
    }
    for member in members::list(namespace, database).await? {
        let hosts = [
            format!("{database}.{}.svc", namespace.name),
            database.to_owned(),
            format!("{}.{database}-pods.{}.svc", member.name, namespace.name),
            "localhost".to_owned(),
        ];
        for host in &hosts {
            let served = members::served_verified(namespace, &member.name, &secret.ca, host).await?;
            ensure!(
                served.fingerprint == secret.leaf.fingerprint,
                "{} serves {served}, the Secret has {}",
                member.name,
                secret.leaf
            );
        }
    }
    for name in tls.extra_names {
        ensure!(
            secret.leaf.names.iter().any(|n| n == name),
            "{name} is not in {:?}",
            secret.leaf.names
        );
    }
    Ok(())
}

async fn settings(namespace: &TestNamespace, pod: &str) -> Result<String> {
    let query = "select name || '=' || setting from pg_settings \
                 where name in ('ssl', 'ssl_cert_file', 'ssl_key_file') order by name";
    members::sql(namespace, pod, query).await
}

async fn tls_settings(namespace: &TestNamespace, pod: &str, mode: ClientAuthMode) -> Result<()> {
    let settings = settings(namespace, pod).await?;
    let wanted =
        "ssl=on\nssl_cert_file=/tls/certs/server/server.crt\nssl_key_file=/tls/certs/server/server.key";
    ensure!(settings == wanted, "settings: {settings}");
    let method = match mode {
        ClientAuthMode::Md5 => "md5",
        ClientAuthMode::Scram => "scram-sha-256",
        ClientAuthMode::Cert => "cert",
    };
    // The rules are read from the file as it is now; what counts is that no TCP rule lets plaintext in.
    let query = "select distinct type || ' ' || auth_method from pg_hba_file_rules \
                 where type <> 'local' and user_name = '{all}' and error is null order by 1";
    let rules = members::sql(namespace, pod, query).await?;
    ensure!(
        rules == format!("hostssl {method}"),
        "pg_hba.conf lets in: {rules}"
    );
    let query = "select distinct type || ' ' || auth_method from pg_hba_file_rules \
                 where 'sealwright_operator' = any (user_name) and error is null order by 1";
    let rules = members::sql(namespace, pod, query).await?;
    ensure!(
        rules == "host reject\nhostssl scram-sha-256",
        "pg_hba.conf lets the operators in: {rules}"
    );
    let listing = ["sh", "-c", "cd /tls/certs && ls -d */*"];
    let files = shell::output_of(&namespace.pods(), pod, POSTGRES_CONTAINER, &listing).await?;
    let wanted = "client/ca.crt client/client.crt client/client.key exporter/ca.crt exporter/tls.crt \
                  exporter/tls.key members/ca.crt members/member.pem server/ca.crt server/server.crt server/server.key";
    let found: Vec<&str> = files.split_whitespace().collect();
    ensure!(
        found == wanted.split_whitespace().collect::<Vec<_>>(),
        "/tls/certs has {found:?}"
    );
    Ok(())
}

async fn replication(namespace: &TestNamespace, database: &str, tls: bool) -> Result<()> {
    let standbys = members::list(namespace, database).await?.len() - 1;
    let query = "select state || ' ' || ssl from pg_stat_replication join pg_stat_ssl using (pid)";
    let wanted = vec![if tls { "streaming true" } else { "streaming false" }; standbys];
    poll::until(
        "replication",
        Duration::from_secs(20),
        Duration::from_millis(500),
        || async {
            let found = members::sql_on_primary(namespace, database, query).await?;
            let lines: Vec<&str> = found.lines().collect();
            Ok(if lines == wanted {
                Look::Found(())
            } else {
                Look::NotYet(format!("{lines:?}"))
            })
        },
    )
    .await
}

async fn app_binding(namespace: &TestNamespace, database: &str, mode: Option<SslMode>) -> Result<()> {
    let binding: AppBinding = namespace.api().get(database).await?;
    let config = &binding.spec.client_config;
    let query = config
        .service
        .as_ref()
        .and_then(|s| s.query.as_deref())
        .unwrap_or("");
    let wanted = format!("sslmode={}", mode.unwrap_or(SslMode::Disable).as_str());
    ensure!(query == wanted, "AppBinding: query {query}, not {wanted}");
    let tls_secret = binding.spec.tls_secret.as_ref().map(|r| r.name.as_str());
    if mode.is_none() {
        ensure!(
            config.ca_bundle.is_none() && tls_secret.is_none(),
            "AppBinding still has caBundle or tlsSecret"
        );
        return Ok(());
    }
    let client = names::certificate(database, CertificateAlias::Client);
    ensure!(
        tls_secret == Some(client.as_str()),
        "AppBinding: tlsSecret {tls_secret:?}"
    );
    let bundle = config.ca_bundle.as_deref().context("AppBinding: no caBundle")?;
    let bundle = served::certificates(&BASE64_STANDARD.decode(bundle)?)?;
    let ca = pki::certificate(namespace, database, CertificateAlias::Server)
        .await?
        .ca;
    let present = served::certificates(&ca)?.iter().all(|c| bundle.contains(c));
    ensure!(
        present,
        "AppBinding: the caBundle lacks the CA of the server certificate"
    );
    Ok(())
}

async fn clients_of_tls(namespace: &TestNamespace, database: &str, mode: ClientAuthMode) -> Result<()> {
    let statement =
        "select ssl, version, coalesce(client_dn, '') from pg_stat_ssl where pid = pg_backend_pid()";
    let options = [
        client::VERIFY_FULL,
        client::VERIFY_FULL_PASSWORD,
        client::PLAINTEXT,
    ];
    let attempts = client::connect(namespace, database, &options, statement).await?;
    let rows = attempts[0]
        .connected()
        .context("psql with verify-full and the client certificate")?;
    ensure!(rows.starts_with("t|TLSv1.3|"), "the connection is {rows}");
    match mode {
        ClientAuthMode::Cert => {
            ensure!(rows.contains("CN=postgres"), "the client is {rows}");
            attempts[1].refused().context("without a client certificate")?;
        }
        ClientAuthMode::Md5 | ClientAuthMode::Scram => {
            attempts[1].connected().context("by password over TLS")?;
        }
    }
    attempts[2].refused().context("plaintext")?;
    Ok(())
}
