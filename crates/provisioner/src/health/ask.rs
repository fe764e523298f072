//! One session with one member: log in, observe, commit, report.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use api_types::vocabulary::{PATRONI_PORT, POSTGRES_PORT};
use blueprint::pg::parameters::MARK;
use blueprint::{CaBundle, TlsPhase};
use instance::{
    APPLICATION_NAME_PREFIX, ClientIdentity, Password, Patroni, PatroniTls, Role, Session, TlsMode,
};
use runtime::error_chain;
use tokio::time::sleep;

use crate::health::judge::Answer;
use crate::health::seen::Seen;
use crate::health::slots::Upkeep;
use crate::health::{Failure, Login, Renewal, Served, Targets};

/// The address of a session.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// Address.
    pub address: IpAddr,
    /// Name that the server certificate must have.
    pub host: &'a str,
    /// TCP port.
    pub port: u16,
}

/// Talks to one member; what takes long to find out is taken down.
///
/// # Errors
/// Why it could not be talked to, or why that is not known.
pub async fn member(
    targets: &Targets,
    place: Place<'_>,
    is_size_due: bool,
    seen: &mut Seen,
) -> Result<Answer, Failure> {
    let (session, served) = tokio::join!(get_in(targets, &targets.login, place), served(targets, place));
    let session = match session {
        Ok(session) => session,
        Err(failure) => {
            seen.showed(take_up_unasked(targets, place, served).await);
            return Err(failure);
        }
    };
    let trusted = trusted(targets, place, &session).await;
    let mut has = Loaded { served, trusted };
    if let Some(renewal) = &targets.renewal {
        has = take_up(targets, place, &session, renewal, has)
            .await
            .map_err(Failure::broken)?;
    }
    let Loaded { served, trusted } = has;
    seen.showed(served.clone());
    let answer = look(&session, targets)
        .await
        .map_err(|error| Failure::of(&error))?;
    let mut details = Details {
        host: place.host,
        lacks_roles: answer.lacks_roles,
    };
    let sessions = details.known(session.application_sessions().await);
    let configuration = details.known(session.parameter(MARK).await);
    let wal = details.known(session.wal().await);
    if is_size_due {
        let since = Instant::now();
        let bytes = details.known(session.data_bytes().await);
        seen.counted(bytes, since, since.elapsed());
    }
    Ok(Answer {
        served,
        trusted,
        sessions,
        configuration,
        wal,
        lacks_roles: details.lacks_roles,
        ..answer
    })
}

/// Questions that are only told, never judged: a member that can't answer them is not ill. But a function of ours may be missing.
struct Details<'a> {
    host: &'a str,
    lacks_roles: bool,
}

impl Details<'_> {
    /// The answer, unless it is not known; then the log says why.
    fn known<T>(&mut self, answer: Result<T, instance::SqlError>) -> Option<T> {
        let answer = answer.inspect_err(|error| {
            self.lacks_roles |= error.is_about_our_roles();
            tracing::info!(
                host = self.host,
                why = error_chain(error),
                "a member does not tell everything"
            );
        });
        answer.ok()
    }
}

/// Whether the primary Service leads to a member that takes writes.
///
/// # Errors
/// Why not, or why that is not known.
pub async fn service(targets: &Targets, place: Place<'_>) -> Result<(), Failure> {
    const WHAT: &str = "The primary Service";
    let session = get_in(targets, &targets.login, place)
        .await
        .map_err(|why| why.about(WHAT))?;
    match session.role().await {
        Ok(Role::Primary) => Ok(()),
        Ok(Role::Standby) => Err(Failure::broken(
            "The primary Service leads to a member that replicates.",
        )),
        Err(error) => Err(Failure::of(&error).about(WHAT)),
    }
}

/// Whether these credentials open a member.
pub async fn opens(targets: &Targets, login: &Login, place: Place<'_>) -> bool {
    let opened = get_in(targets, login, place).await;
    opened
        .inspect_err(|failure| {
            tracing::info!(
                host = place.host,
                why = failure.why,
                "the auth Secret does not open a member"
            )
        })
        .is_ok()
}

/// Gets in by the ways that members may offer in this phase, the likelier first: between plaintext and TLS some members
/// may not have been reloaded yet.
async fn get_in(targets: &Targets, login: &Login, place: Place<'_>) -> Result<Session, Failure> {
    let tls = || TlsMode::VerifyFull {
        ca: login.trust.clone().into_bytes(),
        server_name: place.host.to_owned(),
    };
    let ways = match login.phase {
        TlsPhase::Off if login.trust.is_empty() => vec![TlsMode::Disable],
        TlsPhase::Off => vec![TlsMode::Disable, tls()],
        TlsPhase::Accept => vec![tls(), TlsMode::Disable],
        TlsPhase::Enforce => vec![tls()],
    };
    let mut first = None;
    for way in ways {
        let credentials = credentials(targets, login, way).map_err(Failure::broken)?;
        let address = place.address.to_string();
        match Session::connect(&address, place.port, &credentials, targets.timeout).await {
            Ok(session) => return Ok(session),
            Err(error) => first = first.or(Some(Failure::of(&error))),
        }
    }
    Err(first.unwrap_or_else(|| Failure::broken("there is no way to log in")))
}

