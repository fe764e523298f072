//! Single objects and lists of one namespace.

use std::fmt::Debug;

use api_types::cert_manager::{ClusterIssuer, Issuer, IssuerStatus};
use api_types::tls::IssuerRef;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::api::ListParams;
use kube::{Api, Client, Resource};
use runtime::{ApplyError, ObjectId, error_chain};
use serde::de::DeserializeOwned;

use crate::world::{IssuerState, Observed};

/// Reads objects of one namespace.
pub struct Reader<'a> {
    client: &'a Client,
    namespace: &'a str,
}

impl<'a> Reader<'a> {
    /// A reader of this namespace.
    pub fn new(client: &'a Client, namespace: &'a str) -> Self {
        Self { client, namespace }
    }

    /// The object of this name.
    pub async fn look<K>(&self, name: &str) -> Observed<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        observed(Api::<K>::namespaced(self.client.clone(), self.namespace), name).await
    }

    /// The object of this name that belongs to the whole cluster.
    pub async fn look_in_cluster<K>(&self, name: &str) -> Observed<K>
    where
        K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + Debug + DeserializeOwned,
    {
        observed(Api::<K>::all(self.client.clone()), name).await
    }

    /// The objects that carry these labels; all when `labels` is empty.
    pub async fn list<K>(&self, labels: &str) -> Result<Vec<K>, ApplyError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), self.namespace);
        let found = api
            .list(&ListParams::default().labels(labels))
            .await
            .map_err(|source| {
                let object = ObjectId {
                    kind: K::kind(&()).into_owned(),
                    namespace: self.namespace.to_owned(),
                    name: labels.to_owned(),
                };
                ApplyError::new("list", object, source)
            })?;
        Ok(found.items)
    }

    /// Whether an issuer can sign.
    pub async fn issuer(&self, issuer: &IssuerRef) -> Observed<IssuerState> {
        match issuer.kind.as_str() {
            "ClusterIssuer" => self
                .look_in_cluster::<ClusterIssuer>(&issuer.name)
                .await
                .map(|it| state(it.status)),
            _ => self.look::<Issuer>(&issuer.name).await.map(|it| state(it.status)),
        }
    }
}

fn state(status: Option<IssuerStatus>) -> IssuerState {
    let conditions = status.unwrap_or_default().conditions;
    match conditions.iter().find(|condition| condition.type_ == "Ready") {
        Some(ready) => IssuerState {
            ready: ready.status == "True",
            message: ready.message.clone().unwrap_or_default(),
        },
        None => IssuerState {
            ready: false,
            message: "cert-manager has not said so yet".to_owned(),
        },
    }
}

async fn observed<K>(api: Api<K>, name: &str) -> Observed<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    // An empty name would be a list, not an object.
    if name.is_empty() {
        return Observed::Absent;
    }
    match api.get_opt(name).await {
        Ok(Some(object)) => Observed::Present(object),
        Ok(None) => Observed::Absent,
        Err(error) => Observed::Unknown(error_chain(&error)),
    }
}
