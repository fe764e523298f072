//! The cluster and namespace that the command line names, and reading from it without taking unknown for no.

use std::fmt::Debug;

use api_types::Postgres;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Config, Resource};
use serde::de::DeserializeOwned;

use crate::cli::Connection;
use crate::exit::Error;

/// Where a command works.
#[derive(Clone)]
pub struct Target {
    /// Client as the kubeconfig's user.
    pub client: Client,
    /// Namespace of the flag, or of the kubeconfig's context.
    pub namespace: String,
    /// The user's name in the kubeconfig's context.
    pub user: Option<String>,
}

/// What came of reading something that a command can do without.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen<T> {
    /// It is there.
    Present(T),
    /// It is known not to be there.
    Absent,
    /// It could not be read; the message has the reason.
    Unknown(String),
}

impl<T> Seen<T> {
    /// What is there.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::Unknown(_) => None,
        }
    }

    /// Why it is not known.
    pub fn unknown(&self) -> Option<&str> {
        match self {
            Self::Unknown(why) => Some(why),
            Self::Present(_) | Self::Absent => None,
        }
    }

    /// Another view of what is there.
    pub fn map<U>(self, view: impl FnOnce(T) -> U) -> Seen<U> {
        match self {
            Self::Present(value) => Seen::Present(view(value)),
            Self::Absent => Seen::Absent,
            Self::Unknown(why) => Seen::Unknown(why),
        }
    }
}

impl Target {
    /// Reads the kubeconfig; connects to nothing yet. In a Pod without one, its ServiceAccount is used.
    ///
    /// # Errors
    /// When there is no kubeconfig, or it can't be used.
    pub async fn connect(connection: &Connection) -> Result<Self, Error> {
        let (config, user) = match kubeconfig(connection) {
            Ok(kubeconfig) => {
                let user = user(&kubeconfig, connection.context.as_deref());
                let options = KubeConfigOptions {
                    context: connection.context.clone(),
                    ..KubeConfigOptions::default()
                };
                (Config::from_custom_kubeconfig(kubeconfig, &options).await?, user)
            }
            Err(error) if connection.kubeconfig.is_some() || connection.context.is_some() => {
                return Err(error.into());
            }
            Err(error) => (Config::incluster().map_err(|_| error)?, None),
        };
        let namespace = connection.namespace.clone();
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).map_err(|error| Error::Client(Box::new(error)))?;
        Ok(Self {
            client,
            namespace,
            user,
        })
    }

    /// The objects of a kind in the namespace.
    pub fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The database.
    ///
    /// # Errors
    /// When it does not exist, or can't be read.
    pub async fn database(&self, name: &str) -> Result<Postgres, Error> {
        let doing = format!("reading Postgres {}/{name}", self.namespace);
        let found = self.api::<Postgres>().get_opt(name).await;
        found
            .map_err(|error| Error::api(doing, error))?
            .ok_or_else(|| Error::NotFound {
                what: format!("Postgres {}/{name}", self.namespace),
                advice:
                    "`kubectl get postgres --all-namespaces` lists those there are; -n names the namespace"
                        .to_owned(),
            })
    }

    /// An object that a command can do without.
    pub async fn look<K>(&self, name: &str) -> Seen<K>
    where
        K: Resource<Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
        K::DynamicType: Default,
    {
        match self.api::<K>().get_opt(name).await {
            Ok(Some(object)) => Seen::Present(object),
            Ok(None) => Seen::Absent,
            Err(error) => Seen::Unknown(reason(&error)),
        }
    }
}

/// An error of the API server in a few words.
pub fn reason(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

fn kubeconfig(connection: &Connection) -> Result<Kubeconfig, kube::config::KubeconfigError> {
    match &connection.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    }
}

/// The name under which the kubeconfig knows the user.
fn user(kubeconfig: &Kubeconfig, context: Option<&str>) -> Option<String> {
    let wanted = context.or(kubeconfig.current_context.as_deref())?;
    let named = kubeconfig.contexts.iter().find(|c| c.name == wanted)?;
    named.context.as_ref()?.user.clone()
}
