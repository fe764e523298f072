//! The only writer besides `report`: carries out a plan's actions, in their order.

use api_types::vocabulary::{CHILDREN_MANAGER, FILES_TOKEN, FINALIZER, PROVISIONER};
use api_types::{Postgres, names};
use blueprint::AuthInForce;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use runtime::{ApplyError, ObjectId};
use serde_json::json;

use crate::child::Child;
use crate::controller::Context;
use crate::error::Error;
use crate::for_child;
use crate::members_tls::{self, IssueError, Order};
use crate::plan::Action;
use crate::world::World;

/// What was done, for Events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Children that did not exist before, in KubeDB's words.
    pub created: Vec<String>,
}

/// Carries out the actions; stops at the first that fails.
///
/// # Errors
/// The API server's response, naming the object.
pub async fn perform(context: &Context, world: &World, actions: &[Action]) -> Result<Done, Error> {
    let mut writer = Writer {
        context,
        world,
        postgres: world.postgres.as_ref().clone(),
        done: Done::default(),
    };
    for action in actions {
        writer.perform(action).await?;
    }
    Ok(writer.done)
}

struct Writer<'a> {
    context: &'a Context,
    world: &'a World,
    /// The Postgres as our own patches leave it.
    postgres: Postgres,
    done: Done,
}

impl Writer<'_> {
    async fn perform(&mut self, action: &Action) -> Result<(), Error> {
        let client = &self.context.client;
        match action {
            Action::AddFinalizer => self.finalizers(|list| list.push(FINALIZER.to_owned())).await?,
            Action::RemoveFinalizer => {
                self.finalizers(|list| list.retain(|name| name != FINALIZER))
                    .await?
            }
            Action::GrantSecrets => self.grant_secrets().await?,
            Action::NameAuthSecret(name) => self.name_auth_secret(name).await?,
            Action::CreateAuthSecret(resolved) => {
                let secret = blueprint::auth_secret(resolved, &runtime::password::random(), Timestamp::now());
                self.create_secret(secret.clone()).await?;
                if let Some(first) = first_credentials(&secret) {
                    let kept = first.secret(&resolved.namespace, &resolved.name);
                    self.keep_credentials(&kept).await?;
                }
            }
            Action::IssueMembersTls(order) => self.issue_members_tls(order).await?,
            Action::KeepCredentials(secret) => self.keep_credentials(secret).await?,
            Action::ReleaseAuthSecret(secret) => {
                let owners = secret.metadata.owner_references.clone().unwrap_or_default();
                let annotations = secret.metadata.annotations.clone().unwrap_or_default();
                let patch = json!({"metadata": {"ownerReferences": owners, "annotations": annotations}});
                runtime::merge_patch(client, secret.as_ref(), patch, PROVISIONER).await?;
            }
            Action::Apply(child) => self.apply(child).await?,
            Action::Delete(child) => {
                tracing::info!(kind = child.kind(), name = child.name(), "deleting");
                for_child!(child, object => runtime::delete(client, object).await.map(drop))?;
            }
            Action::DeleteSecret(secret) => drop(runtime::delete(client, secret.as_ref()).await?),
            Action::DeleteClaim(claim) => {
                tracing::info!(claim = claim.metadata.name, "deleting a volume claim");
                runtime::delete(client, claim.as_ref()).await?;
            }
            Action::DeleteConfigMap(map) => drop(runtime::delete(client, map.as_ref()).await?),
            Action::PublishCa { secret, patch } => {
                tracing::info!(
                    secret = secret.metadata.name,
                    "publishing the CAs that members trust"
                );
                runtime::merge_patch(client, secret.as_ref(), patch.clone(), PROVISIONER).await?;
            }
            Action::ConfigurePatroni { map, patch } => {
                tracing::info!(config_map = map.metadata.name, "giving Patroni other settings");
                runtime::merge_patch(client, map.as_ref(), patch.clone(), PROVISIONER).await?;
            }
            Action::GuardConfigMap(map) => self.guard(map).await?,
            Action::TouchPod { pod, token } => self.touch(pod, token).await?,
        }
        Ok(())
    }

    async fn finalizers(&mut self, change: impl FnOnce(&mut Vec<String>)) -> Result<(), Error> {
        let mut list = self.postgres.metadata.finalizers.clone().unwrap_or_default();
        change(&mut list);
        let patch = json!({"metadata": {"finalizers": list}});
        self.postgres =
            runtime::merge_patch(&self.context.client, &self.postgres, patch, PROVISIONER).await?;
        Ok(())
    }

    async fn name_auth_secret(&mut self, name: &str) -> Result<(), Error> {
        let kind = self
            .postgres
            .spec
            .auth_secret
            .as_ref()
            .map(|secret| secret.kind.clone());
        let kind = kind
            .filter(|kind| !kind.is_empty())
            .unwrap_or_else(|| "Secret".to_owned());
        let patch = json!({"spec": {"authSecret": {"kind": kind, "name": name}}});
        self.postgres =
            runtime::merge_patch(&self.context.client, &self.postgres, patch, PROVISIONER).await?;
        Ok(())
    }

    async fn grant_secrets(&self) -> Result<(), Error> {
        let access = &self.context.access;
        let account = (
            access.service_account.0.as_str(),
            access.service_account.1.as_str(),
        );
        let binding =
            blueprint::operator_role_binding(&self.postgres, OPERATOR, &access.cluster_role, account);
        tracing::info!(
            name = names::operator_role_binding(self.world.name(), OPERATOR),
            "binding ourselves to Secrets"
        );
        runtime::apply(&self.context.client, &binding, CHILDREN_MANAGER).await?;
        Ok(())
    }

    async fn create_secret(&self, secret: Secret) -> Result<(), Error> {
        let id = ObjectId::of(&secret);
        tracing::info!(name = id.name, "creating the auth Secret");
        let api: Api<Secret> = Api::namespaced(self.context.client.clone(), &id.namespace);
        let params = PostParams {
            field_manager: Some(CHILDREN_MANAGER.to_owned()),
            ..PostParams::default()
        };
        api.create(&params, &secret)
            .await
            .map_err(|source| ApplyError::new("create", id, source))?;
        Ok(())
    }

    async fn issue_members_tls(&self, order: &Order) -> Result<(), Error> {
        let name = names::members_tls_secret(self.world.name());
        tracing::info!(name, ca = ?order.ca, "issuing the certificates of members and operators");
        let issued = members_tls::issue(order, self.world.now);
        let issued = issued.map_err(|source| IssueError { secret: name, source })?;
        runtime::apply(
            &self.context.client,
            &issued.secret(&self.postgres),
            CHILDREN_MANAGER,
        )
        .await?;
        Ok(())
    }

    async fn keep_credentials(&self, secret: &Secret) -> Result<(), Error> {
        tracing::info!(
            name = secret.metadata.name,
            "writing the credentials that open the database"
        );
        runtime::apply(&self.context.client, secret, CHILDREN_MANAGER).await?;
        Ok(())
    }

    async fn apply(&mut self, child: &Child) -> Result<(), Error> {
        let is_new = self.world.find_live(child).is_none();
        tracing::info!(kind = child.kind(), name = child.name(), is_new, "applying");
        for_child!(child, object => {
            runtime::apply(&self.context.client, object, CHILDREN_MANAGER).await.map(drop)
        })
        .map_err(|error| not_applied(&self.world.postgres, child, error))?;
        if is_new {
            self.done.created.push(in_kubedbs_words(child, self.world.name()));
        }
        Ok(())
    }

    /// Without its resource version: Patroni writes the primary's key every few seconds.
    async fn guard(&self, map: &ConfigMap) -> Result<(), Error> {
        let id = ObjectId::of(map);
        tracing::info!(config_map = id.name, "guarding it against deployment tools");
        let api: Api<ConfigMap> = Api::namespaced(self.context.client.clone(), &id.namespace);
        let mut guards = blueprint::prune_guards();
        guards.retain(|key, _| !map.annotations().contains_key(key));
        let patch = json!({"metadata": {"uid": map.metadata.uid, "annotations": guards}});
        let params = PatchParams {
            field_manager: Some(PROVISIONER.to_owned()),
            ..PatchParams::default()
        };
        api.patch_metadata(&map.name_any(), &params, &Patch::Merge(patch))
            .await
            .map_err(|source| ApplyError::new("guard", id, source))?;
        Ok(())
    }

    async fn touch(&self, pod: &str, token: &str) -> Result<(), Error> {
        tracing::info!(pod, "touching a Pod so that its files are projected at once");
        let namespace = self.world.namespace();
        let api: Api<Pod> = Api::namespaced(self.context.client.clone(), namespace);
        let patch = json!({"metadata": {"annotations": {FILES_TOKEN: token}}});
        let params = PatchParams {
            field_manager: Some(PROVISIONER.to_owned()),
            ..PatchParams::default()
        };
        let id = || ObjectId {
            kind: "Pod".into(),
            namespace: namespace.to_owned(),
            name: pod.to_owned(),
        };
        api.patch_metadata(pod, &params, &Patch::Merge(patch))
            .await
            .map_err(|source| ApplyError::new("touch", id(), source))?;
        Ok(())
    }
}

