//! `logs`: the members' logs, each line with its member.

use std::io;

use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::LogParams;

use crate::cli::LogsArgs;
use crate::cluster::Target;
use crate::exit::{Error, Exit};
use crate::members;
use crate::style;

pub(super) async fn run(target: &Target, args: &LogsArgs) -> Result<Exit, Error> {
    target.database(&args.database).await?;
    let all = members::members(&members::pods(target, &args.database).await?);
    let mut names: Vec<String> = all.into_iter().map(|member| member.name).collect();
    if let Some(wanted) = &args.member {
        names.retain(|name| name == wanted);
    }
    if names.is_empty() {
        return Err(Error::NotFound {
            what: match &args.member {
                Some(member) => format!("the member {member} of {}/{}", target.namespace, args.database),
                None => format!("a Pod of {}/{}", target.namespace, args.database),
            },
            advice: format!(
                "kubectl sealwright status {} -n {}",
                args.database, target.namespace
            ),
        });
    }
    let params = LogParams {
        container: Some(args.container.clone()),
        follow: args.follow,
        tail_lines: args.tail.map(i64::from),
        since_seconds: args
            .since
            .map(|since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX)),
        ..LogParams::default()
    };
    if args.follow {
        let streams = names
            .iter()
            .map(|name| one(target, name, &params, names.len() > 1));
        futures::future::try_join_all(streams).await?;
    } else {
        for name in &names {
            one(target, name, &params, names.len() > 1).await?;
        }
    }
    Ok(Exit::Done)
}

async fn one(target: &Target, pod: &str, params: &LogParams, prefix: bool) -> Result<(), Error> {
    let doing = || format!("reading the log of Pod {}/{pod}", target.namespace);
    let stream = target.api::<Pod>().log_stream(pod, params).await;
    let mut lines = stream
        .map_err(|error| Error::api(doing(), error))?
        .lines()
        .boxed();
    let broken = |error: io::Error| Error::File {
        path: format!("the log of {pod}"),
        doing: "read",
        source: error,
    };
    while let Some(line) = lines.try_next().await.map_err(broken)? {
        style::print(&if prefix {
            format!("[{pod}] {line}\n")
        } else {
            format!("{line}\n")
        })?;
    }
    Ok(())
}
