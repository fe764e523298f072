//! Every name that the database, Patroni and the PetSet give, when somebody else's object has it.

mod world;

use api_types::cert_manager::Certificate;
use api_types::names;
use provisioner::child::Child;
use provisioner::decide::decide;
use provisioner::plan::{Action, Plan};
use provisioner::world::{NameHolder, Secrets, World};
use serde_json::{Value, json};
use world::*;

/// A child as another object's metadata has it, of the kind and name of a wanted one.
fn with_meta(child: &Child, meta: Value) -> Child {
    let mut meta = meta;
    meta["name"] = json!(child.name());
    meta["namespace"] = json!("shop");
    let meta = serde_json::from_value(meta).expect("metadata");
    let mut child = child.clone();
    match &mut child {
        Child::ServiceAccount(it) => it.metadata = meta,
        Child::Role(it) => it.metadata = meta,
        Child::RoleBinding(it) => it.metadata = meta,
        Child::Secret(it) => it.metadata = meta,
        Child::Service(it) => it.metadata = meta,
        Child::PodDisruptionBudget(it) => it.metadata = meta,
        Child::Certificate(it) => it.metadata = meta,
        Child::PetSet(it) => it.metadata = meta,
        Child::AppBinding(it) => it.metadata = meta,
    }
    child
}

fn owner(kind: &str, name: &str, uid: &str) -> Value {
    json!({"apiVersion": "x/v1", "kind": kind, "name": name, "uid": uid, "controller": true})
}

/// Objects of others: their metadata, and what is reported of their owner.
fn others() -> Vec<(Value, &'static str)> {
    vec![
        (json!({}), "was not made for this database"),
        (
            json!({"managedFields": [{"manager": "kubectl-create", "operation": "Update"}]}),
            "was made by kubectl-create",
        ),
        (
            json!({"ownerReferences": [owner("Postgres", "pg-standby", "other")], "labels": labels_of("pg-standby")}),
            "belongs to Postgres pg-standby",
        ),
        (
            json!({"labels": labels_of("pg-0")}),
            "belongs to Postgres pg-0 by its labels",
        ),
        (
            json!({"labels": {"app.kubernetes.io/name": "mysqls.kubedb.com", "app.kubernetes.io/instance": "pg",
                              "app.kubernetes.io/managed-by": "kubedb.com"}}),
            "belongs to mysqls.kubedb.com pg by its labels",
        ),
        (
            json!({"ownerReferences": [owner("StatefulSet", "pg", "other")], "labels": labels_of("pg")}),
            "belongs to StatefulSet pg",
        ),
        (
            json!({"labels": {"app.kubernetes.io/instance": "pg", "app.kubernetes.io/managed-by": "Helm"},
                   "annotations": {"meta.helm.sh/release-name": "web"}}),
            "belongs to Helm release web",
        ),
        (
            json!({"annotations": {"argocd.argoproj.io/tracking-id": "shop:/Service:shop/pg"}}),
            "belongs to Argo CD application shop",
        ),
        (
            json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}),
            "belongs to Flux Kustomization apps",
        ),
        (
            json!({"labels": {"app.kubernetes.io/instance": "web"}}),
            "belongs to web by its label",
        ),
    ]
}

/// The children that a database of three members with TLS and monitoring wants.
fn wanted() -> (World, Vec<Child>) {
    let mut spec = tls();
    spec["monitor"] = json!({"agent": "prometheus.io"});
    let world = fresh(spec);
    let first = decide(&world);
    let issued = applied(world.clone(), &first);
    let second = decide(&issued);
    let children = first.actions.iter().chain(&second.actions);
    let children = children.filter_map(|action| match action {
        Action::Apply(child) => Some(child.clone()),
        _ => None,
    });
    (world, children.collect())
}

fn is_untouched(plan: &Plan) -> bool {
    plan.actions.is_empty()
}

#[test]
fn a_child_of_somebody_else_is_named_before_anything_is_made() {
    let (world, children) = wanted();
    let kinds: std::collections::BTreeSet<_> = children.iter().map(Child::kind).collect();
    assert_eq!(kinds.len(), 9, "every kind: {kinds:?}");
    for child in &children {
        for (meta, whose) in others() {
            let mut world = world.clone();
            world.live = vec![with_meta(child, meta.clone())];
            let plan = decide(&world);
            let what = format!("{} {} {meta}", child.kind(), child.name());
            assert!(is_untouched(&plan), "{what}: {:?}", actions(&plan));
            for condition in ["ProvisioningStarted", "Ready"] {
                let (status, reason, message) = set(&plan, condition).expect("a condition");
                assert!(!status && reason == "NameTaken", "{what}: {reason} {message}");
                let named = format!("{} {} has a name", child.kind(), child.name());
                assert!(
                    message.contains(&named) && message.contains(whose),
                    "{what}: {message}"
                );
            }
            let again = plan.look_again.expect("a time");
            assert!(again.as_secs() <= 30, "{what}");
            world.live.clear();
            assert!(!is_untouched(&decide(&world)), "{what} is gone");
        }
    }
}

