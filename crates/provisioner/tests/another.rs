//! What was decided about an object is not written to another one that was created under the same name.

use api_types::Postgres;
use api_types::postgres::{DatabasePhase, PostgresStatus};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use testkit::apiserver;

const NAMESPACE: &str = "another";

fn postgres() -> Postgres {
    let postgres = json!({
        "apiVersion": "kubedb.com/v1", "kind": "Postgres", "metadata": {"name": "pg"},
        "spec": {"version": "17.4", "storageType": "Ephemeral", "deletionPolicy": "WipeOut"},
    });
    serde_json::from_value(postgres).expect("a Postgres")
}

fn halted() -> PostgresStatus {
    PostgresStatus {
        phase: Some(DatabasePhase::Halted),
        ..PostgresStatus::default()
    }
}

#[tokio::test]
async fn an_object_of_the_same_name_does_not_get_the_status_of_the_former_one() {
    let Some(server) = apiserver::shared(&api_types::crds::all()).await else {
        return;
    };
    server
        .namespace(NAMESPACE)
        .await
        .expect("a namespace can be made");
    let api: Api<Postgres> = Api::namespaced(server.client(), NAMESPACE);
    let former = api
        .create(&PostParams::default(), &postgres())
        .await
        .expect("a Postgres");
    let written = runtime::patch_status(&server.client(), &former, &halted(), "test").await;
    assert!(written.expect("its own status is written"));
    let seen = api.get("pg").await.expect("the Postgres");
    assert_eq!(
        seen.status.and_then(|status| status.phase),
        Some(DatabasePhase::Halted)
    );

    api.delete("pg", &DeleteParams::default()).await.expect("it goes");
    api.create(&PostParams::default(), &postgres())
        .await
        .expect("another one");
    let written = runtime::patch_status(&server.client(), &former, &halted(), "test").await;
    let error = written.expect_err("nothing is written");
    assert!(error.is_conflict(), "{error:?}");
    let seen = api.get("pg").await.expect("the other one");
    assert_eq!(seen.status.and_then(|status| status.phase), None);
}
