//! The cluster that KUBECONFIG names, and namespaces that exist as long as one test.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use futures::FutureExt;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config, Resource};
use serde_json::json;

use crate::{diagnosis, install, wait};

/// Field manager of everything that tests and the demo write.
pub const FIELD_MANAGER: &str = "sealwright-e2e";
/// Label of the namespaces made here; nothing without it is ever deleted.
pub const MADE_HERE: &str = "sealwright.dev/e2e";
/// Label by which the API server holds a namespace to a Pod Security Standard.
pub const ENFORCE: &str = "pod-security.kubernetes.io/enforce";
/// The strictest of the Pod Security Standards.
pub const RESTRICTED: &str = "restricted";
/// Set to keep the namespaces of tests for a look around.
pub const KEEP: &str = "SEALWRIGHT_E2E_KEEP";

const NAMESPACE_DELETION_TIMEOUT: Duration = Duration::from_secs(120);

/// The cluster under test.
#[derive(Clone)]
pub struct Cluster {
    /// Client as the kubeconfig's user.
    pub client: Client,
}

impl Cluster {
    /// Connects by KUBECONFIG (or `~/.kube/config`), and asks for the version so that a wrong one is told here.
    pub async fn connect() -> Result<Self> {
        const HELP: &str = "the end-to-end tests need a cluster: `make cluster` starts one (then \
                            `. hack/environment.sh`), or set KUBECONFIG to yours";
        // Another crate of the build may link a second provider; rustls then wants a choice. Chosen before: fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let kubeconfig = Kubeconfig::read().context(HELP)?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .context(HELP)?;
        let client = Client::try_from(config).context(HELP)?;
        let version = client.apiserver_version().await.context(HELP)?;
        if version.major != "1" {
            return Err(anyhow!(
                "Kubernetes {}.{} is not known",
                version.major,
                version.minor
            ));
        }
        Ok(Self { client })
    }

    /// Makes the namespace, or takes over the one that was made here before.
    pub async fn namespace(&self, name: &str) -> Result<TestNamespace> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let body = json!({
            "apiVersion": "v1", "kind": "Namespace",
            "metadata": { "name": name, "labels": {
                MADE_HERE: "true",
                ENFORCE: RESTRICTED,
            }},
        });
        api.patch(
            name,
            &PatchParams::apply(FIELD_MANAGER).force(),
            &Patch::Apply(body),
        )
        .await
        .with_context(|| format!("namespace {name} can't be made"))?;
        Ok(TestNamespace {
            client: self.client.clone(),
            name: name.to_owned(),
        })
    }

    /// Deletes a namespace that was made here, with everything in it; refuses any other. No such: fine.
    pub async fn remove_namespace(&self, name: &str) -> Result<()> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let Some(namespace) = api.get_opt(name).await? else {
            return Ok(());
        };
        if !namespace
            .metadata
            .labels
            .as_ref()
            .is_some_and(|l| l.contains_key(MADE_HERE))
        {
            return Err(anyhow!(
                "namespace {name} is in use by somebody else; it was not made here"
            ));
        }
        let here = TestNamespace {
            client: self.client.clone(),
            name: name.to_owned(),
        };
        here.remove().await
    }
}

/// One test's namespace.
#[derive(Clone)]
pub struct TestNamespace {
    /// Client as the kubeconfig's user.
    pub client: Client,
    /// Its name.
    pub name: String,
}

impl TestNamespace {
    /// The objects of a kind in this namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.name)
    }

    /// The Pods of this namespace.
    pub fn pods(&self) -> Api<Pod> {
        self.api()
    }

    /// Deletes the databases first, so that their operators clean up, then the namespace; waits until it is gone.
    pub async fn remove(&self) -> Result<()> {
        let everything = (DeleteParams::default(), kube::api::ListParams::default());
        // A database that must not be deleted is still only a test's: say so in its spec first.
        let databases: Api<api_types::Postgres> = self.api();
        for db in databases
            .list(&everything.1)
            .await
            .map(|l| l.items)
            .unwrap_or_default()
        {
            let name = db.metadata.name.unwrap_or_default();
            let wipe = json!({ "spec": { "deletionPolicy": "WipeOut" } });
            let _ = databases
                .patch(&name, &PatchParams::default(), &Patch::Merge(wipe))
                .await;
        }
        let requests: Api<api_types::PostgresOpsRequest> = self.api();
        let _ = requests.delete_collection(&everything.0, &everything.1).await;
        let _ = databases.delete_collection(&everything.0, &everything.1).await;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let Some(found) = namespaces.get_opt(&self.name).await? else {
            return Ok(());
        };
        let uid = found.metadata.uid.unwrap_or_default();
        namespaces.delete(&self.name, &DeleteParams::default()).await?;
        wait::gone(&namespaces, &self.name, &uid, NAMESPACE_DELETION_TIMEOUT).await
    }
}

/// Runs a test in a namespace of its own. When the test fails or panics, what is needed to understand it is written
/// to a folder whose path is printed; then the namespace is removed, unless [`KEEP`] is set.
pub async fn in_namespace<F, Fut>(test: &str, body: F) -> Result<()>
where
    F: FnOnce(TestNamespace) -> Fut,
    Fut: Future<Output = Result<()>>,
{
    let cluster = Cluster::connect().await?;
    install::once(&cluster).await?;
    let name = format!("{test}-{:04x}", rand::random::<u16>());
    let namespace = cluster.namespace(&name).await?;
    let result = AssertUnwindSafe(body(namespace.clone())).catch_unwind().await;
    let result = result.unwrap_or_else(|panic| Err(anyhow!("panicked: {}", panic_message(&*panic))));
    if result.is_err() {
        let folder = diagnosis_folder(&name);
        match diagnosis::collect(&namespace, &folder).await {
            Ok(()) => eprintln!("{name}: what was there when it failed is in {}", folder.display()),
            Err(error) => eprintln!("{name}: the diagnosis itself failed: {error:#}"),
        }
    }
    if std::env::var_os(KEEP).is_some() {
        eprintln!("{name}: kept, as {KEEP} says");
        return result;
    }
    let removed = namespace
        .remove()
        .await
        .context("the test's namespace must be removable");
    result.and(removed)
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
        .to_owned()
}

/// `target/e2e/<name>` of this workspace.
fn diagnosis_folder(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"),
        PathBuf::from,
    );
    target.join("e2e").join(name)
}
