//! What goes into the archive. What can't be read is named in it, and is no reason to stop.

use api_types::tls::CertificateAlias;
use api_types::{Postgres, names};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, Pod, Secret};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, LogParams};
use kube::{Api, ResourceExt};
use serde::Serialize;
use serde_json::Value;

use super::archive::File;
use crate::cli::BundleArgs;
use crate::cluster::{Seen, Target, reason};
use crate::commands::status;
use crate::exit::Error;
use crate::members;
use crate::redact::{self, Redactor};
use crate::report;
use crate::style::Paint;

/// Kinds whose objects carry the database's labels.
const LABELLED: [(&str, &str, &str); 11] = [
    ("", "v1", "Service"),
    ("", "v1", "PersistentVolumeClaim"),
    ("", "v1", "ConfigMap"),
    ("", "v1", "ServiceAccount"),
    ("apps.k8s.appscode.com", "v1", "PetSet"),
    ("policy", "v1", "PodDisruptionBudget"),
    ("rbac.authorization.k8s.io", "v1", "Role"),
    ("rbac.authorization.k8s.io", "v1", "RoleBinding"),
    ("appcatalog.appscode.com", "v1alpha1", "AppBinding"),
    ("cert-manager.io", "v1", "Certificate"),
    ("cert-manager.io", "v1", "CertificateRequest"),
];

/// What was collected, redacted.
pub(super) struct Collected {
    pub files: Vec<File>,
    pub missing: Vec<String>,
}

/// Collects as it goes.
struct Bag {
    redactor: Redactor,
    files: Vec<File>,
    missing: Vec<String>,
}

pub(super) async fn all(target: &Target, args: &BundleArgs) -> Result<Collected, Error> {
    let input = status::observe(target, &args.database, true).await?;
    let postgres = input.postgres.clone();
    let (secrets, literals, missing) = secrets(target, &postgres).await;
    let redactor = Redactor::new(literals).map_err(|error| Error::Encoding(error.to_string()))?;
    let mut bag = Bag {
        redactor,
        files: Vec::new(),
        missing,
    };
    let now = Timestamp::now();
    let status = report::status::status(&input, now);
    let text = report::status::text(&status, now, Paint::plain());
    bag.text("status.txt", &text);
    let values = serde_json::to_value(&status).unwrap_or_default();
    bag.files.push(File {
        path: "status.json".to_owned(),
        text: report::json(&bag.redactor.object(values))?,
    });
    bag.objects("Postgres", std::slice::from_ref(&postgres));
    bag.objects("Secret", &secrets);
    requests(target, &args.database, &mut bag).await;
    for (group, version, kind) in LABELLED {
        let list = list(target, group, version, kind, Some(&args.database)).await;
        bag.seen(kind, list);
    }
    bag.seen(
        "Issuer",
        list(target, "cert-manager.io", "v1", "Issuer", None).await,
    );
    let pods = members::pods(target, &args.database).await?;
    bag.objects("Pod", &pods);
    events(target, &args.database, &mut bag).await;
    for pod in &pods {
        logs(&target.api(), pod, args.tail, "logs", &mut bag).await;
    }
    operators(target, args, &mut bag).await;
    let missing = bag.missing.join("\n") + "\n";
    bag.text("not-collected.txt", &missing);
    Ok(Collected {
        files: bag.files,
        missing: bag.missing,
    })
}

impl Bag {
    fn text(&mut self, path: &str, text: &str) {
        let text = self.redactor.text(text);
        self.files.push(File {
            path: path.to_owned(),
            text,
        });
    }

    /// One YAML file with a document per object.
    fn objects<T: Serialize>(&mut self, kind: &str, objects: &[T]) {
        let mut text = String::new();
        for object in objects {
            let value = serde_json::to_value(object).unwrap_or(Value::Null);
            let value = self.redactor.object(value);
            match serde_yaml::to_string(&value) {
                Ok(yaml) => text.push_str(&format!("---\n{yaml}")),
                Err(error) => self.missing.push(format!("a {kind}: {error}")),
            }
        }
        if !text.is_empty() {
            self.files.push(File {
                path: format!("objects/{kind}.yaml"),
                text,
            });
        }
    }

    fn seen<T: Serialize>(&mut self, kind: &str, seen: Seen<Vec<T>>) {
        match seen {
            Seen::Present(objects) => self.objects(kind, &objects),
            Seen::Absent => {}
            Seen::Unknown(why) => self.missing.push(format!("{kind}: {why}")),
        }
    }
}

