//! What a `Reconfigure` changes into what.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::configuration::Configuration;
use crate::postgres::{LocalRef, PostgresSpec, Tuning};

/// What a `Reconfigure` changes, fixed when it begins. Not part of KubeDB's API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationPlan {
    /// The configuration in the spec when the operation began.
    #[serde(default)]
    pub found: ConfigurationSettings,
    /// The configuration that it is to have.
    #[serde(default)]
    pub after: ConfigurationSettings,
}

/// The fields of `Postgres.spec` that a `Reconfigure` may change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationSettings {
    /// `spec.configSecret`, the old spelling of `spec.configuration.secretName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_secret: Option<LocalRef>,
    /// `spec.configuration.secretName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
    /// `spec.configuration.inline`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inline: BTreeMap<String, String>,
    /// `spec.configuration.tuning`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Tuning>,
}

impl ConfigurationSettings {
    /// The configuration of a spec.
    pub fn of(spec: &PostgresSpec) -> Self {
        let configuration = spec.configuration.clone().unwrap_or_default();
        Self {
            config_secret: spec.config_secret.clone(),
            secret_name: configuration.secret_name,
            inline: configuration.inline,
            tuning: configuration.tuning,
        }
    }

    /// Writes it into a spec.
    pub fn write(&self, spec: &mut PostgresSpec) {
        if Self::of(spec) == *self {
            return;
        }
        spec.config_secret.clone_from(&self.config_secret);
        let configuration = spec.configuration.get_or_insert_default();
        configuration.secret_name.clone_from(&self.secret_name);
        configuration.inline.clone_from(&self.inline);
        configuration.tuning.clone_from(&self.tuning);
        if *configuration == Configuration::default() {
            spec.configuration = None;
        }
    }

    /// Name of the Secret with `user.conf`, in either spelling.
    pub fn secret(&self) -> Option<&str> {
        let old = self.config_secret.as_ref().map(|secret| secret.name.as_str());
        let name = self.secret_name.as_deref().or(old);
        name.filter(|name| !name.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(yaml: &str) -> PostgresSpec {
        serde_yaml::from_str(yaml).expect("a spec")
    }

    #[test]
    fn a_configuration_is_written_where_it_is_read() {
        let old = "{version: '17', configSecret: {name: a}, configuration: {tuning: {profile: oltp}}}";
        let new = "{version: '17', configuration: {secretName: b, inline: {user.conf: x = 1}, tuning: {profile: oltp}}}";
        let mut written = spec(old);
        ConfigurationSettings::of(&spec(new)).write(&mut written);
        assert_eq!(written, spec(new));
        ConfigurationSettings::of(&spec(old)).write(&mut written);
        assert_eq!(written, spec(old));
        let mut plain = spec("{version: '17', configuration: {secretName: b}}");
        ConfigurationSettings::default().write(&mut plain);
        assert_eq!(plain, spec("{version: '17'}"));
    }

    #[test]
    fn the_newer_spelling_wins() {
        let secret = |yaml| ConfigurationSettings::of(&spec(yaml)).secret().map(str::to_owned);
        assert_eq!(
            secret("{version: '17', configSecret: {name: a}}"),
            Some("a".into())
        );
        let both = "{version: '17', configSecret: {name: a}, configuration: {secretName: b}}";
        assert_eq!(secret(both), Some("b".into()));
        assert_eq!(secret("{version: '17'}"), None);
    }
}
