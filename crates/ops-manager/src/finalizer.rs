//! The finalizer of a request, there from its admission to its end.
//!
//! A request that is deleted while it runs is first brought to an end. Before the commit of the spec the members go back
//! to the old settings; after it they go on to the new ones. Both happen by a reload, and without waiting for Pods that
//! were still to be recreated. Then the pause is released. So spec, configuration and members agree afterwards.

use api_types::PostgresOpsRequest;
use api_types::vocabulary::{FINALIZER, OPS_MANAGER};
use kube::{Client, ResourceExt};
use runtime::{ApplyError, merge_patch};
use serde_json::json;

/// Whether the finalizer is there.
pub fn is_set(request: &PostgresOpsRequest) -> bool {
    request
        .finalizers()
        .iter()
        .any(|finalizer| finalizer == FINALIZER)
}

/// Puts the finalizer there, before anything is done that needs an end.
///
/// # Errors
/// [`ApplyError`]; a conflict means that the request changed and has to be read again.
pub async fn set(client: &Client, request: &PostgresOpsRequest) -> Result<PostgresOpsRequest, ApplyError> {
    if is_set(request) {
        return Ok(request.clone());
    }
    let mut finalizers = request.finalizers().to_vec();
    finalizers.push(FINALIZER.to_owned());
    merge_patch(
        client,
        request,
        json!({"metadata": {"finalizers": finalizers}}),
        OPS_MANAGER,
    )
    .await
}

/// Takes the finalizer away: nothing of the request is left in the world.
///
/// # Errors
/// [`ApplyError`]; a request that is gone already is no error.
pub async fn clear(client: &Client, request: &PostgresOpsRequest) -> Result<(), ApplyError> {
    if !is_set(request) {
        return Ok(());
    }
    let finalizers: Vec<_> = request
        .finalizers()
        .iter()
        .filter(|finalizer| *finalizer != FINALIZER)
        .collect();
    match merge_patch(
        client,
        request,
        json!({"metadata": {"finalizers": finalizers}}),
        OPS_MANAGER,
    )
    .await
    {
        Ok(_) | Err(ApplyError::Gone { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}
