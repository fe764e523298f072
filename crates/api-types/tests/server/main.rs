//! The definitions on a real API server: what it accepts, what it refuses and with which words, what it keeps.

mod accepted;
mod complete;
mod printed;
mod refused;

use std::sync::Arc;

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use testkit::apiserver::{self, ApiServer};

/// The server with our definitions and a namespace for this test; `None` when there is no server on this machine.
async fn server(namespace: &str) -> Option<(Arc<ApiServer>, Client)> {
    let server = apiserver::shared(&api_types::crds::all()).await?;
    server
        .namespace(namespace)
        .await
        .expect("a namespace can be made");
    let client = server.client();
    Some((server, client))
}

/// Applies an object as `kubectl apply --server-side` does: a field that the schema does not have is an error.
async fn apply(client: &Client, namespace: &str, object: &DynamicObject) -> kube::Result<DynamicObject> {
    let params = PatchParams::apply("user").force().validation_strict();
    api(client, namespace, object)
        .patch(&object.name_any(), &params, &Patch::Apply(object))
        .await
}

async fn read(client: &Client, namespace: &str, object: &DynamicObject) -> kube::Result<DynamicObject> {
    api(client, namespace, object).get(&object.name_any()).await
}

fn api(client: &Client, namespace: &str, object: &DynamicObject) -> Api<DynamicObject> {
    let types = object.types.as_ref().expect("a manifest names its kind");
    let gvk = GroupVersionKind::try_from(types).expect("a manifest names its group and version");
    let plural = match types.kind.as_str() {
        "Postgres" => "postgreses",
        "PlacementPolicy" => "placementpolicies",
        "PostgresOpsRequest" => "postgresopsrequests",
        "PostgresVersion" => "postgresversions",
        "PetSet" => "petsets",
        "AppBinding" => "appbindings",
        other => panic!("no test knows the kind {other}"),
    };
    let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
    match types.kind.as_str() {
        "PostgresVersion" | "PlacementPolicy" => Api::all_with(client.clone(), &resource),
        _ => Api::namespaced_with(client.clone(), namespace, &resource),
    }
}
