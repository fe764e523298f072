//! SQL to a member: what it reports, and the commands that it gets. The connection follows the members' configuration and
//! verifies with the deployed certificates.

use std::time::Duration;

use api_types::tls::CertificateAlias;
use api_types::vocabulary::{PATRONI_YML, POSTGRES_PORT, TRUST_CRT};
use blueprint::{MARK, TlsPhase, leaf_fingerprint, recorded_phase, tls_names};
use instance::{APPLICATION_NAME_PREFIX, ClientIdentity, Login, Role, Session, SqlError, TlsMode};
use runtime::error_chain;
use sha2::{Digest, Sha256};

use crate::auth;
use crate::member::Credentials;
use crate::observe::Seen;
use crate::world::{Files, ServerState};

/// PostgreSQL does not report a changed file, so we poll it.
const FILES_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Logs in to a member.
///
/// # Errors
/// In a few words, why not.
pub async fn session(seen: &Seen, address: &str, within: Duration) -> Result<Session, String> {
    let missing = "the Secret with the operators' password was not read";
    let credentials = seen.credentials.as_ref().ok_or(missing)?;
    let session = session_as(seen, credentials, address, within).await;
    session.map_err(|error| error_chain(&error))
}

/// Logs in to a member as a role.
///
/// # Errors
/// [`SqlError`], of the way that was tried last.
pub async fn session_as(
    seen: &Seen,
    credentials: &Credentials,
    address: &str,
    within: Duration,
) -> Result<Session, SqlError> {
    let port = u16::try_from(POSTGRES_PORT).unwrap_or_default();
    let mut last = SqlError::NotNow("its configuration was not read".into());
    for tls in ways(seen) {
        match Session::connect(address, port, &login(seen, credentials, tls)?, within).await {
            Ok(session) => return Ok(session),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Ends sessions of applications, with TLS or without; returns how many.
///
/// # Errors
/// In a few words, why not.
pub async fn end_sessions(
    seen: &Seen,
    address: &str,
    encrypted: bool,
    within: Duration,
) -> Result<i64, String> {
    let session = session(seen, address, within).await?;
    session
        .end_application_sessions(encrypted)
        .await
        .map_err(|error| error_chain(&error))
}

/// The likelier way first: between two phases some members may not have been reloaded. The deployed certificates are
/// known, so they may be out of date: a request that replaces them must get in.
fn ways(seen: &Seen) -> Vec<TlsMode> {
    let Some(config) = seen.world.config.present() else {
        return Vec::new();
    };
    let verified = TlsMode::VerifyCa {
        ca: config.trust.to_pem().into_bytes(),
        known: [
            Some(&config.material),
            seen.world.tls.as_ref().and_then(|tls| tls.last_good.present()),
        ]
        .into_iter()
        .flatten()
        .filter_map(|material| material.get(CertificateAlias::Server)?.fingerprint())
        .collect(),
    };
    match recorded_phase(&config.meta).unwrap_or_default() {
        TlsPhase::Off if config.trust.is_empty() => vec![TlsMode::Disable],
        TlsPhase::Off => vec![TlsMode::Disable, verified],
        TlsPhase::Accept => vec![verified, TlsMode::Disable],
        TlsPhase::Enforce => vec![verified, TlsMode::Disable],
    }
}

fn login(seen: &Seen, credentials: &Credentials, tls: TlsMode) -> Result<Login, SqlError> {
    let config = seen.world.config.present();
    let client = config.and_then(|config| config.material.get(CertificateAlias::Client));
    let identity = match client {
        Some(pair) if tls != TlsMode::Disable => Some(ClientIdentity::from_pem(
            pair.certificate.as_bytes(),
            pair.key.as_bytes(),
        )?),
        _ => None,
    };
    Ok(Login {
        user: credentials.user.clone(),
        password: Some(credentials.password.clone()),
        database: "postgres".to_owned(),
        application_name: format!("{APPLICATION_NAME_PREFIX}ops-manager"),
        tls,
        identity,
        major: None,
    })
}

/// Observes a member over SQL; the session stays open.
///
/// # Errors
/// In a few words, why nothing is known.
pub async fn look(seen: &Seen, address: &str, within: Duration) -> Result<(ServerState, Session), String> {
    let session = session(seen, address, within).await?;
    let (role, version, files, configuration, sessions, replicas, slots, parameters, cgroup) = tokio::join!(
        session.role(),
        session.server_version(),
        files(&session),
        session.configuration(),
        session.application_sessions(),
        session.replicas(),
        session.slots(),
        parameters(seen, &session),
        cgroup(seen, &session),
    );
    let said = |error: instance::SqlError| error_chain(&error);
    let mut server = ServerState {
        version: version.map_err(said)?,
        files: files?,
        configuration: configuration.map_err(said)?,
        sessions: sessions.map_err(said)?,
        replicas: replicas.map_err(said)?,
        slots: slots.map_err(said)?,
        takes_writes: role.map_err(said)? == Role::Primary,
        parameters: parameters.map_err(said)?,
        cgroup: cgroup.map_err(said)?,
        auth: None,
    };
    server.auth = auth::observe::of_member(seen, &session, &server, address, within)
        .await
        .map_err(said)?;
    Ok((server, session))
}

async fn parameters(
    seen: &Seen,
    session: &Session,
) -> Result<Option<instance::LoadedParameters>, instance::SqlError> {
    if !seen.reads.parameters {
        return Ok(None);
    }
    session.parameters(MARK).await.map(Some)
}

async fn cgroup(seen: &Seen, session: &Session) -> Result<Option<instance::Cgroup>, instance::SqlError> {
    if seen.reads.cgroups {
        session.cgroup().await
    } else {
        Ok(None)
    }
}

/// Makes the server read its files again, as soon as they are these.
///
/// # Errors
/// In a few words, why not.
pub async fn reload(session: &Session, wanted: Option<&Files>, within: Duration) -> Result<(), String> {
    if let Some(wanted) = wanted {
        let arrived = tokio::time::timeout(within, arrival(session, wanted)).await;
        arrived.unwrap_or_else(|_| Err(format!("its files did not come within {within:?}")))?;
    }
    session.reload().await.map_err(|error| error_chain(&error))
}

async fn arrival(session: &Session, wanted: &Files) -> Result<(), String> {
    let mut again = tokio::time::interval(FILES_POLL_INTERVAL);
    loop {
        again.tick().await;
        if files(session).await? == *wanted {
            return Ok(());
        }
    }
}

async fn files(session: &Session) -> Result<Files, String> {
    let paths = [
        tls_names::PATRONI_YML,
        tls_names::TRUST,
        tls_names::SERVER_CERT,
        tls_names::CLIENT_CERT,
        tls_names::EXPORTER_CERT,
    ];
    let aliases = [
        CertificateAlias::Server,
        CertificateAlias::Client,
        CertificateAlias::MetricsExporter,
    ];
    let read = session.files(&paths).await.map_err(|error| error_chain(&error))?;
    let mut read = read.into_iter();
    // Of the configuration, the member reports only the hash.
    let configuration = read.next().flatten().map(hex::encode);
    let trust = read.next().flatten().map(|pem| hex::encode(Sha256::digest(pem)));
    let leaf = |pem: Option<Vec<u8>>| leaf_fingerprint(&String::from_utf8_lossy(&pem?));
    let leaves = aliases.into_iter().zip(read);
    Ok(Files {
        configuration,
        trust,
        leaves: leaves
            .filter_map(|(alias, pem)| Some((alias, leaf(pem)?)))
            .collect(),
    })
}

/// The files that the members have in this state, as [`look`] reports them.
pub fn files_of(state: &crate::moves::children::RenderedState) -> Files {
    let data = state.children.config_secret.data.as_ref();
    let hash = |key: &str| Some(hex::encode(Sha256::digest(&data?.get(key)?.0)));
    let material = &state.resolved.tls.material;
    Files {
        configuration: hash(PATRONI_YML),
        trust: hash(TRUST_CRT),
        leaves: material
            .iter()
            .filter_map(|(alias, pair)| Some((alias, pair.fingerprint()?)))
            .collect(),
    }
}
