//! An edit of the spec that the provisioner holds becomes a request, if a type of request carries such edits out: users who
//! keep the Postgres in Git get the same steps, proofs and way back as those who write requests.

use std::sync::Arc;
use std::time::Duration;

use api_types::condition;
use api_types::ops_request::PostgresOpsRequestSpec;
use api_types::postgres::DatabasePhase;
use api_types::reported::postgres::conditions::SPEC_APPLIED;
use api_types::{Postgres, PostgresOpsRequest, names};
use jiff::Timestamp;
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use runtime::{Process, run_controller};
use serde::Serialize;

use crate::error::Error;
use crate::{ops, perform};

/// Longest time until a Postgres is reconciled again: timers of this operator need not reach further.
const MAX_REQUEUE_DELAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Runs until shutdown.
pub async fn operate(process: &Process) {
    let controller = Controller::new(process.api::<Postgres>(), watcher::Config::default());
    let client = Arc::new(process.client.clone());
    run_controller(process, "spec-edits", controller, client, reconcile).await;
}

async fn reconcile(postgres: Arc<Postgres>, client: Arc<Client>) -> Result<Action, Error> {
    let now = Timestamp::now();
    let request = match (wanted(&postgres), scheduled(&postgres)) {
        (Some(spec), _) => request(&postgres, &postgres.metadata.generation, spec),
        (None, Some((due, spec))) if due <= now => request(&postgres, &due, spec),
        (None, Some((due, _))) => {
            let left = due.duration_since(now).unsigned_abs();
            return Ok(Action::requeue(left.min(MAX_REQUEUE_DELAY)));
        }
        (None, None) => return Ok(Action::await_change()),
    };
    // One request for one edit, or for one point in time, whatever became of it.
    perform::create_request(&client, &request).await?;
    Ok(Action::await_change())
}

/// The request that carries out the held edit: if there is one, the provisioner has observed the current spec, and the
/// database is not paused.
pub fn wanted(postgres: &Postgres) -> Option<PostgresOpsRequestSpec> {
    let status = postgres.status.as_ref()?;
    let is_current = status.observed_generation == postgres.metadata.generation;
    let is_free = postgres.pause_holder().is_none() && postgres.metadata.deletion_timestamp.is_none();
    let applied = condition::find(&status.conditions, SPEC_APPLIED)?;
    let held = applied
        .reason
        .as_deref()
        .filter(|_| applied.is_false() && is_current && is_free)?;
    ops::REQUEST_TYPES
        .iter()
        .find_map(|type_| type_.for_edit(postgres, held))
}

/// The request that is due by the spec's schedule, and when, if the database is ready and not paused.
pub fn scheduled(postgres: &Postgres) -> Option<(Timestamp, PostgresOpsRequestSpec)> {
    let is_free = postgres.pause_holder().is_none() && postgres.metadata.deletion_timestamp.is_none();
    let phase = postgres.status.as_ref()?.phase;
    let due = ops::REQUEST_TYPES.iter().filter_map(|type_| {
        let spec = PostgresOpsRequestSpec::of(&postgres.name_any(), type_.kind());
        Some((type_.due_at(postgres)?, spec))
    });
    due.filter(|_| is_free && phase == Some(DatabasePhase::Ready))
        .min_by_key(|(at, _)| *at)
}

/// Its name is that of the cause, so that one edit, or one point in time, makes one request (`<db>-<type>-<6 characters>`, as
/// KubeDB names requests that come from Git).
fn request(postgres: &Postgres, cause: &impl Serialize, spec: PostgresOpsRequestSpec) -> PostgresOpsRequest {
    let meta = &postgres.metadata;
    let edit = blueprint::hash_of(&(&meta.uid, cause, &spec));
    let suffix = format!("{}-{}", spec.type_.as_str().to_lowercase(), &edit[..6]);
    let mut request = PostgresOpsRequest::new(&names::with_suffix(&postgres.name_any(), &suffix), spec);
    request.metadata.namespace = postgres.namespace();
    request.metadata.owner_references = postgres.owner_ref(&()).map(|owner| vec![owner]);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    fn postgres(reason: &str, observed: i64, annotations: &str) -> Postgres {
        let text = format!(
            "{{apiVersion: kubedb.com/v1, kind: Postgres, metadata: {{name: pg, namespace: demo, uid: u, generation: 2, \
             annotations: {annotations}}}, spec: {{version: '17', replicas: 1}}, status: {{observedGeneration: {observed}, \
             conditions: [{{type: SpecApplied, status: 'False', reason: {reason}, message: m, lastTransitionTime: 2026-01-01T00:00:00Z}}]}}}}"
        );
        serde_yaml::from_str(&text).expect("a Postgres")
    }

    #[test]
    fn a_held_edit_becomes_one_request_when_nobody_holds_the_database() {
        let held = "HorizontalScalingNeeded";
        let spec = wanted(&postgres(held, 2, "{}")).expect("a request");
        assert_eq!(
            spec.horizontal_scaling.as_ref().and_then(|it| it.replicas),
            Some(1)
        );
        assert_eq!(spec.database_ref.name, "pg");
        assert_eq!(wanted(&postgres(held, 1, "{}")), None, "not observed yet");
        let paused = "{ops.kubedb.com/paused-by: me}";
        assert_eq!(wanted(&postgres(held, 2, paused)), None, "a person holds it");
        assert_eq!(
            wanted(&postgres("ReconfigureTLSNeeded", 2, "{}")),
            None,
            "for a person to decide"
        );
        let name = |generation| {
            let mut postgres = postgres(held, 2, "{}");
            postgres.metadata.generation = Some(generation);
            request(&postgres, &postgres.metadata.generation, spec.clone()).name_any()
        };
        assert_eq!(name(2), name(2), "the same edit");
        assert_ne!(name(2), name(3), "another edit");
        assert!(name(2).starts_with("pg-horizontalscaling-"), "{}", name(2));
    }

    #[test]
    fn a_password_that_has_been_in_force_for_long_enough_is_changed() {
        let of = |auth: &str, phase: &str| {
            let text = format!(
                "{{apiVersion: kubedb.com/v1, kind: Postgres, metadata: {{name: pg, namespace: demo, uid: u, \
                 creationTimestamp: 2026-01-01T00:00:00Z}}, spec: {{version: '17', authSecret: {auth}}}, status: {{phase: {phase}}}}}"
            );
            let postgres = serde_yaml::from_str(&text).expect("a Postgres");
            scheduled(&postgres).map(|(due, spec)| (due.to_string(), spec.type_.as_str()))
        };
        let due = |at: &str| Some((at.to_owned(), "RotateAuth"));
        let after = "{name: a, rotateAfter: 24h}";
        assert_eq!(of(after, "Ready"), due("2026-01-02T00:00:00Z"));
        assert_eq!(of(after, "NotReady"), None);
        assert_eq!(of("{name: a}", "Ready"), None);
        let active = "{name: a, rotateAfter: 24h, activeFrom: 2026-02-01T00:00:00Z}";
        assert_eq!(of(active, "Ready"), due("2026-02-02T00:00:00Z"));
        let external = "{name: a, rotateAfter: 24h, externallyManaged: true}";
        assert_eq!(of(external, "Ready"), None, "the user's to change");
    }
}