fn credentials(targets: &Targets, login: &Login, tls: TlsMode) -> Result<instance::Login, String> {
    let identity = match (&login.client, &tls) {
        (None, _) | (_, TlsMode::Disable) => None,
        (Some((certificate, key)), _) => {
            let identity = ClientIdentity::from_pem(certificate.as_bytes(), key.as_bytes());
            Some(identity.map_err(|error| format!("client certificate: {}", error_chain(&error)))?)
        }
    };
    Ok(instance::Login {
        user: login.username.clone(),
        password: Some(Password::new(login.password.clone())),
        database: "postgres".to_owned(),
        application_name: format!("{APPLICATION_NAME_PREFIX}health"),
        tls,
        identity,
        major: targets.major,
    })
}

/// The certificate that the member's TLS handshake serves: the only proof of what it serves.
async fn served(targets: &Targets, place: Place<'_>) -> Option<Served> {
    if targets.login.phase == TlsPhase::Off {
        return None;
    }
    let answer = instance::probe_tcp(&place.address.to_string(), place.port, None, targets.timeout)
        .await
        .ok()?;
    let leaf = &answer.served()?.leaf;
    Some(Served {
        fingerprint: leaf.fingerprint.clone(),
        not_after: leaf.not_after,
    })
}

/// The CAs that the member has loaded: an empty bundle when it has not loaded its file since that changed, none where
/// it speaks plaintext or did not report them.
async fn trusted(targets: &Targets, place: Place<'_>, session: &Session) -> Option<CaBundle> {
    if targets.login.phase == TlsPhase::Off {
        return None;
    }
    let loaded = session
        .loaded_authorities()
        .await
        .map_err(|error| error_chain(&error));
    let bundle = loaded.and_then(|pem| {
        let pem = pem.unwrap_or_default();
        CaBundle::from_pem(&String::from_utf8_lossy(&pem)).map_err(|error| error.to_string())
    });
    bundle
        .inspect_err(|why| {
            tracing::warn!(
                host = place.host,
                why,
                "the CAs that a member trusts are not known"
            )
        })
        .ok()
}

async fn look(session: &Session, targets: &Targets) -> Result<Answer, instance::SqlError> {
    if session.role().await? == Role::Standby {
        session.check_read().await?;
        return Ok(Answer {
            in_recovery: true,
            ..Answer::default()
        });
    }
    let streaming = session
        .replicas()
        .await?
        .into_iter()
        .filter(|replica| replica.state == "streaming");
    let lacks_roles = lacks_roles(session, targets.roles.as_deref()).await;
    let written = if targets.write_check {
        session.check_write().await
    } else {
        session.check_read().await
    };
    Ok(Answer {
        in_recovery: false,
        streaming: streaming.map(|replica| replica.application_name).collect(),
        write_problem: written.err().map(|error| Failure::of(&error)),
        lacks_roles,
        ..Answer::default()
    })
}

/// Whether a role of ours, or a function, is known to be missing or changed. Standbys have what the primary has.
async fn lacks_roles(session: &Session, wanted: Option<&str>) -> bool {
    match (session.roles().await, wanted) {
        (Ok(roles), Some(wanted)) => roles != wanted,
        (Ok(_), None) => false,
        (Err(error), _) => error.is_about_our_roles(),
    }
}

/// What a member has loaded.
struct Loaded {
    served: Option<Served>,
    trusted: Option<CaBundle>,
}

/// How long to wait after each reload before the next probe of what the member serves: PostgreSQL does not report that it
/// has reloaded, and the agent may bring the files during the probe. What takes longer waits for the next check.
const RELOAD_CHECK_DELAYS: [Duration; 3] = [
    Duration::from_millis(25),
    Duration::from_millis(100),
    Duration::from_millis(400),
];

/// Reloads a member until it serves its renewed certificate. A reload before the files are there changes nothing.
async fn take_up(
    targets: &Targets,
    place: Place<'_>,
    session: &Session,
    renewal: &Renewal,
    mut has: Loaded,
) -> Result<Loaded, String> {
    let is_missed = |has: &Loaded| renewal.is_missed_by(has.served.as_ref(), has.trusted.as_ref());
    if !is_missed(&has) {
        return Ok(has);
    }
    tracing::info!(
        host = place.host,
        leaf = renewal.fingerprint,
        "asking a member to take up its renewed certificate"
    );
    if renewal.changes_trust() {
        ask_patroni(targets, place).await?;
    }
    for given in RELOAD_CHECK_DELAYS {
        // Patroni needs neither a session nor a function of ours.
        if session.reload().await.is_err() {
            ask_patroni(targets, place).await?;
        }
        sleep(given).await;
        let (served, trusted) = tokio::join!(served(targets, place), trusted(targets, place, session));
        has = Loaded { served, trusted };
        if !is_missed(&has) {
            break;
        }
    }
    Ok(has)
}

