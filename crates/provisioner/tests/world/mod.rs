//! Worlds for tests: a database as its manifest says, with what happened to it since.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use api_types::cert_manager::CertificateSpec;
use api_types::tls::CertificateAlias;
use api_types::vocabulary::PAUSED_BY;
use api_types::{Condition, Postgres, PostgresVersion, names};
use blueprint::MembersTls;
use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use provisioner::child::Child;
use provisioner::decide::decide;
use provisioner::health::{Report, Verdict};
use provisioner::members_tls::{self, CaOrder, Order};
use provisioner::plan::{Action, Change, Plan};
use provisioner::world::{Leftovers, NameHolder, SecretFacts, Secrets, UserConf, Version, World};
use serde_json::json;
use testkit::authority::Authority;

pub const UID: &str = "6f8b1c52-0000-4000-8000-00000abc1234";

/// The issuer of every certificate here.
pub fn authority() -> &'static Authority {
    static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::new("ca"));
    &AUTHORITY
}

/// A database of three members as it was just applied; its finalizer and the auth Secret's name are in place.
pub fn fresh(more: serde_json::Value) -> World {
    let mut spec = json!({
        "version": "17.4", "replicas": 3, "storageType": "Durable",
        "authSecret": {"kind": "Secret", "name": "pg-auth"},
        "storage": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    for (key, value) in more.as_object().expect("a map of spec fields") {
        spec[key] = value.clone();
    }
    let postgres: Postgres = serde_json::from_value(json!({
        "apiVersion": "kubedb.com/v1", "kind": "Postgres",
        "metadata": {"name": "pg", "namespace": "shop", "uid": UID, "generation": 1, "resourceVersion": "1",
                     "finalizers": ["kubedb.com"]},
        "spec": spec,
    }))
    .expect("a Postgres");
    World {
        now: TODAY.parse().expect("a time"),
        version: Version::Found(Box::new(version("17.4", "17.12"))),
        secrets: Secrets::Read(Box::new(SecretFacts {
            auth: Some(auth()),
            members_tls: Some(members_tls_secret(&postgres)),
            ..SecretFacts::default()
        })),
        live: Vec::new(),
        pods: Vec::new(),
        patroni: None,
        patroni_state: Vec::new(),
        name_holders: Vec::new(),
        leftovers: Leftovers::default(),
        former_templates: BTreeMap::new(),
        health: None,
        postgres: Arc::new(postgres),
    }
}

/// The day on which everything here begins.
pub const TODAY: &str = "2026-01-01T00:00:00Z";

/// The internal CA's Secret as it was issued today.
pub fn members_tls_secret(postgres: &Postgres) -> Secret {
    static ISSUED: LazyLock<MembersTls> = LazyLock::new(|| {
        let order = Order {
            ca: CaOrder::New,
            names: vec!["*.pg-pods.shop.svc".into(), "localhost".into()],
            former: None,
            roles: None,
        };
        members_tls::issue(&order, TODAY.parse().expect("a time")).expect("certificates")
    });
    ISSUED.secret(postgres)
}

/// The spec of a database with TLS.
pub fn tls() -> serde_json::Value {
    json!({"tls": {"issuerRef": {"apiGroup": "cert-manager.io", "kind": "Issuer", "name": "ca"}}})
}

/// The same after every child was applied and every member reported well.
pub fn running(more: serde_json::Value) -> World {
    settle(fresh(more))
}

/// Applies what is decided until nothing is left to apply, then lets members be healthy and reports.
pub fn settle(mut world: World) -> World {
    for _ in 0..4 {
        let plan = decide(&world);
        world = applied(world, &plan);
    }
    world.pods = (0..world.replicas()).map(pod).collect();
    world.health = Some(Arc::new(Report {
        accepting: Verdict::Yes,
        ready: Verdict::Yes,
        ..Report::default()
    }));
    for _ in 0..2 {
        let plan = decide(&world);
        world = reported(applied(world, &plan), &plan);
    }
    world
}

/// The world after a plan's actions.
pub fn applied(mut world: World, plan: &Plan) -> World {
    for action in &plan.actions {
        match action {
            Action::Apply(child) => {
                world.live.retain(|live| !live.is_same(child));
                world.live.push(issued(child.clone()));
                if let Child::Certificate(certificate) = child {
                    issue(&mut world, &certificate.spec);
                }
            }
            Action::PublishCa { secret, patch } => {
                let mut value = serde_json::to_value(secret).expect("JSON");
                json_patch::merge(&mut value, patch);
                let patched = serde_json::from_value(value).expect("a Secret");
                secrets_of(&mut world)
                    .certificates
                    .insert(CertificateAlias::Client, patched);
            }
            Action::KeepCredentials(secret) => secrets_of(&mut world).in_force = Some((**secret).clone()),
            Action::Delete(child) => world.live.retain(|live| !live.is_same(child)),
            Action::IssueMembersTls(order) => {
                let issued = members_tls::issue(order, world.now).expect("certificates");
                let secret = issued.secret(&world.postgres);
                secrets_of(&mut world).members_tls = Some(secret);
            }
            _ => {}
        }
    }
    world
}

/// cert-manager, at once.
fn issued(child: Child) -> Child {
    match child {
        Child::Certificate(mut certificate) => {
            certificate.status =
                serde_json::from_value(json!({"conditions": [{"type": "Ready", "status": "True"}]})).ok();
            Child::Certificate(certificate)
        }
        child => child,
    }
}

fn issue(world: &mut World, spec: &CertificateSpec) {
    let Secrets::Read(secrets) = &mut world.secrets else {
        return;
    };
    for alias in CertificateAlias::ALL {
        // Once issued, it is issued anew only when it is asked for.
        if names::certificate("pg", alias) == spec.secret_name && !secrets.certificates.contains_key(&alias) {
            secrets
                .certificates
                .insert(alias, certificate_secret(authority(), spec));
        }
    }
}

/// What an issuer writes for a Certificate.
pub fn certificate_secret(authority: &Authority, spec: &CertificateSpec) -> Secret {
    let issued = authority.leaf(spec.common_name.as_deref().unwrap_or_default(), &spec.names());
    let data = [
        ("ca.crt", authority.pem_text()),
        ("tls.crt", &issued.certificate),
        ("tls.key", &issued.key),
    ];
    secret("cert", &data)
}

/// The Certificate of an alias, as it is.
pub fn certificate(world: &World, alias: CertificateAlias) -> CertificateSpec {
    let name = names::certificate("pg", alias);
    let found = world.live.iter().find_map(|child| match child {
        Child::Certificate(certificate) if certificate.metadata.name.as_ref() == Some(&name) => {
            Some(&certificate.spec)
        }
        _ => None,
    });
    found.expect("a Certificate").clone()
}

/// The leaf in the Secret of an alias.
pub fn fingerprint(secret: &Secret) -> String {
    let pair = blueprint::KeyPair::of_issued(secret).expect("a whole Secret");
    pair.fingerprint().expect("a certificate")
}

/// The world after a plan's conditions were written.
pub fn reported(mut world: World, plan: &Plan) -> World {
    let status = provisioner::report::status(&world, plan, Timestamp::UNIX_EPOCH);
    Arc::make_mut(&mut world.postgres).status = Some(status);
    world
}

pub fn secret(name: &str, data: &[(&str, &str)]) -> Secret {
    let mut secret = Secret::default();
    secret.metadata.name = Some(name.into());
    secret.metadata.namespace = Some("shop".into());
    secret.data = Some(
        data.iter()
            .map(|(k, v)| ((*k).into(), ByteString(v.as_bytes().to_vec())))
            .collect(),
    );
    secret
}

pub fn auth() -> Secret {
    let mut auth = secret("pg-auth", &[("username", "postgres"), ("password", "x")]);
    auth.metadata.labels = Some(blueprint::labels::selector("pg"));
    auth.metadata.owner_references = serde_json::from_value(
        json!([{"apiVersion": "kubedb.com/v1", "kind": "Postgres", "name": "pg", "uid": UID}]),
    )
    .ok();
    auth
}

pub fn version(name: &str, real: &str) -> PostgresVersion {
    serde_json::from_value(json!({
        "metadata": {"name": name},
        "spec": {"version": real, "db": {"image": format!("postgres:{real}")}, "coordinator": {"image": "c"},
                 "exporter": {"image": "e"}, "podSecurityPolicies": {"databasePolicyName": "x"},
                 "securityContext": {"runAsUser": 999}},
    }))
    .expect("a PostgresVersion")
}

pub fn pod(ordinal: i32) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": format!("pg-{ordinal}"), "namespace": "shop",
                     "labels": {"kubedb.com/role": if ordinal == 0 { "primary" } else { "standby" }}},
        "status": {"podIP": format!("10.0.0.{ordinal}"), "conditions": [{"type": "Ready", "status": "True"}]},
    }))
    .expect("a Pod")
}

