//! The auth Secret: whose it is to make, and what is in it.

mod world;

use k8s_openapi::ByteString;
use provisioner::decide::decide;
use provisioner::world::World;
use serde_json::{Value, json};
use world::*;

fn without_secret(auth: Value) -> World {
    let mut world = fresh(json!({"authSecret": auth}));
    secrets_of(&mut world).auth = None;
    world
}

fn with_password(mut world: World, password: &[u8]) -> World {
    let auth = secrets_of(&mut world).auth.as_mut().expect("a Secret");
    let data = auth.data.get_or_insert_default();
    data.insert("password".to_owned(), ByteString(password.to_vec()));
    world
}

fn claim_of_an_earlier_database() -> provisioner::world::NameHolder {
    holder(
        "PersistentVolumeClaim",
        json!({"name": "data-pg-0", "labels": labels_of("pg")}),
    )
}

/// Refused for this reason on every condition that is read; the message.
fn refused(world: &World) -> String {
    let plan = decide(world);
    assert!(plan.actions.is_empty(), "{:?}", actions(&plan));
    let (status, reason, message) = set(&plan, "Ready").expect("a condition");
    assert!(!status && reason == "InvalidAuthSecret", "{reason}: {message}");
    assert_eq!(set(&plan, "ProvisioningStarted").map(|it| it.2), Some(message));
    assert!(plan.news.iter().any(|news| news.warning && news.note == message));
    assert!(
        plan.look_again.is_some_and(|again| again.as_secs() <= 10),
        "Secrets are not watched"
    );
    message.to_owned()
}

#[test]
fn a_secret_is_made_only_when_the_user_names_none() {
    for auth in [json!(null), json!({"kind": "Secret", "name": ""})] {
        let plan = decide(&without_secret(auth.clone()));
        assert_eq!(actions(&plan)[..2], ["create auth", "name pg-auth"], "{auth}");
    }
    for auth in [
        json!({"name": "my-auth"}),
        json!({"kind": "Secret", "name": "my-auth"}),
        json!({"kind": "secret", "name": "pg-auth"}),
        json!({"name": "my-auth", "externallyManaged": false}),
    ] {
        let world = without_secret(auth.clone());
        let message = refused(&world);
        let name = auth["name"].as_str().expect("a name");
        assert!(
            message.contains(&format!("Secret {name:?} does not exist yet and is waited for")),
            "{message}"
        );
        assert!(message.contains("remove spec.authSecret"), "{message}");
    }
    let external = refused(&without_secret(
        json!({"name": "my-auth", "externallyManaged": true}),
    ));
    assert!(
        external.contains("externally managed and does not exist"),
        "{external}"
    );
}

#[test]
fn the_secret_that_was_waited_for_is_used() {
    let mut world = without_secret(json!({"name": "my-auth"}));
    refused(&world);
    let brought = secret("my-auth", &[("username", "postgres"), ("password", "theirs")]);
    secrets_of(&mut world).auth = Some(brought);
    let did = actions(&decide(&world));
    assert!(
        did.contains(&"apply PetSet pg".to_owned()) && !did.contains(&"create auth".to_owned()),
        "{did:?}"
    );
}

#[test]
fn no_password_is_made_for_old_data() {
    for auth in [json!(null), json!({"name": "pg-auth"}), json!({"name": "mine"})] {
        let mut world = without_secret(auth);
        world.name_holders = vec![claim_of_an_earlier_database()];
        let message = refused(&world);
        assert!(
            message.contains("PersistentVolumeClaim \"data-pg-0\" has the data of an earlier database"),
            "{message}"
        );
        assert!(message.contains("as that database had them"), "{message}");
        let selector = "app.kubernetes.io/name=postgreses.kubedb.com,app.kubernetes.io/instance=pg";
        assert!(message.contains(selector), "{message}");
    }
    let mut brought_back = fresh(json!({}));
    brought_back.name_holders = vec![claim_of_an_earlier_database()];
    assert!(actions(&decide(&brought_back)).contains(&"apply PetSet pg".to_owned()));
}

