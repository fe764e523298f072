//! `pause` and `resume`: the annotation, as described in `docs/coordination.md`.

use std::time::Duration;

use api_types::vocabulary::PAUSED_BY;
use api_types::{PauseHolder, Postgres};
use futures::StreamExt;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::watch_object;
use serde_json::{Value, json};

use super::operation::FIELD_MANAGER;
use crate::cli::PauseArgs;
use crate::cluster::Target;
use crate::decide::{self, Move};
use crate::exit::{Error, Exit};
use crate::style;

/// How long the provisioner gets to see a change of the annotation.
const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a decision is retried because another client wrote first.
const MAX_PATCH_ATTEMPTS: usize = 5;

pub(super) async fn pause(target: &Target, args: &PauseArgs) -> Result<Exit, Error> {
    let me = holder(target, args)?;
    let changed = change(target, args, |current| decide::pause(current, &me)).await?;
    if !args.no_wait {
        let what = "the acknowledgement of the pause";
        until(target, &args.database, what, |p| {
            p.acknowledged_holder().as_ref() == Some(&me)
        })
        .await?;
    }
    let word = if changed { "paused" } else { "already paused" };
    style::print(&format!("postgres/{} {word} by {me}\n", args.database))?;
    Ok(Exit::Done)
}

pub(super) async fn resume(target: &Target, args: &PauseArgs) -> Result<Exit, Error> {
    let me = holder(target, args)?;
    let changed = change(target, args, |current| decide::resume(current, &me)).await?;
    if changed && !args.no_wait {
        until(target, &args.database, "the end of the pause", decide::resumed).await?;
    }
    let word = if changed { "resumed" } else { "is not paused" };
    style::print(&format!("postgres/{} {word}\n", args.database))?;
    Ok(Exit::Done)
}

/// The flag, the kubeconfig's user, or the plugin's name.
fn holder(target: &Target, args: &PauseArgs) -> Result<PauseHolder, Error> {
    let name = args.holder.as_ref().or(target.user.as_ref());
    decide::person(name.map_or(FIELD_MANAGER, String::as_str)).map_err(Error::Refused)
}

/// Writes what is decided, against the very object that it was decided on. Whether anything was written.
async fn change(
    target: &Target,
    args: &PauseArgs,
    decide: impl Fn(Option<PauseHolder>) -> Move,
) -> Result<bool, Error> {
    let mut last = Error::Refused("the database was changed all the time; try again".to_owned());
    for _ in 0..MAX_PATCH_ATTEMPTS {
        let postgres = target.database(&args.database).await?;
        let value = match decide(postgres.pause_holder()) {
            Move::Nothing => return Ok(false),
            Move::Refuse(why) => return Err(Error::Refused(why)),
            Move::Take(holder) => Value::String(holder.to_string()),
            Move::Release => Value::Null,
        };
        let patch = json!({ "metadata": {
            "resourceVersion": postgres.resource_version(),
            "annotations": { PAUSED_BY: value },
        }});
        let params = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let api = target.api::<Postgres>();
        match api.patch(&args.database, &params, &Patch::Merge(patch)).await {
            Ok(_) => return Ok(true),
            // Another client wrote in between: read and decide again.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                last = Error::Refused(status.message.clone());
            }
            Err(error) => {
                let doing = format!("annotating Postgres {}/{}", target.namespace, args.database);
                return Err(Error::api(doing, error));
            }
        }
    }
    Err(last)
}

async fn until(
    target: &Target,
    name: &str,
    what: &str,
    holds: impl Fn(&Postgres) -> bool,
) -> Result<(), Error> {
    let look = async {
        let mut stream = watch_object(target.api::<Postgres>(), name)
            .default_backoff()
            .boxed();
        while let Some(seen) = stream.next().await {
            if seen.is_ok_and(|postgres| postgres.is_some_and(|postgres| holds(&postgres))) {
                return;
            }
        }
    };
    tokio::time::timeout(ACKNOWLEDGEMENT_TIMEOUT, look)
        .await
        .map_err(|_| Error::Deadline {
            what: format!("{what} of Postgres {}/{name}", target.namespace),
            after: ACKNOWLEDGEMENT_TIMEOUT,
            advice:
                "the annotation is written; does the provisioner run? kubectl get lease -n sealwright-system"
                    .to_owned(),
        })
}
