//! The PostgresVersions that there are, and which PostgreSQL is in an image.

use api_types::deployed::{Deployed, DeployedVersion};

use super::*;

impl Cluster {
    fn catalog(&self) -> impl Iterator<Item = &PostgresVersion> {
        self.other_versions.iter().chain([&self.version])
    }

    /// The catalog as a look finds it, with a name that it lacks.
    pub(super) fn versions(&self) -> BTreeMap<String, Observed<PostgresVersion>> {
        let found = |version: &PostgresVersion| {
            let name = version.metadata.name.clone().unwrap_or_default();
            (name, Observed::Present(version.clone()))
        };
        let lacking = ("17.99".to_owned(), Observed::Absent);
        self.catalog().map(found).chain([lacking]).collect()
    }

    /// The PostgresVersion that the spec names.
    pub fn version_of_spec(&self) -> &PostgresVersion {
        let name = &self.postgres.spec.version;
        let is_named = |version: &&PostgresVersion| version.metadata.name.as_ref() == Some(name);
        self.catalog().find(is_named).unwrap_or(&self.version)
    }

    /// Images that members run.
    pub fn images(&self) -> BTreeSet<&str> {
        self.pods.values().map(|pod| pod.image.as_str()).collect()
    }

    /// What a server of this image answers to `SHOW server_version_num`: the tag tells, where there is one.
    pub(super) fn version_in(&self, image: &str) -> i32 {
        let tag = image.split(':').nth(1).filter(|tag| *tag != "rebuilt");
        let version = tag.unwrap_or(&self.version.spec.version);
        api_types::version::server_version_num(version).unwrap_or_default()
    }
}

/// An entry of the catalog.
pub fn postgres_version(name: &str, image: &str) -> PostgresVersion {
    let text = format!(
        "{{apiVersion: catalog.kubedb.com/v1alpha1, kind: PostgresVersion, metadata: {{name: '{name}'}}, spec: {{version: '{name}', \
         db: {{image: '{image}'}}, coordinator: {{image: none}}, exporter: {{image: none}}, podSecurityPolicies: {{databasePolicyName: none}}}}}}"
    );
    serde_yaml::from_str(&text).expect("a PostgresVersion")
}

/// Versions beside the one that databases are made with.
pub(super) fn others() -> Vec<PostgresVersion> {
    ["17.10", "17.13", "18.3"]
        .map(|name| postgres_version(name, &format!("postgres:{name}")))
        .into()
}

/// What the provisioner notes of a database of this version.
pub(super) fn deployed(version: &PostgresVersion) -> Deployed {
    let version = DeployedVersion {
        name: version.metadata.name.clone().unwrap_or_default(),
        major: version.spec.major().expect("a major version"),
        image: version.spec.db.image.clone(),
    };
    Deployed {
        version,
        auth: None,
        storage: None,
        replicas: None,
        run_as_user: Some(999),
        run_as_group: Some(999),
    }
}
