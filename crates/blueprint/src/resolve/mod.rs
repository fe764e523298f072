//! From a Postgres and what was read for it to a [`Resolved`]: KubeDB's defaults and its rules.

mod certificates;
mod combined;
mod configuration;
mod parameters;
mod pod;
mod rules;
mod services;
mod settings;
mod tls_parameters;
mod unused;

use std::fmt;

use api_types::deployed::DeployedAuth;
use api_types::postgres::PostgresSpec;
use api_types::quantity::amount;
use api_types::tls::{ClientAuthMode, SslMode};
use api_types::vocabulary::{DATA_VOLUME, INLINE_CONF, RESTART_TOKEN, USER_CONF};
use api_types::{Major, PetSet, Postgres, PostgresVersion};
use k8s_openapi::api::core::v1::{PersistentVolumeClaimSpec, Secret};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::material::secret_text;
use crate::members_tls::MemberTls;
use crate::resolved::Resolved;
use crate::tls::TlsInputs;

pub use unused::unsupported_fields;

/// Role of the superuser unless the auth Secret names another.
pub const DEFAULT_SUPERUSER: &str = "postgres";

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
    /// The facts from live objects.
    pub live: LiveFacts,
}

/// What is carried over from live objects, so that building again does not change them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveFacts {
    /// The live PetSet's restart token.
    pub restart_token: Option<String>,
    /// `username` of the live auth Secret; `postgres` when there is none yet.
    pub superuser: Option<String>,
    /// The credentials that open the database, which members follow whatever the spec has by now; none before they are
    /// known.
    pub auth: Option<DeployedAuth>,
    /// Bytes that the live PetSet's claims request.
    pub volume: Option<i64>,
    /// The user's parameters as members have them; none before there is a config Secret.
    pub configuration: Option<RunningConfiguration>,
    /// What claims are made from: a volume keeps it until a request changes the volume, so an edit of the spec does not.
    pub storage: Option<Box<PersistentVolumeClaimSpec>>,
    /// What members show each other and the operators on Patroni's REST API.
    pub member_tls: Option<MemberTls>,
    /// The service account that the user names does not exist, or is already this Postgres' own: then it is ours to make.
    pub make_named_service_account: bool,
}

/// The user's parameters as members have them, in the form of files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunningConfiguration {
    /// `user.conf` of the Secret that `spec.configuration.secretName` named.
    pub user_conf: String,
    /// The spec's inline `user.conf`.
    pub inline_conf: String,
}

impl LiveFacts {
    /// The facts from the live PetSet; nothing when there is none.
    pub fn from_pet_set(pet_set: Option<&PetSet>) -> Self {
        let annotations = pet_set
            .and_then(|pet_set| pet_set.spec.template.metadata.as_ref())
            .and_then(|meta| meta.annotations.as_ref());
        Self {
            restart_token: annotations.and_then(|map| map.get(RESTART_TOKEN).cloned()),
            volume: pet_set.and_then(claimed),
            storage: pet_set.and_then(storage_of).cloned().map(Box::new),
            ..Self::default()
        }
    }

    /// With claims of this size: a request changes what new members get.
    pub fn with_volume_size(mut self, size: &Quantity) -> Self {
        self.volume = amount(size);
        if let Some(claim) = &mut self.storage {
            let resources = claim.resources.get_or_insert_default();
            let requests = resources.requests.get_or_insert_default();
            requests.insert("storage".to_owned(), size.clone());
        }
        self
    }

    /// With the user's parameters, as the live config Secret has them.
    pub fn with_configuration(mut self, config: Option<&Secret>) -> Self {
        let text = |secret, key| secret_text(secret, key).unwrap_or_default().to_owned();
        self.configuration = config.map(|secret| RunningConfiguration {
            user_conf: text(secret, USER_CONF),
            inline_conf: text(secret, INLINE_CONF),
        });
        self
    }

    /// With the credentials that the members follow.
    pub fn with_auth(mut self, auth: Option<DeployedAuth>) -> Self {
        self.auth = auth;
        self
    }

    /// With the superuser's name, as the live auth Secret has it.
    pub fn with_superuser(mut self, username: Option<String>) -> Self {
        self.superuser = username.filter(|name| !name.is_empty());
        self
    }
}

/// Bytes that a PetSet's claims for the data request.
fn claimed(pet_set: &PetSet) -> Option<i64> {
    let requests = storage_of(pet_set)?.resources.as_ref()?.requests.as_ref()?;
    amount(requests.get("storage")?)
}

/// What a PetSet makes the members' claims from; none when their data is in the Pods.
pub fn storage_of(pet_set: &PetSet) -> Option<&PersistentVolumeClaimSpec> {
    let templates = &pet_set.spec.volume_claim_templates;
    let data = templates
        .iter()
        .find(|claim| claim.metadata.name.as_deref() == Some(DATA_VOLUME))?;
    data.spec.as_ref()
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

/// The spec in the form of `v1`, and what its rules read besides.
struct ResolveInput<'a> {
    inputs: &'a Inputs<'a>,
    /// The spec, with fields of the old API version moved to their places.
    spec: PostgresSpec,
    /// Major version of PostgreSQL.
    major: Major,
    ssl_mode: SslMode,
    client_auth_mode: ClientAuthMode,
}

impl ResolveInput<'_> {
    fn replicas(&self) -> i32 {
        self.spec.replicas.unwrap_or(1)
    }

    fn name(&self) -> &str {
        self.inputs.postgres.metadata.name.as_deref().unwrap_or_default()
    }
}

/// Resolves every setting of a database: spec, version and live facts become one value.
///
/// # Errors
/// All contradictions found, each with the field and what to write instead.
pub fn resolve(inputs: &Inputs<'_>) -> Result<Resolved, Vec<Invalid>> {
    let major = supported_major(inputs)?;
    let (ssl_mode, client_auth_mode) = effective_defaults(inputs.postgres, inputs.version);
    let input = ResolveInput {
        inputs,
        spec: inputs.postgres.spec.upgraded(),
        major,
        ssl_mode,
        client_auth_mode,
    };
    let mut findings = Findings::default();
    rules::check(&input, &mut findings);
    services::check(&input, &mut findings);
    let configuration = configuration::resolve(&input, &mut findings);
    let certificates = certificates::resolve(&input, &mut findings);
    if findings.0.is_empty() {
        Ok(settings::resolve(&input, configuration, certificates))
    } else {
        Err(findings.0)
    }
}

fn supported_major(inputs: &Inputs<'_>) -> Result<Major, Vec<Invalid>> {
    let (name, version) = (&inputs.postgres.spec.version, &inputs.version.spec.version);
    let refuse = |message| {
        let field = "spec.version".to_owned();
        Err(vec![Invalid { field, message }])
    };
    match Major::of(version) {
        Some(major) if major.is_supported() => Ok(major),
        Some(major) => refuse(format!(
            "the PostgresVersion {name} runs PostgreSQL {major}, which is not supported; choose one of PostgreSQL {} to {}",
            Major::OLDEST,
            Major::NEWEST
        )),
        None => refuse(format!(
            "the PostgresVersion {name} does not say which PostgreSQL it runs: its spec.version is {version:?}"
        )),
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
        Some(major) if !major.defaults_to_scram() => ClientAuthMode::Md5,
        _ => ClientAuthMode::Scram,
    };
    (
        spec.ssl_mode.unwrap_or(ssl_mode),
        spec.client_auth_mode.unwrap_or(client_auth_mode),
    )
}
