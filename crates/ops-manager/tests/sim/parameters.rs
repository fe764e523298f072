//! PostgreSQL's parameters, as Patroni brings them to the members of the simulation.

use std::collections::BTreeMap;

use api_types::Major;
use api_types::ops_request::ConfigurationSettings;
use blueprint::{is_same_value, needs_restart};
use instance::PendingChange;
use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Pod};

/// Parameters, or files, by name.
pub type Settings = BTreeMap<String, String>;

const MAJOR: Major = Major::new(17);
/// What Patroni gives when nobody says anything.
const PATRONIS: [(&str, &str); 2] = [("max_connections", "100"), ("max_worker_processes", "8")];
/// What a standby must not have lower than its primary.
const AT_LEAST: [&str; 2] = ["max_connections", "max_worker_processes"];

/// The parameters of a part of Patroni's configuration.
pub fn of(parameters: &Value) -> Settings {
    let all = parameters.as_object().into_iter().flatten();
    all.map(|(name, value)| (name.to_lowercase(), value.as_str().unwrap_or_default().to_owned()))
        .collect()
}

/// What Patroni takes from the file when a database is made.
pub fn dynamic_of(config: &Secret) -> Value {
    let data = config.data.as_ref().expect("data");
    let patroni: Value = serde_json::from_slice(&data["patroni.yml"].0).expect("JSON");
    patroni["bootstrap"]["dcs"].clone()
}

impl Cluster {
    /// `user.conf` of the Secret that the spec names.
    pub fn user_conf(&self) -> Option<&str> {
        let settings = ConfigurationSettings::of(&self.postgres.spec);
        self.user_confs.get(settings.secret()?).map(String::as_str)
    }

    /// What a member is to have by its file and by Patroni.
    fn wanted(&self, pod: &Pod) -> Settings {
        let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut all: Settings = PATRONIS.map(text).into();
        all.extend(of(&self.dynamic["postgresql"]["parameters"]));
        all.extend(pod.loaded.parameters.clone());
        all
    }

    /// What waits for a restart of a member.
    pub(crate) fn pending(&self, pod: &Pod) -> BTreeMap<String, PendingChange> {
        let wanted = self.wanted(pod);
        let names = wanted.keys().chain(pod.parameters.keys());
        let differs = |name: &&String| match (pod.parameters.get(*name), wanted.get(*name)) {
            (Some(old), Some(new)) => !is_same_value(MAJOR, name, old, new),
            (old, new) => old != new,
        };
        names
            .filter(|name| needs_restart(MAJOR, name))
            .filter(differs)
            .map(|name| {
                let change = PendingChange {
                    old_value: pod.parameters.get(name).map(|value| json!(value)),
                    new_value: wanted.get(name).map(|value| json!(value)),
                };
                (name.clone(), change)
            })
            .collect()
    }

    /// A reload: what needs a restart stays as it is. PostgreSQL that is down is started.
    pub fn read_parameters(&mut self, name: &str) {
        let pod = &self.pods[name];
        if !self.runs(name, pod) {
            return self.start_postgres(name);
        }
        let mut next = self.wanted(pod);
        next.retain(|name, _| !needs_restart(MAJOR, name));
        let kept = pod
            .parameters
            .iter()
            .filter(|(name, _)| needs_restart(MAJOR, name));
        next.extend(kept.map(|(name, value)| (name.clone(), value.clone())));
        self.pods.get_mut(name).expect("a Pod").parameters = next;
    }

    /// Patroni restarts PostgreSQL if a parameter waits for that.
    pub fn restart_postgres(&mut self, name: &str) {
        if self.pending(&self.pods[name]).is_empty() {
            return;
        }
        self.restarts.push(name.to_owned());
        self.start_postgres(name);
    }

    /// PostgreSQL starts. Patroni gives a standby no less than its primary has.
    pub fn start_postgres(&mut self, name: &str) {
        let mut next = self.wanted(&self.pods[name]);
        let primary = self.pods.get(&self.leader).filter(|_| self.leader != name);
        for parameter in AT_LEAST {
            let of = |all: &Settings| all.get(parameter).and_then(|text| text.parse::<i64>().ok());
            let least = primary.and_then(|primary| of(&primary.parameters));
            if least > of(&next) {
                let least = least.unwrap_or_default().to_string();
                next.insert(parameter.to_owned(), least);
            }
        }
        self.pods.get_mut(name).expect("a Pod").parameters = next;
    }

    /// Whether PostgreSQL of a member runs.
    pub(crate) fn runs(&self, name: &str, pod: &Pod) -> bool {
        self.broken != Some(name) && !self.chokes(pod)
    }

    /// Whether PostgreSQL does not run with a parameter that a member has.
    pub(crate) fn chokes(&self, pod: &Pod) -> bool {
        self.poison
            .is_some_and(|(parameter, value)| pod.parameters.get(parameter).is_some_and(|it| it == value))
    }

    /// Every value that members have of a parameter, by Pod.
    pub fn parameter(&self, name: &str) -> BTreeMap<&str, &str> {
        let pods = self.pods.iter();
        pods.filter_map(|(pod, it)| Some((pod.as_str(), it.parameters.get(name)?.as_str())))
            .collect()
    }
}