#[test]
fn a_password_that_not_every_reader_takes_is_refused_with_secret_and_key() {
    let table: [(&[u8], &str); 7] = [
        (b"secret\n", "key password ends in a line break"),
        (b"one\ntwo", "key password has more than one line"),
        (b"se\0cret", "key password has a control character"),
        (b"\xff\xfe", "key password is not text"),
        (
            "pässword".as_bytes(),
            "key password has a character that is not ASCII",
        ),
        (b"a$$b", "key password has two dollar signs"),
        (b"", "key password is missing or empty"),
    ];
    for (password, what) in table {
        let message = refused(&with_password(fresh(json!({})), password));
        assert!(message.contains("Secret \"pg-auth\""), "{message}");
        assert!(message.contains(what), "{message}");
        let healed = decide(&with_password(fresh(json!({})), b"secret"));
        assert!(actions(&healed).contains(&"apply PetSet pg".to_owned()));
    }
    let mut nameless = fresh(json!({}));
    let auth = secrets_of(&mut nameless).auth.as_mut().expect("a Secret");
    auth.data.get_or_insert_default().remove("username");
    assert!(refused(&nameless).contains("key username is missing"));
}

/// Members and clients of a database that runs use the password as it is: it goes on, and the condition tells who can't.
#[test]
fn a_running_database_goes_on_and_reports_what_standbys_can_not_use() {
    let mut world = with_password(running(json!({})), b"secret\n");
    // It is the one that opens the database.
    let in_force = secrets_of(&mut world).in_force.as_mut().expect("a Secret");
    let data = in_force.data.get_or_insert_default();
    data.insert("password".to_owned(), ByteString(b"secret\n".to_vec()));
    let scaled = edit(world, |spec| spec.replicas = Some(5));
    let plan = decide(&scaled);
    assert!(
        actions(&plan).contains(&"apply PetSet pg".to_owned()),
        "{:?}",
        actions(&plan)
    );
    let (status, reason, message) = set(&plan, "SpecApplied").expect("the cause");
    assert!(
        !status && reason == "InvalidAuthSecret" && message.contains("line break"),
        "{message}"
    );
}

#[test]
fn another_user_name_becomes_the_superuser() {
    let mut world = fresh(json!({}));
    let auth = secrets_of(&mut world).auth.as_mut().expect("a Secret");
    let data = auth.data.get_or_insert_default();
    data.insert("username".to_owned(), ByteString(b"admin".to_vec()));
    assert!(actions(&decide(&world)).contains(&"apply PetSet pg".to_owned()));
    let auth = secrets_of(&mut world).auth.as_mut().expect("a Secret");
    let data = auth.data.get_or_insert_default();
    data.insert("username".to_owned(), ByteString(b"pg_admin".to_vec()));
    assert!(refused(&world).contains("PostgreSQL reserves"));
}

/// Charts and Argo CD label what they install in KubeDB's words.
#[test]
fn a_secret_that_the_user_labelled_otherwise_is_not_another_databases() {
    for labels in [
        json!({"app.kubernetes.io/instance": "shop"}),
        json!({"app.kubernetes.io/instance": "shop", "app.kubernetes.io/name": "web", "app.kubernetes.io/managed-by": "Helm"}),
    ] {
        let mut world = fresh(json!({}));
        let auth = secrets_of(&mut world).auth.as_mut().expect("a Secret");
        auth.metadata.labels = serde_json::from_value(labels.clone()).expect("labels");
        assert!(
            actions(&decide(&world)).contains(&"apply PetSet pg".to_owned()),
            "{labels}"
        );
    }
    for labels in [
        labels_of("other"),
        json!({"app.kubernetes.io/instance": "pg", "app.kubernetes.io/name": "mysqls.kubedb.com"}),
        json!({"app.kubernetes.io/instance": "other", "app.kubernetes.io/managed-by": "kubedb.com"}),
    ] {
        let mut world = fresh(json!({}));
        let auth = secrets_of(&mut world).auth.as_mut().expect("a Secret");
        auth.metadata.labels = serde_json::from_value(labels.clone()).expect("labels");
        assert!(refused(&world).contains("belongs to database"), "{labels}");
    }
}

/// Restored with the owner that it had: Kubernetes deletes it, and with it the password.
#[test]
fn a_secret_that_kubernetes_is_about_to_delete_is_not_relied_upon() {
    let owned_by = |kind: &str, uid: &str| {
        let mut world = fresh(json!({}));
        let auth = secrets_of(&mut world).auth.as_mut().expect("a Secret");
        let owner = json!([{"apiVersion": "kubedb.com/v1", "kind": kind, "name": "pg", "uid": uid, "controller": true}]);
        auth.metadata.owner_references = serde_json::from_value(owner).expect("owners");
        world
    };
    let message = refused(&owned_by("Postgres", "earlier"));
    assert!(
        message.contains("owned by an earlier Postgres pg (UID earlier)"),
        "{message}"
    );
    for (kind, uid) in [("Postgres", UID), ("ExternalSecret", "x")] {
        assert!(
            actions(&decide(&owned_by(kind, uid))).contains(&"apply PetSet pg".to_owned()),
            "{kind}"
        );
    }
}
