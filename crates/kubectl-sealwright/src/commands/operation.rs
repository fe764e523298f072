//! `tls …`, `restart`, `resize` and `reconfigure`: write a request, follow it, end with its outcome.

use api_types::PostgresOpsRequest;
use api_types::ops_request::OpsRequestPhase;
use kube::ResourceExt;
use kube::api::{DeleteParams, PostParams};

use crate::cli::{Connection, DryRun, RequestArgs};
use crate::cluster::Target;
use crate::decide;
use crate::exit::{Error, Exit};
use crate::follow::{self, Ending};
use crate::report::plan;
use crate::request::Asked;
use crate::style::{self, Paint};

/// Field manager of what the plugin writes.
pub(super) const FIELD_MANAGER: &str = "kubectl-sealwright";

pub(super) async fn run(connection: &Connection, asked: Asked, args: &RequestArgs) -> Result<Exit, Error> {
    if args.dry_run == Some(DryRun::Client) {
        let mut request = asked.request;
        request.metadata.namespace = connection.namespace.clone();
        style::print(&yaml(&request)?)?;
        return Ok(Exit::Done);
    }
    let target = Target::connect(connection).await?;
    let postgres = target.database(&args.database).await?;
    decide::admissible(asked.change, &postgres).map_err(Error::Refused)?;
    if args.dry_run == Some(DryRun::Server) {
        return tell_plan(&target, asked.request, args).await;
    }
    let name = write(&target, &asked.request).await?;
    if args.no_wait {
        style::print(&format!(
            "postgresopsrequest/{name} created\nfollow it: kubectl get pgops/{name} -n {} --watch\n",
            target.namespace
        ))?;
        return Ok(Exit::Done);
    }
    style::print(&format!("postgresopsrequest/{name} created\n"))?;
    let ending = follow::to_the_end(&target, &name, args.wait_timeout).await?;
    conclude(&name, &ending)
}

/// Has the ops-manager plan a request, and removes that dry run.
async fn tell_plan(
    target: &Target,
    mut request: PostgresOpsRequest,
    args: &RequestArgs,
) -> Result<Exit, Error> {
    request.spec.dry_run = Some(true);
    let name = write(target, &request).await?;
    let told = follow_plan(target, &name, args).await;
    let api = target.api::<PostgresOpsRequest>();
    let doing = format!("deleting the dry run {name} in {}", target.namespace);
    let deleted = api.delete(&name, &DeleteParams::default()).await;
    let exit = told?;
    deleted.map_err(|error| Error::api(doing, error))?;
    Ok(exit)
}

async fn follow_plan(target: &Target, name: &str, args: &RequestArgs) -> Result<Exit, Error> {
    let ending = follow::to_the_end(target, name, args.wait_timeout).await?;
    let doing = format!("reading PostgresOpsRequest {name} in {}", target.namespace);
    let request = target.api::<PostgresOpsRequest>().get(name).await;
    let status = request.map_err(|error| Error::api(doing, error))?.status;
    match status.and_then(|status| status.plan) {
        Some(preview) if ending.phase == OpsRequestPhase::Successful => {
            style::print(&plan::text(&preview, Paint::for_stdout()))?;
            Ok(Exit::Done)
        }
        _ => conclude(name, &ending),
    }
}

/// The request as `kubectl create -f -` takes it.
pub(super) fn yaml(request: &PostgresOpsRequest) -> Result<String, Error> {
    serde_yaml::to_string(request).map_err(|error| Error::Encoding(error.to_string()))
}

async fn write(target: &Target, request: &PostgresOpsRequest) -> Result<String, Error> {
    let params = PostParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PostParams::default()
    };
    let doing = format!("creating a PostgresOpsRequest in {}", target.namespace);
    let created = target.api::<PostgresOpsRequest>().create(&params, request).await;
    Ok(created.map_err(|error| Error::api(doing, error))?.name_any())
}

fn conclude(name: &str, ending: &Ending) -> Result<Exit, Error> {
    let paint = Paint::for_stdout();
    let phase = ending.phase.as_str();
    let (phase, exit) = match ending.phase {
        OpsRequestPhase::Successful => (paint.good(phase), Exit::Done),
        _ => (paint.bad(phase), Exit::Problem),
    };
    style::print(&format!("{name}: {phase}: {}\n", ending.message))?;
    Ok(exit)
}
