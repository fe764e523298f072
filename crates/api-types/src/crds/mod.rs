//! The CustomResourceDefinitions of this API, generated from its types, and the chart that installs them.

mod chart;
mod schema;

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceValidation,
};
use kube::CustomResourceExt;
use schemars::JsonSchema;

pub use chart::{File, files};

use crate::{AppBinding, PetSet, PlacementPolicy, Postgres, PostgresOpsRequest, PostgresVersion};

/// Label that KubeDB puts on its definitions, and its value.
const LABEL: (&str, &str) = ("app.kubernetes.io/name", "kubedb");

/// All definitions, in the order of their names.
pub fn all() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![
        definition::<Postgres>(),
        definition::<PostgresOpsRequest>(),
        definition::<PostgresVersion>(),
        definition::<PetSet>(),
        definition::<PlacementPolicy>(),
        definition::<AppBinding>(),
    ];
    crds.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    crds
}

fn definition<K: CustomResourceExt + JsonSchema>() -> CustomResourceDefinition {
    let mut crd = K::crd();
    crd.metadata.labels = Some(BTreeMap::from([(LABEL.0.to_owned(), LABEL.1.to_owned())]));
    let schema = schema::structural::<K>();
    for version in &mut crd.spec.versions {
        version.schema = Some(CustomResourceValidation {
            open_api_v3_schema: Some(schema.clone()),
        });
    }
    crd
}