/// Names of Pods, claims, Patroni's ConfigMaps and the operators' RoleBindings.
fn held_names() -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("RoleBinding", "pg-provisioner".to_owned()),
        ("RoleBinding", "pg-ops-manager".to_owned()),
    ];
    all.extend(names::PATRONI_MAPS.map(|suffix| ("ConfigMap", names::patroni_map("pg", suffix))));
    for ordinal in 0..3 {
        all.push(("Pod", names::pod("pg", ordinal)));
        all.push(("PersistentVolumeClaim", names::data_claim("pg", ordinal)));
    }
    all
}

#[test]
fn what_patroni_and_the_pet_set_would_meet_is_named_before_members_are_made() {
    for (kind, name) in held_names() {
        for (meta, whose) in others() {
            // A claim is the database's by its labels: StatefulSets own none.
            if kind != "Pod" && kind != "RoleBinding" && meta["labels"] == labels_of("pg") {
                continue;
            }
            let mut meta = meta;
            meta["name"] = json!(name);
            let mut world = fresh(json!({}));
            world.name_holders = vec![holder(kind, meta.clone())];
            let plan = decide(&world);
            assert!(is_untouched(&plan), "{meta}: {:?}", actions(&plan));
            let (_, reason, message) = set(&plan, "Ready").expect("a condition");
            assert_eq!(reason, "NameTaken", "{meta}");
            let named = format!("{kind} {name} has a name");
            assert!(
                message.contains(&named) && message.contains(whose),
                "{meta}: {message}"
            );
            world.name_holders.clear();
            assert!(actions(&decide(&world)).contains(&"apply PetSet pg".to_owned()));
        }
    }
}

#[test]
fn what_is_the_databases_own_is_taken_up() {
    let mine = |kind, name: &str, more: Value| {
        let mut meta = json!({"name": name, "labels": labels_of("pg")});
        meta["ownerReferences"] = more;
        holder(kind, meta)
    };
    let mut world = fresh(json!({}));
    world.name_holders = vec![
        mine("PersistentVolumeClaim", "data-pg-0", json!(null)),
        mine(
            "PersistentVolumeClaim",
            "data-pg-1",
            json!([owner("PetSet", "pg", "earlier")]),
        ),
        mine("ConfigMap", "pg-config", json!(null)),
        mine("Pod", "pg-0", json!(null)),
        mine("Pod", "pg-1", json!([owner("PetSet", "pg", "earlier")])),
        mine(
            "RoleBinding",
            "pg-provisioner",
            json!([owner("Postgres", "pg", UID)]),
        ),
        mine(
            "RoleBinding",
            "pg-ops-manager",
            json!([owner("Postgres", "pg", "earlier")]),
        ),
        holder(
            "Pod",
            json!({"name": "pg-2", "deletionTimestamp": "2026-01-01T00:00:00Z"}),
        ),
    ];
    assert!(actions(&decide(&world)).contains(&"apply PetSet pg".to_owned()));
}

/// Restored from a backup with the owners that they had: Kubernetes deletes them, so no member is made before.
#[test]
fn children_of_an_earlier_postgres_are_waited_for_and_data_is_not_taken_up_silently() {
    let former = json!([owner("Postgres", "pg", "earlier")]);
    let (world, children) = wanted();
    // Of the others, the AppBinding alone comes after the members.
    let before = |child: &&Child| !["PetSet", "AppBinding", "Certificate"].contains(&child.kind());
    for child in children.iter().filter(before) {
        let meta = json!({"labels": labels_of("pg"), "ownerReferences": former});
        let mut world = fresh(json!({"monitor": {"agent": "prometheus.io"}}));
        world.live = vec![with_meta(child, meta)];
        let plan = decide(&world);
        let did = actions(&plan);
        assert!(
            !did.contains(&"apply PetSet pg".to_owned()),
            "{}: {did:?}",
            child.kind()
        );
        assert!(
            !did.contains(&format!("apply {} {}", child.kind(), child.name())),
            "{did:?}"
        );
        let waits = plan.waits_for.unwrap_or_default();
        assert!(waits.contains("an earlier Postgres pg (UID earlier)"), "{waits}");
    }

    let mut world = World {
        live: Vec::new(),
        ..world
    };
    let claim = json!({"name": "data-pg-0", "labels": labels_of("pg"), "ownerReferences": former});
    world.name_holders = vec![holder("PersistentVolumeClaim", claim)];
    let plan = decide(&world);
    assert!(is_untouched(&plan));
    let (_, reason, message) = set(&plan, "Ready").expect("a condition");
    assert!(
        reason == "NameTaken" && message.contains("data-pg-0 is owned by an earlier Postgres pg"),
        "{message}"
    );
    assert!(message.contains("kubectl patch pvc data-pg-0"), "{message}");
}

