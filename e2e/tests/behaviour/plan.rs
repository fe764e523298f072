//! A dry run tells and does nothing; a request that needs approval waits for it, and nobody waits for that request.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use api_types::ops_request::{CertificateAction, OperationPlan, OpsRequestPhase, PlannedRestart};
use api_types::vocabulary::{APPROVAL, APPROVED_PLAN};
use api_types::{Postgres, PostgresOpsRequest, condition};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::writer::{Choice, Writer};
use e2e::{checks, children, history, manifests, requests, shell, story, wait};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::{DATABASE, NOTHING_HAPPENS, standalone};

const PLAN_TIMEOUT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_what_would_be_done_and_writes_nothing() -> Result<()> {
    in_namespace("dry-run", |namespace| async move { dry_runs(&namespace).await }).await
}

async fn dry_runs(namespace: &TestNamespace) -> Result<()> {
    let before = standalone(namespace).await?;
    let owner = before.uid().unwrap_or_default();
    let writer = Writer::start(namespace, DATABASE, Choice::TESTING).await?;
    let pods = history::record(namespace, DATABASE).await?;
    let at_first = children::of(namespace, &owner).await?;

    let add = seen_with_the_writer(
        namespace,
        &manifests::with_restart(manifests::ADD_TLS_MD5, "auto"),
    )
    .await?;
    let actions: Vec<_> = add.certificates.iter().map(|it| it.action).collect();
    ensure!(actions == [CertificateAction::Issue; 3], "{add:#?}");
    let server = &add.certificates[0];
    let name = format!("{DATABASE}.{}.svc", namespace.name);
    ensure!(
        server.names_added.contains(&name) && server.names_dropped.is_empty(),
        "{server:#?}"
    );
    let issuer = server.new_issuer.as_ref().map(|it| it.name.as_str());
    ensure!(
        server.old_issuer.is_none() && issuer == Some("pg-issuer"),
        "{server:#?}"
    );
    // The writer's session is cut; it comes without TLS.
    ensure!(
        add.sessions.without_tls >= 1 && add.sessions.with_tls == 0,
        "{:?}",
        add.sessions
    );
    ensure!(
        add.members[0].restart == PlannedRestart::IfNeeded,
        "{:?}",
        add.members
    );
    // Its own right to the database's Secrets is all that the operator may need to write, and only once.
    let differences = children::differences(&at_first, &children::of(namespace, &owner).await?);
    let allowed = format!("RoleBinding/{DATABASE}-ops-manager is new");
    ensure!(differences.iter().all(|it| *it == allowed), "{differences:?}");

    let now = children::of(namespace, &owner).await?;
    let restart = told(namespace, manifests::RESTART, "would-restart").await?;
    ensure!(
        restart.members[0].restart == PlannedRestart::Always,
        "{restart:#?}"
    );
    ensure!(
        restart.certificates.is_empty() && restart.hash != add.hash,
        "{restart:#?}"
    );
    children::stay(namespace, &owner, &now, NOTHING_HAPPENS).await?;
    checks::untouched(namespace, DATABASE, &before, &pods.finish().await?).await?;
    writer.finish().await?;

    let rotate = dry(manifests::ROTATE_TLS, "would-rotate")?;
    requests::create_as_is(namespace, &rotate).await?;
    let bad = wait::request_ended(&namespace.api(), "would-rotate", PLAN_TIMEOUT).await?;
    ensure!(bad.phase() == Some(OpsRequestPhase::Failed), "{:?}", bad.phase());
    ensure!(
        wait::last_words(&bad).contains("no TLS"),
        "{}",
        wait::last_words(&bad)
    );
    Ok(())
}

/// The plan of a dry run that came while the writer was connected: it makes a new connection every second.
async fn seen_with_the_writer(namespace: &TestNamespace, yaml: &str) -> Result<OperationPlan> {
    for attempt in 1..10 {
        let plan = told(namespace, yaml, &format!("would-add-{attempt}")).await?;
        if plan.sessions.without_tls > 0 {
            return Ok(plan);
        }
    }
    bail!("no dry run saw the writer's session")
}

fn dry(yaml: &str, name: &str) -> Result<PostgresOpsRequest> {
    let mut request: PostgresOpsRequest = manifests::parse(yaml)?;
    request.metadata.name = Some(name.to_owned());
    request.spec.database_ref.name = DATABASE.to_owned();
    request.spec.dry_run = Some(true);
    Ok(request)
}

