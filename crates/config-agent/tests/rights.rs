//! Which rights a watch needs, and which ones somebody needs who gives them away: asked of a real API server.
#![allow(clippy::unwrap_used, reason = "a failed step fails its test")]

use std::sync::Arc;
use std::time::Duration;

use config_agent::source::{News, Source, follow};
use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use testkit::apiserver::{self, ApiServer};
use tokio::time::{interval, timeout};

/// Longest time until rights are in force or something is heard.
const EVENT_TIMEOUT: Duration = Duration::from_secs(20);
const SECRET: &str = "pg-abc123";

fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).unwrap()
}

fn secret(name: &str, text: &str) -> Secret {
    object(json!({"metadata": {"name": name}, "stringData": {"user.conf": text}}))
}

fn role(name: &str, rules: &Value) -> Role {
    object(json!({"metadata": {"name": name}, "rules": rules}))
}

/// What the Pods' Role says of Secrets, with these verbs.
fn of_one_secret(verbs: &[&str]) -> Value {
    json!([{"apiGroups": [""], "resources": ["secrets"], "resourceNames": [SECRET], "verbs": verbs}])
}

async fn give(client: &Client, namespace: &str, user: &str, rules: &Value) {
    let params = PostParams::default();
    let roles = Api::<Role>::namespaced(client.clone(), namespace);
    roles.create(&params, &role(user, rules)).await.unwrap();
    let binding: RoleBinding = object(json!({
        "metadata": {"name": user},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": user},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }));
    let bindings = Api::<RoleBinding>::namespaced(client.clone(), namespace);
    bindings.create(&params, &binding).await.unwrap();
}

async fn server(namespace: &str) -> Option<Arc<ApiServer>> {
    let server = apiserver::shared(&[]).await?;
    server.namespace(namespace).await.unwrap();
    Some(server)
}

fn followed_as(server: &ApiServer, user: &str, namespace: &str, name: &str) -> BoxStream<'static, News> {
    let mut config = server.config();
    config.auth_info.impersonate = Some(user.to_owned());
    follow(Source {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        config: Some(config),
    })
}

/// The first news of this kind; until rights are in force, others come.
async fn heard<T>(news: &mut BoxStream<'static, News>, wanted: impl Fn(News) -> Option<T>) -> T {
    let look = async {
        while let Some(news) = news.next().await {
            if let Some(found) = wanted(news) {
                return found;
            }
        }
        unreachable!("the stream does not end")
    };
    timeout(EVENT_TIMEOUT, look).await.expect("it is heard")
}

fn text(news: News) -> Option<String> {
    match news {
        News::Is(content) => String::from_utf8(content.data["user.conf"].clone()).ok(),
        _ => None,
    }
}

#[tokio::test]
async fn to_watch_one_secret_needs_the_verb_watch_for_its_name_and_nothing_else() {
    const NAMESPACE: &str = "agent-watch";
    let Some(server) = server(NAMESPACE).await else {
        return;
    };
    let client = server.client();
    let secrets = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
    for name in [SECRET, "another"] {
        secrets
            .create(&PostParams::default(), &secret(name, "1"))
            .await
            .unwrap();
    }
    give(&client, NAMESPACE, "member", &of_one_secret(&["watch"])).await;

    let mut news = followed_as(&server, "member", NAMESPACE, SECRET);
    assert_eq!(
        heard(&mut news, text).await,
        "1",
        "it begins with the Secret as it is"
    );
    let change = Patch::Merge(json!({"stringData": {"user.conf": "2"}}));
    secrets
        .patch(SECRET, &PatchParams::default(), &change)
        .await
        .unwrap();
    assert_eq!(heard(&mut news, text).await, "2");
    secrets.delete(SECRET, &DeleteParams::default()).await.unwrap();
    heard(&mut news, |news| (news == News::Gone).then_some(())).await;

    let mut news = followed_as(&server, "member", NAMESPACE, "another");
    let first = heard(&mut news, Some).await;
    assert!(
        matches!(&first, News::Failing(why) if why.contains("forbidden")),
        "{first:?}"
    );
}

#[tokio::test]
async fn whoever_holds_watch_on_secrets_may_give_it_for_one_and_gives_nothing_that_he_has_not() {
    const NAMESPACE: &str = "agent-give";
    let Some(server) = server(NAMESPACE).await else {
        return;
    };
    // As the chart of the provisioner has it.
    let rules = json!([
        {"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles"], "verbs": ["get", "create", "patch"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create", "patch", "delete", "watch"]},
    ]);
    give(&server.client(), NAMESPACE, "maker", &rules).await;
    let mut config = server.config();
    config.auth_info.impersonate = Some("maker".to_owned());
    let roles = Api::<Role>::namespaced(Client::try_from(config).unwrap(), NAMESPACE);
    let params = PostParams::default();
    let in_force = async {
        let mut tick = interval(Duration::from_millis(100));
        loop {
            tick.tick().await;
            if roles
                .create(&params, &role("pods", &of_one_secret(&["watch"])))
                .await
                .is_ok()
            {
                return;
            }
        }
    };
    timeout(EVENT_TIMEOUT, in_force)
        .await
        .expect("the Role can be made");
    let more = roles
        .create(&params, &role("more", &of_one_secret(&["list"])))
        .await;
    let error = more.unwrap_err().to_string();
    assert!(error.contains("not currently held"), "{error}");
}