pub fn claim(ordinal: i32) -> PersistentVolumeClaim {
    serde_json::from_value(json!({"metadata": {"name": format!("data-pg-{ordinal}"), "namespace": "shop"}}))
        .expect("a claim")
}

/// An object under a name of ours: its kind and its metadata.
pub fn holder(kind: &'static str, meta: serde_json::Value) -> NameHolder {
    let mut meta = meta;
    meta["namespace"] = json!("shop");
    NameHolder {
        kind,
        meta: serde_json::from_value(meta).expect("metadata"),
    }
}

/// KubeDB's labels on the objects of a database.
pub fn labels_of(db: &str) -> serde_json::Value {
    json!(blueprint::labels::selector(db))
}

/// Changes the spec as a user would.
pub fn edit(mut world: World, change: impl FnOnce(&mut api_types::postgres::PostgresSpec)) -> World {
    let postgres = Arc::make_mut(&mut world.postgres);
    change(&mut postgres.spec);
    postgres.metadata.generation = postgres.metadata.generation.map(|generation| generation + 1);
    world
}

pub fn pause(mut world: World, holder: &str) -> World {
    let postgres = Arc::make_mut(&mut world.postgres);
    postgres
        .metadata
        .annotations
        .get_or_insert_default()
        .insert(PAUSED_BY.into(), holder.into());
    world
}

