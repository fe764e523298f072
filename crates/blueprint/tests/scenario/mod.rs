//! Databases to build: one folder each in `tests/scenarios`.
#![allow(dead_code, reason = "every test file uses another part")]

use std::path::{Path, PathBuf};

use api_types::tls::CertificateAlias;
use api_types::{Postgres, PostgresVersion};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use blueprint::{
    CaBundle, Inputs, Invalid, KeyPair, LiveFacts, MemberTls, Resolved, RoleLogin, Roles, TlsInputs,
    TlsMaterial, TlsPhase,
};

/// UID of every database in tests.
pub const UID: &str = "0b3c1111-2222-4333-8444-55550aeba1da";

/// What `resolve` needs.
pub struct Scenario {
    pub postgres: Postgres,
    pub version: PostgresVersion,
    pub user_conf: Option<String>,
    pub tls: TlsInputs,
    pub live: LiveFacts,
}

impl Scenario {
    /// A database of this specification in YAML, on the steady phase of its TLS, with one CA.
    pub fn new(spec: &str) -> Self {
        let yaml = format!(
            "apiVersion: kubedb.com/v1\nkind: Postgres\nmetadata: {{name: pg, namespace: demo, uid: {UID}}}\nspec:\n"
        );
        let indented: String = spec.lines().map(|line| format!("  {line}\n")).collect();
        Self::of(serde_yaml::from_str(&(yaml + &indented)).expect("a Postgres"))
    }

    fn of(mut postgres: Postgres) -> Self {
        postgres.metadata.uid = Some(UID.to_owned());
        let version = version(&postgres.spec.version);
        let tls = TlsInputs::steady(&postgres.spec, ca("one"), material());
        Self {
            postgres,
            version,
            user_conf: None,
            tls,
            live: LiveFacts {
                member_tls: Some(member_tls()),
                ..LiveFacts::default()
            },
        }
    }

    /// The scenario in a folder: `postgres.yaml`, and `user.conf`, `phase` and `trust` where they matter.
    pub fn load(folder: &Path) -> Self {
        let text = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
        let postgres = text("postgres.yaml").expect("postgres.yaml");
        let mut scenario = Self::of(serde_yaml::from_str(&postgres).expect("a Postgres"));
        scenario.user_conf = text("user.conf");
        if let Some(phase) = text("phase") {
            scenario.tls.phase = phase.trim().parse().expect("a phase");
        }
        if let Some(names) = text("trust") {
            let cas = names.split_whitespace().map(ca);
            scenario.tls.trust = cas.fold(CaBundle::default(), |all, ca| all.union(&ca));
        }
        scenario
    }

    pub fn phase(mut self, phase: TlsPhase, trust: CaBundle) -> Self {
        self.tls.phase = phase;
        self.tls.trust = trust;
        self
    }

    pub fn resolve(&self) -> Result<Resolved, Vec<Invalid>> {
        blueprint::resolve(&Inputs {
            postgres: &self.postgres,
            version: &self.version,
            user_conf: self.user_conf.as_deref(),
            tls: self.tls.clone(),
            live: self.live.clone(),
        })
    }

    pub fn resolved(&self) -> Resolved {
        self.resolve().expect("a valid scenario")
    }
}

/// The folders with scenarios.
pub fn folders() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .expect("tests/scenarios")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_dir())
        .collect();
    folders.sort();
    folders
}

/// A stand-in for a CA certificate: nothing here looks inside.
pub fn ca(name: &str) -> CaBundle {
    let body = STANDARD.encode(format!("CA {name}"));
    let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
    CaBundle::from_pem(&pem).expect("PEM")
}

/// Stand-ins for issued certificates.
pub fn material() -> TlsMaterial {
    let pair = |alias: CertificateAlias| KeyPair {
        ca: ca("one").to_pem(),
        certificate: ca(alias.as_str()).to_pem(),
        key: format!("key of {}\n", alias.as_str()),
    };
    let all = CertificateAlias::ALL.into_iter();
    all.fold(TlsMaterial::default(), |all, alias| all.with(alias, pair(alias)))
}

/// A stand-in for what the internal CA issued.
pub fn member_tls() -> MemberTls {
    MemberTls {
        ca: ca("of the members").to_pem(),
        identity: format!("{}key of a member\n", ca("member").to_pem()),
        roles: roles().of_member(),
    }
}

/// Passwords of the roles of ours.
pub fn roles() -> Roles {
    let login = |name: &str| RoleLogin {
        password: format!("password of {name}"),
        verifier: format!("SCRAM-SHA-256$4096:verifier of {name}"),
    };
    Roles {
        operator: login("operator"),
        replication: login("replication"),
        rewind: login("rewind"),
    }
}

/// The catalog entry of this name, as far as it matters.
fn version(name: &str) -> PostgresVersion {
    let real = match name.split('.').next() {
        Some("17") => "17.12",
        Some("15") => "15.18",
        _ => name,
    };
    serde_yaml::from_str(&format!(
        "apiVersion: catalog.kubedb.com/v1alpha1
kind: PostgresVersion
metadata: {{name: '{name}'}}
spec:
  version: '{real}'
  distribution: Official
  db: {{image: 'docker.io/sealwright/postgres:{real}', baseOS: trixie}}
  coordinator: {{image: 'docker.io/sealwright/config-agent:0.1.0'}}
  exporter: {{image: 'docker.io/sealwright/postgres-exporter:0.17.1'}}
  podSecurityPolicies: {{databasePolicyName: postgres-db}}
  securityContext: {{runAsUser: 999, runAsAnyNonRoot: false}}
"
    ))
    .expect("a PostgresVersion")
}
