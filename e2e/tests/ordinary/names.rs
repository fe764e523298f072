//! Whose is it: marks of deployment tools, names that somebody else has, the identity of the Pods.

use anyhow::{Context, Result, ensure};
use api_types::vocabulary::PRUNE_GUARDS;
use api_types::{PetSet, Postgres, names};
use e2e::cluster::{TestNamespace, in_namespace};
use e2e::{manifests, members, wait};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{PROVISIONING_TIMEOUT, REPORT_TIMEOUT, healed, reported};

/// What deployment tools write on what they apply.
const MARKS: [(&str, &str); 5] = [
    ("argocd.argoproj.io/instance", "shop"),
    ("app.kubernetes.io/managed-by", "Helm"),
    ("helm.sh/chart", "shop-1.0.0"),
    ("kustomize.toolkit.fluxcd.io/name", "shop"),
    ("kapp.k14s.io/app", "1700000000"),
];

/// Longest name of a database: `<name>-0` is a host name.
fn longest_name() -> String {
    format!("db-{}", "x".repeat(58))
}

async fn standalone(
    namespace: &TestNamespace,
    name: &str,
    change: impl FnOnce(&mut Postgres),
) -> Result<Postgres> {
    manifests::create_postgres(namespace, manifests::STANDALONE, |postgres| {
        postgres.metadata.name = Some(name.to_owned());
        change(postgres);
    })
    .await
}

async fn create<K>(namespace: &TestNamespace, object: Value) -> Result<()>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let object: K = serde_json::from_value(object).context("an object")?;
    namespace.api().create(&PostParams::default(), &object).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_of_deployment_tools_stay_on_the_postgres_and_what_has_no_owner_is_guarded() -> Result<()> {
    in_namespace("marks", |namespace| async move { marks(&namespace).await }).await
}

/// With the longest name that a database can have; a second one whose name begins alike is told so.
async fn marks(namespace: &TestNamespace) -> Result<()> {
    let name = longest_name();
    let mark = |postgres: &mut Postgres| {
        let labels = postgres.labels_mut();
        labels.extend(MARKS.map(|(key, value)| (key.to_owned(), value.to_owned())));
        // Argo CD's application is called like the database.
        labels.insert("app.kubernetes.io/instance".to_owned(), longest_name());
        labels.insert("team".to_owned(), "a".to_owned());
        let tracking = "argocd.argoproj.io/tracking-id".to_owned();
        postgres.annotations_mut().insert(tracking, "shop".to_owned());
    };
    standalone(namespace, &name, mark).await?;
    wait::database_ready(&namespace.api(), &name, PROVISIONING_TIMEOUT).await?;

    let claim: PersistentVolumeClaim = namespace.api().get(&names::data_claim(&name, 0)).await?;
    unmarked(&claim)?;
    guarded(&claim)?;
    unmarked(&namespace.api::<PetSet>().get(&name).await?)?;
    unmarked(&namespace.pods().get(&names::pod(&name, 0)).await?)?;
    unmarked(&namespace.api::<Secret>().get(&names::auth_secret(&name)).await?)?;
    guarded(&namespace.api::<Secret>().get(&names::auth_secret(&name)).await?)?;
    unmarked(&namespace.api::<Service>().get(&name).await?)?;
    for suffix in ["config", "leader"] {
        let is_guarded = |map: &ConfigMap| guarded(map).is_ok();
        let map = names::patroni_map(&name, suffix);
        wait::until(
            &namespace.api(),
            &map,
            "guarded",
            PROVISIONING_TIMEOUT,
            is_guarded,
        )
        .await?;
    }

    let other = format!("db-{}y", "x".repeat(57));
    standalone(namespace, &other, |_| ()).await?;
    let why = reported(namespace, &other, "Ready", "False", "NameTaken").await?;
    ensure!(why.contains(&name), "a Secret of the first one: {why}");
    let first = namespace.api::<Postgres>().get(&name).await?;
    ensure!(wait::is_ready(&first), "the first one goes on");
    Ok(())
}

fn unmarked<K: Resource<DynamicType = ()>>(object: &K) -> Result<()> {
    let what = format!("{} {}", K::kind(&()), object.name_any());
    for (key, value) in MARKS {
        let found = object.labels().get(key).or(object.annotations().get(key));
        ensure!(found.is_none_or(|found| found != value), "{what} has {key}");
    }
    let tracking = object.annotations().get("argocd.argoproj.io/tracking-id");
    ensure!(tracking.is_none(), "{what} has a tracking-id");
    ensure!(
        object.labels().get("team").map(String::as_str) == Some("a"),
        "{what} lacks the user's own label"
    );
    Ok(())
}