pub fn delete(mut world: World) -> World {
    let now = k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(Timestamp::UNIX_EPOCH);
    Arc::make_mut(&mut world.postgres).metadata.deletion_timestamp = Some(now);
    world
}

pub fn secrets_of(world: &mut World) -> &mut SecretFacts {
    match &mut world.secrets {
        Secrets::Read(secrets) => secrets,
        Secrets::Denied => panic!("the Secrets of this world are not readable"),
    }
}

pub fn with_user_conf(mut world: World, user_conf: UserConf) -> World {
    secrets_of(&mut world).user_conf = user_conf;
    world
}

/// Actions in short: `apply PetSet pg`.
pub fn actions(plan: &Plan) -> Vec<String> {
    plan.actions.iter().map(short).collect()
}

fn short(action: &Action) -> String {
    match action {
        Action::Apply(child) => format!("apply {} {}", child.kind(), child.name()),
        Action::Delete(child) => format!("delete {} {}", child.kind(), child.name()),
        Action::PublishCa { secret, .. } => {
            format!(
                "publish in {}",
                secret.metadata.name.as_deref().unwrap_or_default()
            )
        }
        Action::ConfigurePatroni { .. } => "configure Patroni".into(),
        Action::GuardConfigMap(map) => format!("guard {}", map.metadata.name.as_deref().unwrap_or_default()),
        Action::TouchPod { pod, .. } => format!("touch {pod}"),
        Action::DeleteClaim(claim) => format!(
            "delete claim {}",
            claim.metadata.name.as_deref().unwrap_or_default()
        ),
        Action::AddFinalizer => "add finalizer".into(),
        Action::RemoveFinalizer => "remove finalizer".into(),
        Action::GrantSecrets => "grant secrets".into(),
        Action::NameAuthSecret(name) => format!("name {name}"),
        Action::CreateAuthSecret(_) => "create auth".into(),
        Action::IssueMembersTls(order) => format!("issue for members: {:?}", order.ca),
        Action::KeepCredentials(_) => "keep credentials".into(),
        Action::ReleaseAuthSecret(_) => "release auth".into(),
        Action::DeleteSecret(secret) if secret.metadata.name.as_deref() == Some("pg-auth-in-force") => {
            "forget credentials".into()
        }
        Action::DeleteSecret(_) => "delete auth".into(),
        Action::DeleteConfigMap(_) => "delete configmap".into(),
    }
}

/// The condition that a plan sets: status, reason, message.
pub fn set<'a>(plan: &'a Plan, wanted: &str) -> Option<(bool, &'a str, &'a str)> {
    plan.changes.iter().find_map(|change| match change {
        Change::Set {
            type_,
            status,
            reason,
            message,
        } if *type_ == wanted => Some((*status, reason.as_str(), message.as_str())),
        _ => None,
    })
}

pub fn removes(plan: &Plan, wanted: &str) -> bool {
    plan.changes.contains(&Change::Remove(match wanted {
        "Paused" => "Paused",
        "Halted" => "Halted",
        "SpecApplied" => "SpecApplied",
        "IssuerCAChanged" => "IssuerCAChanged",
        other => panic!("{other} is never removed"),
    }))
}

pub fn condition<'a>(world: &'a World, type_: &str) -> Option<&'a Condition> {
    api_types::condition::find(world.conditions(), type_)
}
