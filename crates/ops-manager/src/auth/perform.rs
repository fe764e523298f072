//! Does what was decided about the superuser's credentials. Passwords pass from Secret to Secret here, and nowhere else.

use api_types::vocabulary::{AUTH_ACTIVE_FROM, CHILDREN_MANAGER, OPS_MANAGER};
use api_types::{Postgres, names};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blueprint::{AuthInForce, Credentials, PASSWORD, USERNAME, credentials};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use runtime::{ApplyError, ObjectId, apply, delete, merge_patch};
use serde_json::{Value, json};

use crate::auth::effect::AuthEffect;
use crate::auth::kept::{KeptAuth, KeptPassword};
use crate::auth::world::Which;
use crate::error::Error;
use crate::member::Connections;
use crate::observe::Seen;
use crate::operation::Operation;
use crate::world::Observed;

/// Keys of the auth Secret with the credentials before the latest rotation (KubeDB's names).
const PREVIOUS: [&str; 2] = ["username.prev", "password.prev"];

/// Performs one effect.
///
/// # Errors
/// [`Error`], when it has to be tried again.
pub async fn perform(client: &Client, op: &Operation, seen: &Seen, effect: &AuthEffect) -> Result<(), Error> {
    match effect {
        AuthEffect::Keep { leader, secret } => keep(client, op, seen, leader, secret.as_deref()).await,
        AuthEffect::Set {
            leader,
            which,
            secret,
        } => {
            let kept = kept(seen)?;
            let verifier = &kept.get(*which).verifier;
            Connections::new(seen)?
                .set_verifier(leader, &kept.username, verifier)
                .await?;
            match secret {
                Some(secret) => publish(client, op, kept, *which, secret).await,
                None => Ok(()),
            }
        }
        AuthEffect::Publish { which, secret } => publish(client, op, kept(seen)?, *which, secret).await,
        AuthEffect::Record { which, secret } => record(client, op, kept(seen)?, *which, secret).await,
        AuthEffect::Forget => forget(client, op).await,
    }
}

fn kept(seen: &Seen) -> Result<&KeptAuth, Error> {
    let kept = seen.kept_auth.as_ref();
    kept.ok_or_else(|| Error::Vanished("the Secret with the credentials of the rotation".into()))
}

fn secrets(client: &Client, op: &Operation) -> Api<Secret> {
    Api::namespaced(client.clone(), &op.namespace)
}

async fn read(client: &Client, op: &Operation, name: &str) -> Result<Option<Secret>, Error> {
    secrets(client, op).get_opt(name).await.map_err(|source| {
        let id = ObjectId {
            kind: "Secret".into(),
            namespace: op.namespace.clone(),
            name: name.to_owned(),
        };
        ApplyError::new("get", id, source).into()
    })
}

async fn require(client: &Client, op: &Operation, name: &str) -> Result<Secret, Error> {
    let found = read(client, op, name).await?;
    found.ok_or_else(|| Error::Vanished(format!("Secret {name}")))
}

async fn keep(
    client: &Client,
    op: &Operation,
    seen: &Seen,
    leader: &str,
    offered: Option<&str>,
) -> Result<(), Error> {
    let Observed::Present(postgres) = &seen.world.postgres else {
        return Err(Error::Vanished("the Postgres".into()));
    };
    // Another pass, or an operator that was killed, may have made a password already.
    let existing = read(client, op, &names::auth_rotation(&op.database)).await?;
    if existing.is_some_and(|secret| KeptAuth::of_secret(&secret, &op.uid).is_some()) {
        return Ok(());
    }
    let in_force = require(client, op, &names::auth_in_force(&op.database)).await?;
    let former = AuthInForce::of_secret(&in_force)
        .ok_or_else(|| Error::Vanished(format!("a key of Secret {}", names::auth_in_force(&op.database))))?;
    let username = former.superuser.username;
    let password = match offered {
        Some(name) => {
            let secret = require(client, op, name).await?;
            let offered = credentials(&secret).filter(|offered| offered.username == username);
            let offered =
                offered.ok_or_else(|| Error::Vanished(format!("the credentials in Secret {name}")))?;
            offered.password.to_owned()
        }
        None => runtime::password::random(),
    };
    let verifier = Connections::new(seen)?.verifier(leader, username).await?;
    let kept = KeptAuth {
        request: op.uid.clone(),
        username: username.to_owned(),
        new: KeptPassword {
            verifier: postgres_protocol::password::scram_sha_256(password.as_bytes()),
            password,
        },
        former: KeptPassword {
            password: former.superuser.password.to_owned(),
            verifier,
        },
    };
    apply(client, &kept.secret(postgres), OPS_MANAGER).await?;
    Ok(())
}