/// The plan of a dry run.
async fn told(namespace: &TestNamespace, yaml: &str, name: &str) -> Result<OperationPlan> {
    requests::create_as_is(namespace, &dry(yaml, name)?).await?;
    let ended = wait::request_successful(&namespace.api(), name, PLAN_TIMEOUT).await?;
    ensure!(
        ended.finalizers().is_empty(),
        "a finalizer was left: {:?}",
        ended.finalizers()
    );
    let status = ended.status.context("a status")?;
    let successful = condition::find(&status.conditions, "Successful").context("Successful")?;
    ensure!(successful.reason.as_deref() == Some("DryRun"), "{successful:?}");
    let types: Vec<&str> = status.conditions.iter().map(|it| it.type_.as_str()).collect();
    ensure!(types == ["Successful"], "it did something: {types:?}");
    checks::at_peace(namespace, DATABASE).await?;
    status.plan.context("a preview")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_waits_for_the_approval_of_the_plan_as_it_is() -> Result<()> {
    in_namespace("approval", |namespace| async move { approvals(&namespace).await }).await
}

async fn approvals(namespace: &TestNamespace) -> Result<()> {
    let before = standalone(namespace).await?;
    let pods = history::record(namespace, DATABASE).await?;
    let asked = with_approval(namespace, manifests::RESTART, "denied").await?;
    annotate(namespace, "denied", APPROVAL, "denied").await?;
    let denied = wait::request_ended(&namespace.api(), "denied", PLAN_TIMEOUT).await?;
    ensure!(
        denied.phase() == Some(OpsRequestPhase::Denied),
        "{:?}",
        denied.phase()
    );
    ensure!(
        asked.finalizers().is_empty() && denied.finalizers().is_empty(),
        "a finalizer"
    );
    checks::untouched(namespace, DATABASE, &before, &pods.finish().await?).await?;

    with_approval(namespace, &by_reload(manifests::ADD_TLS_MD5), "add").await?;
    as_told(namespace, "add").await?;
    let done = wait::request_successful(&namespace.api(), "add", story::OPERATION_TIMEOUT).await?;
    did_what_it_told(&done)?;

    // Another request goes first, and so the plan becomes another one.
    let waiting = with_approval(namespace, &by_reload(manifests::CHANGE_ISSUER), "change").await?;
    let old = hash(&waiting)?;
    let update = by_reload(manifests::UPDATE_CERTIFICATES);
    requests::run(namespace, &update, "update", DATABASE, story::OPERATION_TIMEOUT).await?;
    wait::database_ready(&namespace.api::<Postgres>(), DATABASE, story::OPERATION_TIMEOUT).await?;
    annotate(namespace, "change", APPROVED_PLAN, &old).await?;
    let asks_again = |request: &PostgresOpsRequest| {
        approved(request).is_some_and(|it| it.reason.as_deref() == Some("PlanChanged"))
    };
    let api = namespace.api::<PostgresOpsRequest>();
    let again = wait::until(&api, "change", "asks again", PLAN_TIMEOUT, asks_again).await?;
    ensure!(
        again.phase() == Some(OpsRequestPhase::WaitingForApproval),
        "{:?}",
        again.phase()
    );
    ensure!(hash(&again)? != old, "the same plan");
    let message = approved(&again)
        .and_then(|it| it.message.clone())
        .unwrap_or_default();
    ensure!(message.contains(&old), "{message}");
    as_told(namespace, "change").await?;
    let done = wait::request_successful(&api, "change", story::OPERATION_TIMEOUT).await?;
    did_what_it_told(&done)
}

fn by_reload(yaml: &str) -> String {
    manifests::with_restart(yaml, "auto")
}

/// Creates a request that needs approval, and waits until it asks; nothing holds the database meanwhile.
async fn with_approval(namespace: &TestNamespace, yaml: &str, name: &str) -> Result<PostgresOpsRequest> {
    let mut request: PostgresOpsRequest = manifests::parse(yaml)?;
    request.metadata.name = Some(name.to_owned());
    request.spec.database_ref.name = DATABASE.to_owned();
    let annotations = request.metadata.annotations.get_or_insert_default();
    annotations.insert(APPROVAL.to_owned(), "required".to_owned());
    requests::create_as_is(namespace, &request).await?;
    let asks = |request: &PostgresOpsRequest| request.phase() == Some(OpsRequestPhase::WaitingForApproval);
    let asked = wait::until(&namespace.api(), name, "asks", PLAN_TIMEOUT, asks).await?;
    checks::at_peace(namespace, DATABASE).await?;
    Ok(asked)
}

/// Runs the command that the request tells to approve it.
async fn as_told(namespace: &TestNamespace, name: &str) -> Result<()> {
    let request = namespace.api::<PostgresOpsRequest>().get(name).await?;
    let message = approved(&request)
        .and_then(|it| it.message.clone())
        .unwrap_or_default();
    let command = message.split_once("kubectl ").context("a command")?.1;
    let command = command.split_once(';').context("the end of the command")?.0;
    let arguments: Vec<&str> = command.split_whitespace().collect();
    shell::host("kubectl", &arguments).await.map(|_| ())
}

async fn annotate(namespace: &TestNamespace, request: &str, key: &str, value: &str) -> Result<()> {
    let patch = json!({ "metadata": { "annotations": { key: value } } });
    let api = namespace.api::<PostgresOpsRequest>();
    api.patch(request, &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    Ok(())
}

fn approved(request: &PostgresOpsRequest) -> Option<&api_types::Condition> {
    condition::find(&request.status.as_ref()?.conditions, "Approved")
}

fn hash(request: &PostgresOpsRequest) -> Result<String> {
    let preview = request.status.as_ref().and_then(|status| status.plan.as_ref());
    Ok(preview.context("a preview")?.hash.clone())
}

/// The phases that were told are the steps that were done, in their order.
fn did_what_it_told(request: &PostgresOpsRequest) -> Result<()> {
    let status = request.status.as_ref().context("a status")?;
    let preview = status.plan.as_ref().context("a preview")?;
    let told: Vec<&str> = preview.phases.iter().map(|phase| phase.name.as_str()).collect();
    let done: Vec<&str> = status
        .conditions
        .iter()
        .filter(|it| it.is_true() && it.reason.is_some())
        .map(|it| it.type_.as_str())
        .filter(|type_| !["Approved", "ReconfigureTLS", "Successful"].contains(type_))
        .collect();
    ensure!(told == done, "told {told:?}, done {done:?}");
    Ok(())
}
