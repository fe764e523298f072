//! Prints the children of a Postgres as YAML, to look at or to try by hand:
//!
//! ```sh
//! cargo run -p blueprint --example render -- <postgres.yaml> <version.yaml> [Off|Accept|Enforce [trust.pem]] \
//!     [--statefulset] [--uid UID] [--password PASSWORD]
//! ```
//!
//! `--statefulset` writes a StatefulSet in place of the PetSet, for clusters without its controller.

use std::error::Error;
use std::fs::File;

use api_types::{Postgres, PostgresVersion};
use blueprint::{CaBundle, Children, Inputs, LiveFacts, TlsInputs};
use serde::Serialize;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let values: Vec<&String> = arguments
        .iter()
        .take_while(|argument| !argument.starts_with("--"))
        .collect();
    let [postgres, version, rest @ ..] = values.as_slice() else {
        return Err("usage: render <postgres.yaml> <version.yaml> [phase [trust.pem]]".into());
    };
    let mut postgres: Postgres = serde_yaml::from_reader(File::open(postgres)?)?;
    let version: PostgresVersion = serde_yaml::from_reader(File::open(version)?)?;
    postgres.metadata.uid = flag("--uid").or(postgres.metadata.uid);
    let trust = match rest.get(1) {
        Some(file) => CaBundle::from_pem(&std::fs::read_to_string(file)?)?,
        None => CaBundle::default(),
    };
    let mut tls = TlsInputs::steady(&postgres.spec, trust.clone(), blueprint::TlsMaterial::default());
    if let Some(phase) = rest.first() {
        tls.phase = phase.parse()?;
        tls.trust = trust;
    }
    let inputs = Inputs {
        postgres: &postgres,
        version: &version,
        user_conf: None,
        tls,
        live: LiveFacts::default(),
    };
    let resolved = blueprint::resolve(&inputs).map_err(|invalid| {
        let lines: Vec<String> = invalid.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?;
    if let Some(password) = flag("--password") {
        print(&blueprint::auth_secret(
            &resolved,
            &password,
            jiff::Timestamp::now(),
        ))?;
    }
    for (_, certificate) in blueprint::certificates(&resolved) {
        print(&certificate)?;
    }
    let stateful_set = arguments.iter().any(|argument| argument == "--statefulset");
    print_all(blueprint::build(&resolved), stateful_set)
}

fn print_all(children: Children, stateful_set: bool) -> Result<(), Box<dyn Error>> {
    if let Some(account) = &children.service_account {
        print(account)?;
    }
    if let Some(role) = &children.role {
        print(role)?;
    }
    if let Some(binding) = &children.role_binding {
        print(binding)?;
    }
    print(&children.config_secret)?;
    for service in &children.services {
        print(service)?;
    }
    if let Some(budget) = &children.pod_disruption_budget {
        print(budget)?;
    }
    if stateful_set {
        let mut object = serde_json::to_value(&children.pet_set)?;
        object["apiVersion"] = "apps/v1".into();
        object["kind"] = "StatefulSet".into();
        print(&object)
    } else {
        print(&children.pet_set)?;
        print(&children.app_binding)
    }
}

fn print<T: Serialize>(object: &T) -> Result<(), Box<dyn Error>> {
    println!("---\n{}", serde_yaml::to_string(object)?);
    Ok(())
}
