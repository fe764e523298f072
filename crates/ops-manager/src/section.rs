//! Groups of fields of `Postgres.spec` that one kind of operation changes, and the patch between two values of a group.

use api_types::Postgres;
use api_types::ops_request::{
    AuthSettings, ConfigurationSettings, MemberCount, ResourceSettings, TlsSettings, VersionName, VolumeSize,
};
use api_types::postgres::PostgresSpec;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::effect::Effect;
use crate::operation::Operation;
use crate::step::{Progress, StepResult};
use crate::waiting::WaitingOn;
use crate::world::World;

/// A group of fields of `Postgres.spec`.
pub trait Section: Clone + PartialEq + Serialize + DeserializeOwned {
    /// The fields, for messages to users.
    const FIELDS: &'static str;

    /// Their values in a spec.
    fn of(spec: &PostgresSpec) -> Self;

    /// Writes these values into a spec, and changes nothing else in it.
    fn write(&self, spec: &mut PostgresSpec);
}

impl Section for TlsSettings {
    const FIELDS: &'static str = "spec.tls, sslMode or clientAuthMode";

    fn of(spec: &PostgresSpec) -> Self {
        Self::of(spec)
    }

    fn write(&self, spec: &mut PostgresSpec) {
        self.write(spec);
    }
}

impl Section for MemberCount {
    const FIELDS: &'static str = "spec.replicas";

    fn of(spec: &PostgresSpec) -> Self {
        Self::of(spec)
    }

    fn write(&self, spec: &mut PostgresSpec) {
        self.write(spec);
    }
}

impl Section for ResourceSettings {
    const FIELDS: &'static str =
        "spec.podTemplate.spec.containers[postgres].resources or spec.monitor.prometheus.exporter.resources";

    fn of(spec: &PostgresSpec) -> Self {
        Self::of(spec)
    }

    fn write(&self, spec: &mut PostgresSpec) {
        self.write(spec);
    }
}

impl Section for AuthSettings {
    const FIELDS: &'static str = "spec.authSecret";

    fn of(spec: &PostgresSpec) -> Self {
        Self::of(spec)
    }

    fn write(&self, spec: &mut PostgresSpec) {
        self.write(spec);
    }
}

impl Section for ConfigurationSettings {
    const FIELDS: &'static str = "spec.configuration or spec.configSecret";

    fn of(spec: &PostgresSpec) -> Self {
        Self::of(spec)
    }

    fn write(&self, spec: &mut PostgresSpec) {
        self.write(spec);
    }
}

impl Section for VolumeSize {
    const FIELDS: &'static str = "spec.storage.resources.requests.storage";

    fn of(spec: &PostgresSpec) -> Self {
        Self::of(spec)
    }

    fn write(&self, spec: &mut PostgresSpec) {
        self.write(spec);
    }
}

impl Section for VersionName {
    const FIELDS: &'static str = "spec.version";

    fn of(spec: &PostgresSpec) -> Self {
        Self::of(spec)
    }

    fn write(&self, spec: &mut PostgresSpec) {
        self.write(spec);
    }
}

/// The change of a spec from one value of a [`Section`] to another. It applies only while the spec has the first value.
#[derive(Clone, Debug)]
pub struct SpecPatch {
    found: Value,
    wanted: Value,
    read: fn(&PostgresSpec) -> Value,
    write: fn(&Value, &mut PostgresSpec),
}

impl PartialEq for SpecPatch {
    fn eq(&self, other: &Self) -> bool {
        (&self.found, &self.wanted) == (&other.found, &other.wanted)
    }
}

impl SpecPatch {
    /// The change from `found` to `wanted`.
    pub fn between<S: Section>(found: &S, wanted: &S) -> Self {
        Self {
            found: value(found),
            wanted: value(wanted),
            read: |spec| value(&S::of(spec)),
            write: |wanted, spec| {
                if let Ok(wanted) = serde_json::from_value::<S>(wanted.clone()) {
                    wanted.write(spec);
                }
            },
        }
    }

    /// The JSON merge patch (RFC 7396) of the spec; `None` when the spec has neither value, or the wanted one already. A
    /// list in it is whole, so the patch counts only for the object that it was made of.
    pub fn merge_patch(&self, spec: &PostgresSpec) -> Option<Value> {
        if (self.read)(spec) != self.found {
            return None;
        }
        let mut wanted = spec.clone();
        (self.write)(&self.wanted, &mut wanted);
        merge_patch_between(&value(spec), &value(&wanted))
    }
}