/// Outlines of the database's Secrets, what must be found nowhere, and those that can't be read.
async fn secrets(target: &Target, postgres: &Postgres) -> (Vec<Value>, Vec<String>, Vec<String>) {
    let (mut outlines, mut literals, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for name in secret_names(postgres) {
        match target.look::<Secret>(&name).await {
            Seen::Present(secret) => {
                outlines.push(redact::outline(&secret));
                literals.extend(redact::literals(&secret));
            }
            Seen::Absent => {}
            Seen::Unknown(why) => missing.push(format!("Secret {name}: {why}")),
        }
    }
    (outlines, literals, missing)
}

fn secret_names(postgres: &Postgres) -> Vec<String> {
    let database = postgres.name_any();
    let auth = postgres.spec.auth_secret.as_ref().map(|auth| auth.name.clone());
    let own = postgres
        .spec
        .tls
        .iter()
        .flat_map(|tls| &tls.certificates)
        .filter_map(|certificate| certificate.secret_name.clone());
    let mut all: Vec<String> = CertificateAlias::ALL
        .into_iter()
        .map(|alias| names::certificate(&database, alias))
        .chain(own)
        .chain(auth)
        .chain([
            names::auth_secret(&database),
            names::auth_in_force(&database),
            names::last_good_secret(&database),
            names::members_tls_secret(&database),
            names::config_secret(&database, &postgres.uid().unwrap_or_default()),
        ])
        .filter(|name| !name.is_empty())
        .collect();
    all.sort();
    all.dedup();
    all
}

async fn requests(target: &Target, database: &str, bag: &mut Bag) {
    let requests = status::requests(target).await.map(|mut requests| {
        requests.retain(|request| request.spec.database_ref.name == database);
        requests
    });
    bag.seen("PostgresOpsRequest", requests);
}

async fn list(
    target: &Target,
    group: &str,
    version: &str,
    kind: &str,
    database: Option<&str>,
) -> Seen<Vec<DynamicObject>> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    let api: Api<DynamicObject> = Api::namespaced_with(target.client.clone(), &target.namespace, &resource);
    let mut params = ListParams::default();
    if let Some(database) = database {
        params = params.labels(&members::selector(database));
    }
    match api.list(&params).await {
        Ok(list) => Seen::Present(
            list.items
                .into_iter()
                .map(|mut object| {
                    // Items of a list come without their kind.
                    object.types = Some(kube::api::TypeMeta {
                        api_version: resource.api_version.clone(),
                        kind: resource.kind.clone(),
                    });
                    object
                })
                .collect(),
        ),
        Err(error) => Seen::Unknown(reason(&error)),
    }
}

/// Events on the database, its requests and its children, oldest first.
async fn events(target: &Target, database: &str, bag: &mut Bag) {
    let mut events = match target.api::<Event>().list(&ListParams::default()).await {
        Ok(list) => list.items,
        Err(error) => return bag.missing.push(format!("Events: {}", reason(&error))),
    };
    let requests = status::requests(target).await;
    let mine: Vec<String> = requests
        .present()
        .into_iter()
        .flatten()
        .filter(|request| request.spec.database_ref.name == database)
        .map(ResourceExt::name_any)
        .collect();
    events.retain(|event| {
        let name = event.involved_object.name.as_deref().unwrap_or_default();
        let child = name
            .strip_prefix("data-")
            .unwrap_or(name)
            .strip_prefix(database)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
        child || mine.iter().any(|request| request == name)
    });
    events.sort_by_key(when);
    let lines: String = events.iter().map(line).collect();
    bag.text("events.txt", &lines);
}

fn when(event: &Event) -> Option<Timestamp> {
    let last = event.last_timestamp.as_ref().map(|time| time.0);
    let series = event
        .series
        .as_ref()
        .and_then(|s| s.last_observed_time.as_ref().map(|t| t.0));
    series
        .or(last)
        .or_else(|| event.event_time.as_ref().map(|time| time.0))
        .or_else(|| event.metadata.creation_timestamp.as_ref().map(|time| time.0))
}

fn line(event: &Event) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    format!(
        "{} {} {}/{} {}: {}\n",
        when(event).map(|time| time.to_string()).unwrap_or_default(),
        text(&event.type_),
        text(&event.involved_object.kind),
        text(&event.involved_object.name),
        text(&event.reason),
        text(&event.message).replace('\n', " ")
    )
}

/// The logs of a Pod's containers, and of the ones before, if there were any.
async fn logs(api: &Api<Pod>, pod: &Pod, tail: u32, folder: &str, bag: &mut Bag) {
    let name = pod.name_any();
    let containers = pod.spec.iter().flat_map(|spec| {
        let before = spec.init_containers.iter().flatten();
        before.chain(&spec.containers)
    });
    for container in containers.map(|container| container.name.clone()) {
        let statuses = pod.status.iter().flat_map(|status| {
            let before = status.init_container_statuses.iter().flatten();
            before.chain(status.container_statuses.iter().flatten())
        });
        let restarted = statuses
            .into_iter()
            .any(|status| status.name == container && status.restart_count > 0);
        for previous in [false, true] {
            if previous && !restarted {
                continue;
            }
            let params = LogParams {
                container: Some(container.clone()),
                previous,
                tail_lines: Some(i64::from(tail)),
                timestamps: true,
                ..LogParams::default()
            };
            let suffix = if previous { ".previous" } else { "" };
            match api.logs(&name, &params).await {
                Ok(text) => bag.text(&format!("{folder}/{name}/{container}{suffix}.log"), &text),
                Err(error) => bag
                    .missing
                    .push(format!("log of {name}/{container}{suffix}: {}", reason(&error))),
            }
        }
    }
}

async fn operators(target: &Target, args: &BundleArgs, bag: &mut Bag) {
    let api: Api<Pod> = Api::namespaced(target.client.clone(), &args.system_namespace);
    match api.list(&ListParams::default()).await {
        Ok(list) => {
            for pod in &list.items {
                logs(&api, pod, args.tail, "operators", bag).await;
            }
        }
        Err(error) => bag
            .missing
            .push(format!("logs of the operators: {}", reason(&error))),
    }
}
