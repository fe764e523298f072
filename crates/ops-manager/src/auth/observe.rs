//! Reads what an operation needs to know of the superuser's credentials.

use api_types::Postgres;
use api_types::names;
use blueprint::{AuthInForce, USERNAME, credentials, secret_text, usable_credentials};
use k8s_openapi::api::core::v1::Secret;

use crate::auth::kept::KeptAuth;
use crate::auth::world::{AuthWorld, LoginOutcome, MemberAuth, Offered, Which};
use crate::member::{Credentials, sql};
use crate::observe::{Reader, Seen};
use crate::operation::Operation;
use crate::request_type::AuthReads;
use crate::world::{Observed, ServerState};
use instance::{Password, Session, SqlError};
use std::time::Duration;

/// The Secrets of a rotation as they were read.
pub struct Secrets {
    kept: Observed<Secret>,
    /// The one with the new credentials, and its name.
    with_new: (String, Observed<Secret>),
}

/// Reads what the request type reads; nothing when it reads nothing.
pub async fn read(reader: &Reader<'_>, op: &Operation, reads: Option<&AuthReads>) -> Option<Secrets> {
    let name = reads?.secret.clone();
    let kept_name = names::auth_rotation(&op.database);
    let (kept, secret) = tokio::join!(reader.look::<Secret>(&kept_name), reader.look::<Secret>(&name));
    Some(Secrets {
        kept,
        with_new: (name, secret),
    })
}

/// The contents of the Secrets, and the stored credentials.
pub fn observed(
    secrets: Option<Secrets>,
    op: &Operation,
    in_force: &Observed<Secret>,
) -> (Option<AuthWorld>, Option<KeptAuth>) {
    let Some(Secrets {
        kept,
        with_new: (name, secret),
    }) = secrets
    else {
        return (None, None);
    };
    let kept = kept.and_then(|secret| match KeptAuth::of_secret(&secret, &op.uid) {
        Some(kept) => Observed::Present(kept),
        None => Observed::Absent,
    });
    let in_force = in_force
        .as_ref()
        .and_then(|secret| match AuthInForce::of_secret(secret) {
            Some(in_force) => Observed::Present(in_force),
            None => Observed::Absent,
        });
    let which = |password: &str| kept.present().and_then(|kept| kept.which(password));
    let world = AuthWorld {
        published: secret
            .as_ref()
            .map(|secret| credentials(secret).and_then(|found| which(found.password))),
        recorded: in_force
            .clone()
            .map(|in_force| which(in_force.superuser.password).filter(|_| in_force.from == name)),
        offered: secret.as_ref().map(|secret| offered(secret, in_force.present())),
        kept: kept.as_ref().map(|_| ()),
    };
    (Some(world), kept.present().cloned())
}

fn offered(secret: &Secret, in_force: Option<&AuthInForce<'_>>) -> Offered {
    let usable = usable_credentials(secret);
    Offered {
        username: secret_text(secret, USERNAME).unwrap_or_default().to_owned(),
        fault: usable.as_ref().err().map(ToString::to_string),
        is_in_force: usable.is_ok_and(|usable| in_force.is_some_and(|it| it.superuser == usable)),
    }
}

/// How a member has the credentials; none when nothing is kept of them.
pub async fn of_member(
    seen: &Seen,
    session: &Session,
    server: &ServerState,
    address: &str,
    within: Duration,
) -> Result<Option<MemberAuth>, SqlError> {
    let Some(kept) = &seen.kept_auth else {
        return Ok(None);
    };
    let verifier = session.verifier(&kept.username).await?;
    let verifier = verifier.and_then(|verifier| kept.which_verifier(&verifier));
    let by_password = |line: &String| !line.contains(" all all ") || !line.contains(" cert");
    if verifier.is_none() || !server.configuration.pg_hba.iter().all(by_password) {
        return Ok(Some(MemberAuth {
            verifier,
            ..MemberAuth::default()
        }));
    }
    let (new, former) = tokio::join!(
        outcome(seen, kept, Which::New, address, within),
        outcome(seen, kept, Which::Former, address, within)
    );
    Ok(Some(MemberAuth {
        verifier,
        new: Some(new),
        former: Some(former),
        is_one_password: kept.new.password == kept.former.password,
    }))
}

/// PostgreSQL checks the password before it checks whether the role may log in and how many sessions it has.
async fn outcome(
    seen: &Seen,
    kept: &KeptAuth,
    which: Which,
    address: &str,
    within: Duration,
) -> LoginOutcome {
    let credentials = Credentials {
        user: kept.username.clone(),
        password: Password::new(kept.get(which).password.clone()),
    };
    match sql::session_as(seen, &credentials, address, within).await {
        Ok(_) => LoginOutcome::RightPassword,
        Err(error) if error.is_wrong_password() => LoginOutcome::WrongPassword,
        Err(SqlError::Login { .. }) => LoginOutcome::RightPassword,
        Err(error) if error.is_limit_of(&kept.username) => LoginOutcome::RightPassword,
        Err(error) => LoginOutcome::Unknown(runtime::error_chain(&error)),
    }
}

/// Names of the Secret that a request names, or of the database's.
pub fn secret_of(op: &Operation, postgres: &Postgres) -> String {
    let named = op
        .spec
        .authentication
        .as_ref()
        .and_then(|it| it.secret_ref.as_ref());
    named.map_or_else(|| postgres.auth_secret_name(), |named| named.name.clone())
}