#[test]
fn a_running_database_goes_on_beside_an_object_that_has_a_name_it_comes_to_need() {
    let foreign = |world: &World| {
        let plan = decide(&edit(world.clone(), |spec| spec.replicas = Some(3)));
        let standby = plan.actions.iter().find_map(|action| match action {
            Action::Apply(child) if child.name() == "pg-standby" => Some(child.clone()),
            _ => None,
        });
        let meta = json!({"ownerReferences": [owner("Postgres", "pg-standby", "other")]});
        with_meta(&standby.expect("the standby Service"), meta)
    };
    let one = running(json!({"replicas": 1}));
    let mut world = edit(one.clone(), |spec| spec.replicas = Some(3));
    world.live.push(foreign(&one));
    let plan = decide(&world);
    let did = actions(&plan);
    assert!(did.contains(&"apply PetSet pg".to_owned()), "{did:?}");
    assert!(!did.contains(&"apply Service pg-standby".to_owned()), "{did:?}");
    let (status, reason, message) = set(&plan, "SpecApplied").expect("the cause");
    assert!(
        !status && reason == "NameTaken" && message.contains("belongs to Postgres pg-standby"),
        "{message}"
    );

    for (kind, name) in [("Pod", "pg-2"), ("PersistentVolumeClaim", "data-pg-2")] {
        let mut world = edit(one.clone(), |spec| spec.replicas = Some(3));
        world.name_holders = vec![holder(kind, json!({"name": name}))];
        let plan = decide(&world);
        assert!(
            !actions(&plan).contains(&"apply PetSet pg".to_owned()),
            "no member is added"
        );
        assert!(
            actions(&plan).iter().all(|it| !it.starts_with("delete")),
            "{:?}",
            actions(&plan)
        );
        assert_eq!(set(&plan, "SpecApplied").map(|it| it.1), Some("NameTaken"));
        world.name_holders.clear();
        let healed = decide(&world);
        assert!(actions(&healed).contains(&"apply PetSet pg".to_owned()) && removes(&healed, "SpecApplied"));
    }
}

#[test]
fn a_service_account_that_the_user_names_is_used_as_it_is() {
    let named = |name: &str| json!({"podTemplate": {"spec": {"serviceAccountName": name}}});
    let account = |name: &str, meta: Value| {
        let mut meta = meta;
        meta["name"] = json!(name);
        let account = serde_json::from_value(json!({"metadata": meta})).expect("an account");
        vec![Child::ServiceAccount(account)]
    };
    for name in ["mine", "pg"] {
        for meta in [
            json!({}),
            json!({"ownerReferences": [owner("Application", "x", "y")]}),
        ] {
            let mut world = fresh(named(name));
            world.live = account(name, meta.clone());
            let did = actions(&decide(&world));
            assert!(
                did.contains(&"apply PetSet pg".to_owned()),
                "{name} {meta}: {did:?}"
            );
            assert!(!did.iter().any(|it| it.contains("ServiceAccount")), "{did:?}");
        }
        let mut world = fresh(named(name));
        world.live = account(
            name,
            json!({"ownerReferences": [owner("Postgres", "other", "other")]}),
        );
        let plan = decide(&world);
        let (_, reason, message) = set(&plan, "Ready").expect("a condition");
        assert!(
            reason == "NameTaken" && message.contains("It goes with that database"),
            "{message}"
        );
        assert!(is_untouched(&plan));
    }
    let mut world = fresh(json!({}));
    world.live = account("pg", json!({}));
    let plan = decide(&world);
    let (_, _, message) = set(&plan, "Ready").expect("a condition");
    assert!(
        message.contains("write its name into spec.podTemplate.spec.serviceAccountName"),
        "{message}"
    );
}

#[test]
fn access_is_not_taken_by_the_binding_of_another_database() {
    let mut world = fresh(json!({}));
    world.secrets = Secrets::Denied;
    assert_eq!(actions(&decide(&world)), ["grant secrets"]);
    let meta = json!({"name": "pg-provisioner", "labels": labels_of("pg-provisioner"),
                      "ownerReferences": [owner("Postgres", "pg-provisioner", "other")]});
    world.name_holders = vec![holder("RoleBinding", meta)];
    let plan = decide(&world);
    assert!(is_untouched(&plan));
    let (_, reason, message) = set(&plan, "Ready").expect("a condition");
    assert!(
        reason == "NameTaken" && message.contains("belongs to Postgres pg-provisioner"),
        "{message}"
    );
}

