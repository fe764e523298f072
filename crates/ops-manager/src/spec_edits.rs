//! An edit of the spec that the provisioner holds becomes a request, if a type of request carries such edits out: users who
//! keep the Postgres in Git get the same steps, proofs and way back as those who write requests.

use std::sync::Arc;

use api_types::condition;
use api_types::ops_request::PostgresOpsRequestSpec;
use api_types::reported::postgres::conditions::SPEC_APPLIED;
use api_types::{Postgres, PostgresOpsRequest, names};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::watcher;
use kube::{Client, Resource, ResourceExt};
use runtime::{Process, run_controller};

use crate::error::Error;
use crate::{ops, perform};

/// Runs until shutdown.
pub async fn operate(process: &Process) {
    let controller = Controller::new(process.api::<Postgres>(), watcher::Config::default());
    let client = Arc::new(process.client.clone());
    run_controller(process, "spec-edits", controller, client, reconcile).await;
}

async fn reconcile(postgres: Arc<Postgres>, client: Arc<Client>) -> Result<Action, Error> {
    let Some(spec) = wanted(&postgres) else {
        return Ok(Action::await_change());
    };
    let request = request(&postgres, spec);
    // One request for one edit, whatever became of it.
    perform::create_request(&client, &request).await?;
    Ok(Action::await_change())
}

/// The request that carries out the edit which is held, if there is one that the provisioner has seen as it is now and if
/// nobody holds the pause.
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

/// Its name is that of the edit, so that one edit makes one request (`<db>-<type>-<6 characters>`, as KubeDB names requests
/// that come from Git).
fn request(postgres: &Postgres, spec: PostgresOpsRequestSpec) -> PostgresOpsRequest {
    let meta = &postgres.metadata;
    let edit = blueprint::hash_of(&(&meta.uid, meta.generation, &spec));
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
            request(&postgres, spec.clone()).name_any()
        };
        assert_eq!(name(2), name(2), "the same edit");
        assert_ne!(name(2), name(3), "another edit");
        assert!(name(2).starts_with("pg-horizontalscaling-"), "{}", name(2));
    }
}