fn value<T: Serialize>(fields: &T) -> Value {
    serde_json::to_value(fields).unwrap_or_default()
}

/// Commits the wanted values to the spec.
///
/// # Errors
/// The patch while the spec is as it was found; [`Progress::Impossible`] when it was edited meanwhile.
pub fn commit<S: Section>(world: &World, found: &S, wanted: &S) -> StepResult<()> {
    let postgres: &Postgres = world.postgres.require("the Postgres")?;
    let now = S::of(&postgres.spec);
    if now == *wanted {
        return Ok(());
    }
    if now == *found {
        let patch = SpecPatch::between(found, wanted);
        return Err(Progress::Act(vec![Effect::PatchSpec(Box::new(patch))]));
    }
    Err(Progress::Impossible(format!(
        "{} of the Postgres was edited during the operation; create a new request",
        S::FIELDS
    )))
}

/// Whether this operation wrote the wanted values into the spec: the operator may have been killed before it recorded
/// the commit.
///
/// # Errors
/// Why it is not known.
pub fn is_written<S: Section>(
    op: &Operation,
    world: &World,
    found: &S,
    wanted: &S,
) -> Result<bool, WaitingOn> {
    let now = S::of(&world.postgres.require("the Postgres")?.spec);
    Ok(op.committed || (now == *wanted && now != *found))
}

/// The JSON merge patch that turns `old` into `new`; `None` when they are equal.
fn merge_patch_between(old: &Value, new: &Value) -> Option<Value> {
    let (Value::Object(old_map), Value::Object(new_map)) = (old, new) else {
        return (old != new).then(|| new.clone());
    };
    let mut patch = Map::new();
    for (key, value) in new_map {
        if let Some(change) = merge_patch_between(old_map.get(key).unwrap_or(&Value::Null), value) {
            patch.insert(key.clone(), change);
        }
    }
    for key in old_map.keys().filter(|key| !new_map.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(yaml: &str) -> PostgresSpec {
        serde_yaml::from_str(yaml).expect("a spec")
    }

    #[test]
    fn a_merge_patch_takes_away_what_is_not_wanted() {
        let old = json!({"tls": {"issuerRef": {"name": "a", "kind": "Issuer", "apiGroup": "g"}}, "sslMode": "require"});
        let new = json!({"tls": {"issuerRef": {"name": "b", "kind": "Issuer"}}, "clientAuthMode": "md5"});
        assert_eq!(
            merge_patch_between(&old, &new),
            Some(json!({
                "tls": {"issuerRef": {"name": "b", "apiGroup": null}}, "sslMode": null, "clientAuthMode": "md5"
            }))
        );
        assert_eq!(merge_patch_between(&old, &old), None);
        assert_eq!(
            merge_patch_between(&json!({"tls": {"a": 1}}), &json!({})),
            Some(json!({"tls": null}))
        );
    }

    #[test]
    fn a_patch_of_resources_keeps_everything_else_of_the_container() {
        let spec = spec(
            "{version: '17', podTemplate: {spec: {containers: [{name: mine, image: i}, {name: postgres, env: [{name: A, value: b}]}]}}}",
        );
        let found = ResourceSettings::of(&spec);
        let wanted = serde_yaml::from_str("{postgres: {limits: {cpu: 2}}}").expect("resources");
        let patch = SpecPatch::between(&found, &wanted).merge_patch(&spec);
        assert_eq!(
            patch,
            Some(json!({"podTemplate": {"spec": {"containers": [
                {"name": "mine", "image": "i"},
                {"name": "postgres", "env": [{"name": "A", "value": "b"}], "resources": {"limits": {"cpu": "2"}}},
            ]}}}))
        );
    }

    #[test]
    fn a_patch_changes_its_own_fields_and_only_a_spec_that_is_as_it_was_found() {
        let found = spec("{version: '17', replicas: 3, sslMode: require}");
        let (three, five) = (MemberCount::of(&found), MemberCount { replicas: Some(5) });
        let patch = SpecPatch::between(&three, &five);
        assert_eq!(patch.merge_patch(&found), Some(json!({"replicas": 5})));
        assert_eq!(
            patch.merge_patch(&spec("{version: '17', replicas: 4}")),
            None,
            "edited meanwhile"
        );
        assert_eq!(
            patch.merge_patch(&spec("{version: '17', replicas: 5}")),
            None,
            "done already"
        );
    }
}