fn guarded<K: Resource<DynamicType = ()>>(object: &K) -> Result<()> {
    for (key, value) in PRUNE_GUARDS {
        let found = object.annotations().get(key);
        ensure!(
            found.map(String::as_str) == Some(value),
            "{} {}: {key} is {found:?}",
            K::kind(&()),
            object.name_any()
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_a_name_that_the_database_needs_is_named_and_left_alone() -> Result<()> {
    in_namespace("taken", |namespace| async move { taken(&namespace).await }).await
}

async fn taken(namespace: &TestNamespace) -> Result<()> {
    let labels = json!({"app.kubernetes.io/instance": "web"});
    let meta = |name: &str| json!({"name": name, "labels": labels});
    let map = json!({"metadata": meta("pg-config"), "data": {"key": "theirs"}});
    create::<ConfigMap>(namespace, map).await?;
    let service =
        json!({"metadata": meta("pg-pods"), "spec": {"ports": [{"port": 80}], "selector": {"app": "web"}}});
    create::<Service>(namespace, service).await?;
    create::<ServiceAccount>(namespace, json!({"metadata": meta("pg")})).await?;
    let claim = json!({"metadata": meta("data-pg-0"), "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
    create::<PersistentVolumeClaim>(namespace, claim).await?;

    standalone(namespace, "pg", |_| ()).await?;
    let why = reported(namespace, "pg", "Ready", "False", "NameTaken").await?;
    for object in [
        "ConfigMap pg-config",
        "Service pg-pods",
        "ServiceAccount pg",
        "PersistentVolumeClaim data-pg-0",
    ] {
        let whose = format!("{object} has a name that database pg needs, and belongs to web by its label");
        ensure!(why.contains(&whose), "{object}: {why}");
    }
    let pet_set = namespace.api::<PetSet>().get_opt("pg").await?;
    ensure!(pet_set.is_none(), "members were made beside them");
    let map: ConfigMap = namespace.api().get("pg-config").await?;
    ensure!(
        map.data.is_some_and(|data| data["key"] == "theirs"),
        "the ConfigMap was changed"
    );

    let now = DeleteParams::default();
    namespace.api::<ConfigMap>().delete("pg-config", &now).await?;
    namespace.api::<Service>().delete("pg-pods", &now).await?;
    namespace.api::<ServiceAccount>().delete("pg", &now).await?;
    namespace
        .api::<PersistentVolumeClaim>()
        .delete("data-pg-0", &now)
        .await?;
    healed(namespace, "pg").await?;
    second_database(namespace).await
}

/// A second database is called like the first one's standby Service.
async fn second_database(namespace: &TestNamespace) -> Result<()> {
    standalone(namespace, "pg-standby", |_| ()).await?;
    let is_there = |_: &Service| true;
    wait::until(
        &namespace.api(),
        "pg-standby",
        "a Service",
        REPORT_TIMEOUT,
        is_there,
    )
    .await?;
    let more = json!({"spec": {"replicas": 2}});
    let api = namespace.api::<Postgres>();
    api.patch("pg", &PatchParams::default(), &Patch::Merge(more))
        .await?;
    let why = reported(namespace, "pg", "SpecApplied", "False", "NameTaken").await?;
    ensure!(
        why.contains("Service pg-standby") && why.contains("belongs to Postgres pg-standby"),
        "{why}"
    );
    let service: Service = namespace.api().get("pg-standby").await?;
    let selects = service.spec.and_then(|spec| spec.selector).unwrap_or_default();
    ensure!(
        selects.get("app.kubernetes.io/instance").map(String::as_str) == Some("pg-standby"),
        "the other database's Service was changed: {selects:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn members_have_their_token_whatever_the_service_account_says() -> Result<()> {
    in_namespace("token", |namespace| async move { token(&namespace).await }).await
}

async fn token(namespace: &TestNamespace) -> Result<()> {
    let account = json!({"metadata": {"name": "mine"}, "automountServiceAccountToken": false});
    create::<ServiceAccount>(namespace, account).await?;
    standalone(namespace, "pg", |postgres| {
        let pod = postgres
            .spec
            .pod_template
            .get_or_insert_default()
            .spec
            .get_or_insert_default();
        pod.service_account_name = Some("mine".to_owned());
        pod.automount_service_account_token = Some(false);
    })
    .await?;
    let why = reported(namespace, "pg", "Ready", "False", "InvalidSpec").await?;
    ensure!(
        why.contains("spec.podTemplate.spec.automountServiceAccountToken"),
        "{why}"
    );
    let corrected = json!({"spec": {"podTemplate": {"spec": {"automountServiceAccountToken": null}}}});
    let api = namespace.api::<Postgres>();
    api.patch("pg", &PatchParams::default(), &Patch::Merge(corrected))
        .await?;
    healed(namespace, "pg").await?;

    let own = json!({"automountServiceAccountToken": false});
    namespace
        .api::<ServiceAccount>()
        .patch("mine", &PatchParams::default(), &Patch::Merge(own))
        .await?;
    let primary = members::primary(namespace, "pg").await?;
    namespace
        .pods()
        .delete(&primary.name, &DeleteParams::default())
        .await?;
    wait::gone(
        &namespace.pods(),
        &primary.name,
        &primary.uid,
        PROVISIONING_TIMEOUT,
    )
    .await?;
    let is_ready = |pod: &k8s_openapi::api::core::v1::Pod| members::Member::of(pod).ready;
    wait::until(
        &namespace.pods(),
        &primary.name,
        "ready again",
        PROVISIONING_TIMEOUT,
        is_ready,
    )
    .await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_that_the_image_does_not_know_is_refused_and_the_corrected_spec_heals() -> Result<()> {
    in_namespace("user", |namespace| async move {
        standalone(&namespace, "pg", |postgres| {
            let pod = postgres
                .spec
                .pod_template
                .get_or_insert_default()
                .spec
                .get_or_insert_default();
            let context = json!({"runAsUser": 1001, "fsGroup": 2000});
            pod.security_context = serde_json::from_value(context).ok();
        })
        .await?;
        let why = reported(&namespace, "pg", "Ready", "False", "InvalidSpec").await?;
        ensure!(
            why.contains("spec.podTemplate.spec.securityContext") && why.contains("user and group 999"),
            "{why}"
        );
        let corrected = json!({"spec": {"podTemplate": {"spec": {"securityContext": {"runAsUser": 999}}}}});
        let api = namespace.api::<Postgres>();
        api.patch("pg", &PatchParams::default(), &Patch::Merge(corrected))
            .await?;
        healed(&namespace, "pg").await
    })
    .await
}
