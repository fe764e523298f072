//! The live children, by the names that the blueprint gives them.

use api_types::cert_manager::Certificate;
use api_types::tls::CertificateAlias;
use api_types::{AppBinding, PetSet, names};
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use runtime::ApplyError;

use super::Reader;
use crate::child::Child;
use crate::error::Error;

/// Reads all children but the config Secret.
pub async fn read(reader: &Reader<'_>) -> Result<Vec<Child>, Error> {
    let db = reader.name.as_str();
    let account = account(reader);
    let (standby, governing, stats) = (
        names::standby_service(db),
        names::governing_service(db),
        names::stats_service(db),
    );
    let (
        account,
        role,
        binding,
        primary,
        standby,
        governing,
        stats,
        budget,
        pet_set,
        app_binding,
        certificates,
    ) = tokio::try_join!(
        reader.get::<ServiceAccount>(&account),
        reader.get::<Role>(db),
        reader.get::<RoleBinding>(db),
        reader.get::<Service>(db),
        reader.get::<Service>(&standby),
        reader.get::<Service>(&governing),
        reader.get::<Service>(&stats),
        reader.get::<PodDisruptionBudget>(db),
        reader.get::<PetSet>(db),
        reader.get::<AppBinding>(db),
        certificates(reader),
    )?;
    let mut live = Vec::new();
    live.extend(account.map(Child::ServiceAccount));
    live.extend(role.map(Child::Role));
    live.extend(binding.map(Child::RoleBinding));
    live.extend(
        [primary, standby, governing, stats]
            .into_iter()
            .flatten()
            .map(Child::Service),
    );
    live.extend(budget.map(Child::PodDisruptionBudget));
    live.extend(pet_set.map(|it| Child::PetSet(Box::new(it))));
    live.extend(app_binding.map(|it| Child::AppBinding(Box::new(it))));
    live.extend(certificates);
    Ok(live)
}

/// Name of the Pods' service account: the user's, or the database's.
fn account(reader: &Reader<'_>) -> String {
    let pod = reader
        .postgres
        .spec
        .pod_template
        .as_ref()
        .and_then(|template| template.spec.as_ref());
    let named = pod
        .and_then(|pod| pod.service_account_name.as_deref())
        .filter(|name| !name.is_empty());
    named.unwrap_or(&reader.name).to_owned()
}

async fn certificates(reader: &Reader<'_>) -> Result<Vec<Child>, ApplyError> {
    if reader.postgres.spec.tls.is_none() {
        return Ok(Vec::new());
    }
    let read = CertificateAlias::ALL.map(|alias| async move {
        let name = names::certificate(&reader.name, alias);
        absent_with_its_kind(reader.get::<Certificate>(&name).await)
    });
    let found = futures::future::try_join_all(read).await?;
    Ok(found
        .into_iter()
        .flatten()
        .map(|certificate| Child::Certificate(Box::new(certificate)))
        .collect())
}

/// "Not found" on reading what may be absent is about the kind: without cert-manager there is no object of it. Applying
/// a Certificate reports the missing kind.
pub fn absent_with_its_kind<K>(found: Result<Option<K>, ApplyError>) -> Result<Option<K>, ApplyError> {
    match found {
        Err(ApplyError::Gone { .. }) => Ok(None),
        found => found,
    }
}
