//! From command lines to requests: golden files, and each of them admitted by a real API server with our definitions.

use std::path::Path;

use api_types::PostgresOpsRequest;
use clap::Parser;
use kube::api::{Api, PostParams};
use kubectl_sealwright::cli::{Cli, Command};
use kubectl_sealwright::request;
use testkit::apiserver;

/// Command lines, and the golden file of their request.
const CASES: [(&str, &str); 19] = [
    ("add", "tls add ha-postgres --issuer pg-issuer"),
    (
        "add-everything",
        "tls add ha-postgres --issuer company --issuer-kind ClusterIssuer --ssl-mode verify-full --client-auth-mode cert \
         --certificate server --dns-name db.example.com --dns-name pg.example.com --ip-address 192.0.2.7 \
         --duration 2160h --renew-before 360h --organization Example --restart auto --drain wait --drain-timeout 2m \
         --name add-tls --apply Always --timeout 10m",
    ),
    ("rotate", "tls rotate ha-postgres --restart auto"),
    (
        "change-issuer",
        "tls change-issuer ha-postgres --issuer pg-new-issuer --ca-overlap 2m",
    ),
    (
        "update-mode",
        "tls update ha-postgres --ssl-mode require --client-auth-mode scram",
    ),
    (
        "update-certificate",
        "tls update ha-postgres --certificate client --duration 24h --organization Example --restart false",
    ),
    ("remove", "tls remove ha-postgres"),
    (
        "remove-cert",
        "tls remove ha-postgres --client-auth-mode scram --drain force",
    ),
    ("restart", "restart ha-postgres --name nightly --apply IfReady"),
    ("reconnect", "reconnect ha-postgres --ready-timeout 30s"),
    ("upgrade", "upgrade ha-postgres 17.11 --timeout 10m"),
    (
        "failover",
        "failover ha-postgres --candidate ha-postgres-2 --candidate ha-postgres-1",
    ),
    (
        "resize",
        "resize ha-postgres --requests cpu=1,memory=2Gi --limits memory=2Gi",
    ),
    (
        "resize-exporter",
        "resize ha-postgres --container exporter --limits memory=300Mi --name more-for-metrics",
    ),
    (
        "resize-in-place",
        "resize ha-postgres --in-place --requests cpu=1 --limits cpu=2",
    ),
    ("scale", "scale ha-postgres --replicas 5"),
    (
        "reconfigure-tuning",
        "reconfigure ha-postgres --profile oltp --connections 200 --storage-type ssd",
    ),
    (
        "reconfigure",
        "reconfigure ha-postgres --set max_connections=200 --set log_line_prefix=it's:%m --restart auto",
    ),
    (
        "reconfigure-secret",
        "reconfigure ha-postgres --remove --secret pg-configuration --name fresh",
    ),
];

fn request(line: &str) -> PostgresOpsRequest {
    let cli = Cli::parse_from(["kubectl-sealwright"].into_iter().chain(line.split_whitespace()));
    match cli.command {
        Command::Tls(command) => request::tls(&command).request,
        Command::Restart(args) => request::restart(&args.request).request,
        Command::Reconnect(args) => request::reconnect(&args).request,
        Command::Failover(args) => request::failover(&args).request,
        Command::Scale(args) => request::scale(&args).request,
        Command::Resize(args) => request::resize(&args).request,
        Command::Upgrade(args) => request::upgrade(&args).request,
        Command::Reconfigure(args) => request::reconfigure(&args).request,
        other => panic!("{other:?} writes no request"),
    }
}

#[test]
fn requests_are_as_written_down() {
    for (name, line) in CASES {
        let yaml = serde_yaml::to_string(&request(line)).expect("a request is YAML");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/requests/{name}.yaml"));
        expectorate::assert_contents(path, &format!("# kubectl sealwright {line}\n{yaml}"));
        let read: PostgresOpsRequest = serde_yaml::from_str(&yaml).expect("what is printed can be applied");
        assert_eq!(read, request(line));
    }
}

#[tokio::test]
async fn the_definitions_admit_every_request() {
    let namespace = "plugin-requests";
    let Some(server) = apiserver::shared(&api_types::crds::all()).await else {
        return;
    };
    server
        .namespace(namespace)
        .await
        .expect("a namespace can be made");
    let api: Api<PostgresOpsRequest> = Api::namespaced(server.client(), namespace);
    for (name, line) in CASES {
        let created = api.create(&PostParams::default(), &request(line)).await;
        let created = created.unwrap_or_else(|error| panic!("{name}: {error}"));
        let generated = created.metadata.name.unwrap_or_default();
        assert!(
            generated.starts_with("ha-postgres-") || line.contains(&generated),
            "{generated}"
        );
    }
    let nothing = api
        .create(&PostParams::default(), &request("tls update ha-postgres"))
        .await;
    assert!(
        nothing.is_err_and(|error| error.to_string().contains("nothing to do")),
        "an update that changes nothing must be refused"
    );
}

#[test]
fn the_krew_manifest_becomes_one_when_it_is_filled_in() {
    let digest = "0".repeat(64);
    let mut text = include_str!("../krew.yaml").to_owned();
    for (name, value) in [
        ("VERSION", "v1.2.3"),
        ("BASE_URL", "https://example.com/releases/v1.2.3"),
        ("SHA256_LINUX_AMD64", &digest),
        ("SHA256_LINUX_ARM64", &digest),
    ] {
        text = text.replace(&format!("${{{name}}}"), value);
    }
    let manifest: serde_json::Value = serde_yaml::from_str(&text).expect("YAML");
    // kubectl finds `kubectl-<name>`.
    assert_eq!(manifest["metadata"]["name"], "sealwright");
    assert_eq!(manifest["spec"]["version"], "v1.2.3");
    let platforms = manifest["spec"]["platforms"].as_array().expect("platforms");
    assert_eq!(platforms.len(), 2);
    for platform in platforms {
        assert_eq!(platform["bin"], env!("CARGO_PKG_NAME"));
        let uri = platform["uri"].as_str().expect("a URI");
        let arch = platform["selector"]["matchLabels"]["arch"]
            .as_str()
            .expect("an architecture");
        assert!(
            uri.starts_with("https://example.com/") && uri.contains(arch),
            "{uri}"
        );
        assert_eq!(platform["sha256"], digest.as_str());
        assert!(!uri.contains('$'), "{uri}");
    }
}
