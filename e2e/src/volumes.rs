//! Volumes with a real size that grow, where the cluster has them.

use anyhow::Result;
use api_types::Postgres;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::{Api, Client};

/// A StorageClass whose volumes have the size that their claims request, and grow.
pub const EXPANDABLE: &str = "expand";

/// All StorageClasses.
pub fn classes(client: &Client) -> Api<StorageClass> {
    Api::all(client.clone())
}

/// Whether the cluster has volumes that grow; one that a provider brings may have none.
///
/// # Errors
/// When that could not be read.
pub async fn are_expandable(client: &Client) -> Result<bool> {
    let found = classes(client).get_opt(EXPANDABLE).await?;
    if found.is_none() {
        eprintln!("this cluster has no StorageClass {EXPANDABLE}: not tried");
    }
    Ok(found.is_some())
}

/// Lets the members have volumes of this StorageClass.
pub fn of_class(postgres: &mut Postgres, class: &str) {
    let storage = postgres.spec.storage.get_or_insert_default();
    storage.storage_class_name = Some(class.to_owned());
}