/// The Secret is read again, so that a patch of an older version does not overwrite a concurrent write.
async fn publish(
    client: &Client,
    op: &Operation,
    kept: &KeptAuth,
    which: Which,
    name: &str,
) -> Result<(), Error> {
    let secret = require(client, op, name).await?;
    if let Some(patch) = publication(kept, which, &secret, Timestamp::now()) {
        merge_patch(client, &secret, patch, OPS_MANAGER).await?;
    }
    Ok(())
}

/// The patch that publishes this password in the Secret; none when the Secret has it already.
fn publication(kept: &KeptAuth, which: Which, secret: &Secret, now: Timestamp) -> Option<Value> {
    let text = |text: &str| STANDARD.encode(text);
    let password = &kept.get(which).password;
    if credentials(secret).is_some_and(|found| found.password == *password) {
        return None;
    }
    let [username_before, password_before] = PREVIOUS;
    let mut data = json!({ PASSWORD: text(password), USERNAME: text(&kept.username) });
    if which == Which::New {
        data[username_before] = json!(text(&kept.username));
        data[password_before] = json!(text(&kept.former.password));
    }
    // Whole seconds, as metav1.Time.
    let since = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    Some(json!({"metadata": {"annotations": {AUTH_ACTIVE_FROM: since}}, "data": data}))
}

async fn record(
    client: &Client,
    op: &Operation,
    kept: &KeptAuth,
    which: Which,
    from: &str,
) -> Result<(), Error> {
    let live = require(client, op, &names::auth_in_force(&op.database)).await?;
    let password = &kept.get(which).password;
    let wanted = Credentials {
        username: &kept.username,
        password,
    };
    let before = AuthInForce::of_secret(&live).unwrap_or_else(|| AuthInForce::first(from, wanted));
    let after = before.followed_by(from, wanted);
    if before != after {
        apply(
            client,
            &after.secret(&op.namespace, &op.database),
            CHILDREN_MANAGER,
        )
        .await?;
    }
    Ok(())
}

async fn forget(client: &Client, op: &Operation) -> Result<(), Error> {
    if let Some(secret) = read(client, op, &names::auth_rotation(&op.database)).await? {
        delete(client, &secret).await?;
    }
    Ok(())
}

/// Whether a Postgres lets its auth Secret be written by an operator.
pub fn may_write(postgres: &Postgres) -> bool {
    let auth = postgres.spec.auth_secret.as_ref();
    auth.is_none_or(|secret| secret.externally_managed != Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use blueprint::secret_text;

    fn kept() -> KeptAuth {
        let password = |text: &str| KeptPassword {
            password: text.into(),
            verifier: String::new(),
        };
        KeptAuth {
            request: "u".into(),
            username: "postgres".into(),
            new: password("two"),
            former: password("one"),
        }
    }

    fn published(which: Which, secret: &Secret) -> Option<Secret> {
        let patch = publication(
            &kept(),
            which,
            secret,
            "2026-01-01T00:00:00.5Z".parse().expect("a time"),
        )?;
        let mut value = serde_json::to_value(secret).expect("JSON");
        json_patch::merge(&mut value, &patch);
        serde_json::from_value(value).ok()
    }

    #[test]
    fn the_former_credentials_stay_in_the_secret_and_come_back() {
        let of = json!({"data": {"username": STANDARD.encode("postgres"), "password": STANDARD.encode("one"), "mine": ""}});
        let secret: Secret = serde_json::from_value(of).expect("a Secret");
        let after = published(Which::New, &secret).expect("a change");
        let text = |secret: &Secret, key: &str| secret_text(secret, key).unwrap_or_default().to_owned();
        let all = ["username", "password", "username.prev", "password.prev"].map(|key| text(&after, key));
        assert_eq!(all, ["postgres", "two", "postgres", "one"]);
        assert!(after.data.as_ref().is_some_and(|data| data.contains_key("mine")));
        assert_eq!(
            after
                .metadata
                .annotations
                .as_ref()
                .and_then(|all| all.get(AUTH_ACTIVE_FROM))
                .map(String::as_str),
            Some("2026-01-01T00:00:00Z")
        );
        assert!(published(Which::New, &after).is_none(), "once");
        assert_eq!(
            text(&published(Which::Former, &after).expect("a change"), "password"),
            "one"
        );
    }
}
