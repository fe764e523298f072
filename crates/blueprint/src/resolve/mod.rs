//! From a Postgres and what was read for it to a [`Resolved`]: KubeDB's defaults and its rules.

mod certificates;
mod configuration;
mod rules;
mod settings;
mod unused;

use std::fmt;

use api_types::postgres::PostgresSpec;
use api_types::tls::{ClientAuthMode, SslMode};
use api_types::vocabulary::RESTART_TOKEN;
use api_types::{PetSet, Postgres, PostgresVersion};

use crate::resolved::Resolved;
use crate::tls::TlsInputs;

pub use unused::kept_but_unused;

/// Role of the superuser unless the auth Secret says otherwise.
pub const DEFAULT_SUPERUSER: &str = "postgres";

/// From this major version on, KubeDB's default authentication is SCRAM.
const SCRAM_DEFAULT_SINCE: u32 = 18;

/// Everything that [`resolve`] needs, already read from the API server by the caller.
#[derive(Clone, Debug)]
pub struct Inputs<'a> {
    /// The database.
    pub postgres: &'a Postgres,
    /// The version that `spec.version` names.
    pub version: &'a PostgresVersion,
    /// Content of the key `user.conf` of the Secret that `spec.configuration.secretName` (or `spec.configSecret`) names;
    /// none when none is named.
    pub user_conf: Option<&'a str>,
    /// The TLS switches.
    pub tls: TlsInputs,
    /// What live objects say.
    pub live: LiveFacts,
}

/// What is carried over from live objects, so that building again does not change them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveFacts {
    /// The live PetSet's restart token.
    pub restart_token: Option<String>,
    /// `username` of the live auth Secret; `postgres` when there is none yet.
    pub superuser: Option<String>,
    /// The service account that the user names does not exist, or is already this Postgres' own: then it is ours to make.
    pub make_named_service_account: bool,
}

impl LiveFacts {
    /// What the live PetSet says; nothing when there is none.
    pub fn from_pet_set(pet_set: Option<&PetSet>) -> Self {
        let annotations = pet_set
            .and_then(|pet_set| pet_set.spec.template.metadata.as_ref())
            .and_then(|meta| meta.annotations.as_ref());
        Self {
            restart_token: annotations.and_then(|map| map.get(RESTART_TOKEN).cloned()),
            ..Self::default()
        }
    }

    /// With the superuser's name, as the live auth Secret has it.
    pub fn with_superuser(mut self, username: Option<String>) -> Self {
        self.superuser = username.filter(|name| !name.is_empty());
        self
    }
}

/// One thing in a Postgres that cannot be done, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Invalid {
    /// Path of the field, for example `spec.sslMode`.
    pub field: String,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// What was found wrong so far.
#[derive(Debug, Default)]
struct Findings(Vec<Invalid>);

impl Findings {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.0.push(Invalid {
            field: field.into(),
            message: message.into(),
        });
    }

    fn add_if(&mut self, wrong: bool, field: &str, message: &str) {
        if wrong {
            self.add(field, message);
        }
    }
}

/// A Postgres in the words of `v1`, with what its rules need at hand.
struct Question<'a> {
    inputs: &'a Inputs<'a>,
    /// The spec, with fields of the old API version moved to their places.
    spec: PostgresSpec,
    /// Major version of PostgreSQL.
    major: u32,
    ssl_mode: SslMode,
    client_auth_mode: ClientAuthMode,
}

impl Question<'_> {
    fn replicas(&self) -> i32 {
        self.spec.replicas.unwrap_or(1)
    }

    fn name(&self) -> &str {
        self.inputs.postgres.metadata.name.as_deref().unwrap_or_default()
    }
}

/// Answers every open question about a database.
///
/// # Errors
/// All contradictions found, each with the field and what to write instead.
pub fn resolve(inputs: &Inputs<'_>) -> Result<Resolved, Vec<Invalid>> {
    let Some(major) = inputs.version.spec.major() else {
        return Err(vec![Invalid {
            field: "spec.version".to_owned(),
            message: format!(
                "the PostgresVersion {} does not say which PostgreSQL it runs: its spec.version is {:?}",
                inputs.postgres.spec.version, inputs.version.spec.version
            ),
        }]);
    };
    let (ssl_mode, client_auth_mode) = effective_defaults(inputs.postgres, inputs.version);
    let question = Question {
        inputs,
        spec: inputs.postgres.spec.upgraded(),
        major,
        ssl_mode,
        client_auth_mode,
    };
    let mut findings = Findings::default();
    rules::check(&question, &mut findings);
    let configuration = configuration::resolve(&question, &mut findings);
    let certificates = certificates::resolve(&question, &mut findings);
    if findings.0.is_empty() {
        Ok(settings::answer(&question, configuration, certificates))
    } else {
        Err(findings.0)
    }
}

/// The TLS mode and the authentication mode in force: the spec's, or KubeDB's defaults.
pub fn effective_defaults(postgres: &Postgres, version: &PostgresVersion) -> (SslMode, ClientAuthMode) {
    let spec = &postgres.spec;
    let ssl_mode = match spec.tls {
        Some(_) => SslMode::VerifyFull,
        None => SslMode::Disable,
    };
    let client_auth_mode = match version.spec.major() {
        Some(major) if major < SCRAM_DEFAULT_SINCE => ClientAuthMode::Md5,
        _ => ClientAuthMode::Scram,
    };
    (
        spec.ssl_mode.unwrap_or(ssl_mode),
        spec.client_auth_mode.unwrap_or(client_auth_mode),
    )
}