/// cert-manager overwrites the Secret that a Certificate names.
#[test]
fn a_secret_of_somebody_else_is_not_handed_to_cert_manager() {
    use api_types::tls::CertificateAlias::Server;
    let with_secret = |secret: &str, annotation: Option<&str>| {
        let mut spec = tls();
        spec["tls"]["certificates"] = json!([{"alias": "server", "secretName": secret}]);
        let mut world = fresh(spec);
        let mut found = world::secret(secret, &[("tls.crt", "theirs")]);
        let annotation =
            annotation.map(|name| ("cert-manager.io/certificate-name".to_owned(), name.to_owned()));
        found.metadata.annotations = annotation.map(|entry| [entry].into());
        secrets_of(&mut world).certificates.insert(Server, found);
        world
    };
    for (secret, annotation) in [
        ("web-tls", None),
        ("web-tls", Some("web")),
        ("pg-server-cert", None),
    ] {
        let plan = decide(&with_secret(secret, annotation));
        assert!(is_untouched(&plan), "{secret} {annotation:?}");
        let (_, reason, message) = set(&plan, "Ready").expect("a condition");
        assert!(
            reason == "NameTaken" && message.contains(&format!("Secret {secret} has a name")),
            "{message}"
        );
    }
    let plan = decide(&with_secret("web-tls", Some("pg-server-cert")));
    assert!(actions(&plan).contains(&"apply Certificate pg-server-cert".to_owned()));
}

/// Long names that begin alike are cut to the same names of children.
#[test]
fn the_deletion_of_a_database_leaves_the_certificates_of_one_whose_name_begins_alike() {
    let mut world = delete(running(tls()));
    world.live.retain(|child| !matches!(child, Child::PetSet(_)));
    world.pods.clear();
    let certificate = json!({"apiVersion": "cert-manager.io/v1", "kind": "Certificate",
        "metadata": {"name": "pg-server-cert", "ownerReferences": [owner("Postgres", "other", "other")]},
        "spec": {"secretName": "pg-server-cert", "issuerRef": {"name": "ca"}}});
    let certificate: Certificate = serde_json::from_value(certificate).expect("a Certificate");
    world.live = vec![Child::Certificate(Box::new(certificate))];
    for secret in secrets_of(&mut world).certificates.values_mut() {
        let name = (
            "cert-manager.io/certificate-name".to_owned(),
            "pg-server-cert".to_owned(),
        );
        secret.metadata.annotations = Some([name].into());
    }
    let did = actions(&decide(&world));
    assert!(
        !did.contains(&"delete auth".to_owned()),
        "a Secret of the other database: {did:?}"
    );
    assert!(did.contains(&"remove finalizer".to_owned()), "{did:?}");
}

#[test]
fn patronis_config_maps_are_guarded_once_the_database_has_run() {
    let map = |name: &str, labels: Value, annotations: Value| {
        let meta = json!({"name": name, "namespace": "shop", "uid": name, "labels": labels, "annotations": annotations});
        serde_json::from_value(json!({"metadata": meta})).expect("a ConfigMap")
    };
    let mut world = running(json!({}));
    world.patroni = Some(map("pg-config", labels_of("pg"), json!({})));
    world.patroni_state = vec![
        map(
            "pg-leader",
            labels_of("pg"),
            json!({"leader": "pg-0", "helm.sh/resource-policy": "keep"}),
        ),
        map("pg-sync", labels_of("pg"), json!(blueprint::prune_guards())),
        map("pg-failover", json!({"app": "web"}), json!({})),
    ];
    assert_eq!(actions(&decide(&world)), ["guard pg-config", "guard pg-leader"]);
    let paused = pause(world, "alice");
    assert!(is_untouched(&decide(&paused)));
}

#[test]
fn the_auth_secret_that_is_kept_is_guarded() {
    let mut world = delete(running(json!({"deletionPolicy": "Delete"})));
    world.live.retain(|child| !matches!(child, Child::PetSet(_)));
    world.pods.clear();
    let plan = decide(&world);
    let released = plan.actions.iter().find_map(|action| match action {
        Action::ReleaseAuthSecret(secret) => secret.metadata.annotations.clone(),
        _ => None,
    });
    let annotations = released.expect("released");
    for (key, value) in blueprint::prune_guards() {
        assert_eq!(annotations.get(&key), Some(&value));
    }
}

#[test]
fn a_holder_says_its_name() {
    let found: NameHolder = holder("Pod", json!({"name": "pg-0"}));
    assert_eq!(found.name(), "pg-0");
}
