//! The CustomResourceDefinitions of this API, generated from its types, and the chart that installs them.

mod chart;
mod fields;
mod limits;
mod schema;

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceValidation, JSONSchemaProps,
};
use kube::CustomResourceExt;
use schemars::JsonSchema;

pub use chart::{File, files};
pub use fields::{Field, Kind, kinds};

use crate::{AppBinding, PetSet, PlacementPolicy, Postgres, PostgresOpsRequest, PostgresVersion};

/// Label that KubeDB puts on its definitions, and its value.
const LABEL: (&str, &str) = ("app.kubernetes.io/name", "kubedb");

/// KubeDB's version of Postgres before `v1`.
const OLD_VERSION: &str = "v1alpha2";
const OLD_VERSION_WARNING: &str = "kubedb.com/v1alpha2 Postgres is served for old manifests; write kubedb.com/v1 and deletionPolicy instead of terminationPolicy";

/// All definitions, in the order of their names.
pub fn all() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![
        postgres(),
        definition::<PostgresOpsRequest>(|_| ()),
        definition::<PostgresVersion>(|_| ()),
        definition::<PetSet>(|_| ()),
        definition::<PlacementPolicy>(|_| ()),
        definition::<AppBinding>(|_| ()),
    ];
    crds.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
    crds
}

/// Paths of the fields of our own types in a kind, such as `.spec.tls.certificates[].alias`; for tests that have to
/// know whether they have seen every field.
pub fn own_fields<K: JsonSchema>() -> Vec<String> {
    schema::own_fields::<K>()
}

/// The definition of one kind; `adapt` changes its schema.
fn definition<K: CustomResourceExt + JsonSchema>(
    adapt: impl Fn(&mut JSONSchemaProps),
) -> CustomResourceDefinition {
    let mut crd = K::crd();
    crd.metadata.labels = Some(BTreeMap::from([(LABEL.0.to_owned(), LABEL.1.to_owned())]));
    let mut schema = schema::structural::<K>();
    adapt(&mut schema);
    for version in &mut crd.spec.versions {
        version.schema = Some(CustomResourceValidation {
            open_api_v3_schema: Some(schema.clone()),
        });
    }
    crd
}

/// A Postgres is served in KubeDB's old version too, with the same schema.
///
/// No webhook converts: one that is down would make every Postgres unreadable. The API server then changes nothing but
/// `apiVersion`, and drops on the way what the other version's schema does not have; so both have all fields, and
/// [`PostgresSpec::upgraded`](crate::postgres::PostgresSpec::upgraded) gives the old ones their meaning.
fn postgres() -> CustomResourceDefinition {
    let mut crd = definition::<Postgres>(limits::limit_postgres);
    let mut old = crd.spec.versions[0].clone();
    old.name = OLD_VERSION.to_owned();
    old.storage = false;
    old.deprecated = Some(true);
    old.deprecation_warning = Some(OLD_VERSION_WARNING.to_owned());
    if let Some(schema) = old.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) {
        schema::without_descriptions(schema);
    }
    crd.spec.versions.push(old);
    crd
}