/// The first credentials of a database, from an auth Secret that was made just now.
fn first_credentials(secret: &Secret) -> Option<AuthInForce<'_>> {
    let from = secret.metadata.name.as_deref()?;
    Some(AuthInForce::first(from, blueprint::credentials(secret)?))
}

/// Our part in the name of the RoleBinding.
const OPERATOR: &str = "provisioner";

/// An applied object need not exist, so "not found" is about its kind.
fn not_applied(postgres: &Postgres, child: &Child, error: ApplyError) -> Error {
    match (child, error) {
        (Child::Certificate(_), ApplyError::Gone { .. }) => Error::NoCertManager {
            postgres: format!(
                "{}/{}",
                postgres.namespace().unwrap_or_default(),
                postgres.name_any()
            ),
        },
        (_, error) => error.into(),
    }
}

fn in_kubedbs_words(child: &Child, db: &str) -> String {
    match child {
        Child::Service(_) if child.name() == names::governing_service(db) => "governing service".to_owned(),
        Child::AppBinding(_) => "appbinding".to_owned(),
        child => child.kind().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    /// The response for an unknown kind is a text, not a Status.
    #[test]
    fn a_cluster_without_cert_manager_is_told_apart_and_reported() {
        let postgres = json!({"metadata": {"name": "pg", "namespace": "shop"}, "spec": {"version": "17.4"}});
        let postgres: Postgres = serde_json::from_value(postgres).expect("a Postgres");
        let refused = |child: Child| {
            let answer = Status::failure("404 page not found", "Failed to parse error data").with_code(404);
            let id = ObjectId {
                kind: child.kind().into(),
                namespace: "shop".into(),
                name: "pg".into(),
            };
            not_applied(
                &postgres,
                &child,
                ApplyError::new("apply", id, kube::Error::Api(answer.boxed())),
            )
        };
        let error = refused(Child::Certificate(Box::default()));
        assert!(error.is_refusal(), "{error:?}");
        assert!(error.to_string().starts_with("shop/pg has spec.tls"), "{error}");
        assert!(error.to_string().ends_with("install cert-manager"), "{error}");
        assert!(!refused(Child::Service(k8s_openapi::api::core::v1::Service::default())).is_refusal());
    }
}