/// The same for a member that admits no session now: all its connections may be taken. A reload needs none. Returns
/// what it serves then.
async fn take_up_unasked(targets: &Targets, place: Place<'_>, before: Option<Served>) -> Option<Served> {
    let is_missed = |renewal: &Renewal| renewal.is_missed_by(before.as_ref(), None);
    if !targets.renewal.as_ref().is_some_and(is_missed) {
        return before;
    }
    match ask_patroni(targets, place).await {
        Ok(()) => served(targets, place).await.or(before),
        Err(why) => {
            tracing::warn!(
                host = place.host,
                why,
                "a member can't be asked to take up its certificate"
            );
            before
        }
    }
}

/// Has Patroni make the roles of ours that are missing or were changed, as it does at every reload.
pub async fn mend_roles(targets: &Targets, place: Place<'_>) {
    tracing::warn!(
        database = targets.database,
        "roles of ours are missing or were changed: having them made again"
    );
    if let Err(why) = ask_patroni(targets, place).await {
        tracing::warn!(host = place.host, why, "the primary can't be asked to make them");
    }
}

/// Makes a member's Patroni read its file, and give PostgreSQL the parameters there.
pub async fn read_configuration(targets: &Targets, place: Place<'_>) {
    tracing::info!(host = place.host, "asking a member to read its parameters");
    if let Err(why) = ask_patroni(targets, place).await {
        tracing::warn!(
            host = place.host,
            why,
            "a member can't be asked to read its parameters"
        );
    }
}

/// A new CA may change where Patroni points PostgreSQL to.
async fn ask_patroni(targets: &Targets, place: Place<'_>) -> Result<(), String> {
    let patroni = patroni(targets, place)?;
    patroni.reload().await.map_err(|error| error_chain(&error))
}

fn patroni(targets: &Targets, place: Place<'_>) -> Result<Patroni, String> {
    let access = targets.patroni.as_ref();
    let access = access.ok_or("the certificates of members and operators were not issued yet")?;
    let port = u16::try_from(PATRONI_PORT).unwrap_or_default();
    let tls = PatroniTls::from_pem(access.ca.as_bytes(), access.identity.as_bytes());
    let tls = tls.map_err(|error| error_chain(&error))?;
    let address = place.address.to_string();
    let patroni = Patroni::new(&address, port, place.host, &tls, targets.timeout);
    patroni.map_err(|error| error_chain(&error))
}

/// Has a member's Patroni read the certificate that the member was given, if it serves another one. Returns what it serves.
/// Patroni reads it together with its configuration; files that are still to come are read after the next check.
pub async fn renew_patroni(targets: &Targets, place: Place<'_>, given: &str) -> Result<String, String> {
    let patroni = patroni(targets, place)?;
    let served = patroni.served_leaf().await.map_err(|error| error_chain(&error))?;
    if served != given {
        tracing::info!(
            host = place.host,
            given,
            "asking Patroni to read its own certificate"
        );
        patroni.reload().await.map_err(|error| error_chain(&error))?;
    }
    Ok(served)
}

/// Does what is due on the replication slots of a standby. What fails is due again at the next check.
pub async fn keep_slots(targets: &Targets, place: Place<'_>, due: &[Upkeep]) {
    let host = place.host;
    let session = match get_in(targets, &targets.login, place).await {
        Ok(session) => session,
        Err(failure) => {
            tracing::info!(host, why = failure.why, "no session to keep replication slots");
            return;
        }
    };
    for upkeep in due {
        tracing::info!(host, ?upkeep, "keeping a replication slot of a standby");
        let done = match upkeep {
            Upkeep::Make(name) => session.make_physical_slot(name).await,
            Upkeep::Advance(name, to) => session.advance_slot(name, *to).await,
            Upkeep::Drop(name) => session.drop_slots(std::slice::from_ref(name)).await,
        };
        if let Err(error) = done {
            tracing::warn!(
                host,
                ?upkeep,
                why = error_chain(&error),
                "a replication slot was not kept"
            );
        }
    }
}

/// The port that every member has.
pub fn port() -> u16 {
    u16::try_from(POSTGRES_PORT).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use instance::SqlError;

    use super::*;

    #[test]
    fn a_detail_that_needs_a_function_of_ours_tells_that_it_is_missing() {
        let mut details = Details {
            host: "pg-0",
            lacks_roles: false,
        };
        assert_eq!(details.known(Ok(5)), Some(5));
        assert_eq!(
            details.known::<()>(Err(SqlError::NotNow("starting up".into()))),
            None
        );
        assert!(!details.lacks_roles);
        let refused = SqlError::Login {
            user: api_types::roles::OPERATOR.into(),
            message: "permission denied".into(),
        };
        assert_eq!(details.known::<()>(Err(refused)), None);
        assert!(details.lacks_roles);
    }
}
