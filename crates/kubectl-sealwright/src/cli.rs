//! The command line.

mod changes;

use std::path::PathBuf;
use std::time::Duration;

use api_types::tls::{ClientAuthMode, SslMode};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use changes::{
    ExpandArgs, FailoverArgs, ReconfigureArgs, ResizeArgs, RotateAuthArgs, ScaleArgs, UpgradeArgs,
};

/// Look at a Sealwright database, verify its TLS on the wire, and run operations on it.
#[derive(Clone, Debug, Parser)]
#[command(name = "kubectl-sealwright", bin_name = "kubectl sealwright", version)]
#[command(
    after_help = "Exit codes: 0 done; 1 failure, or not all could be looked at; 2 usage; 3 something is wrong with \
                  the database, or an operation failed; 4 not found; 5 not in time; 6 refused, nothing was changed."
)]
pub struct Cli {
    /// Which cluster.
    #[command(flatten)]
    pub connection: Connection,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Which cluster and namespace.
#[derive(Clone, Debug, Default, Args)]
pub struct Connection {
    /// Namespace of the database; that of the context when absent.
    #[arg(short, long, global = true, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Context of the kubeconfig; the current one when absent.
    #[arg(long, global = true, value_name = "NAME")]
    pub context: Option<String>,
    /// The kubeconfig; KUBECONFIG or ~/.kube/config when absent.
    #[arg(long, global = true, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Members, TLS as served, expiry, the running operation, and who holds the pause.
    Status(StatusArgs),
    /// Change TLS: writes a PostgresOpsRequest and follows it.
    #[command(subcommand)]
    Tls(Box<TlsCommand>),
    /// TLS handshake with every member; says which name, chain or date is wrong, and what to do.
    Verify(VerifyArgs),
    /// Restart all members: standbys first, a switchover, the old primary last.
    Restart(RestartArgs),
    /// Another number of members.
    Scale(ScaleArgs),
    /// Give the members' containers other resources, by a rolling restart or in place.
    Resize(ResizeArgs),
    /// Give the members larger volumes.
    Expand(ExpandArgs),
    /// Let the members run another minor version of PostgreSQL, by a rolling restart.
    Upgrade(UpgradeArgs),
    /// Change parameters of PostgreSQL.
    Reconfigure(ReconfigureArgs),
    /// Give the superuser another password, without a restart.
    RotateAuth(RotateAuthArgs),
    /// Bring back standbys that do not stream: by a restart, or by a copy of the primary's data.
    Reconnect(ReconnectArgs),
    /// Promote a member although it may lack rows, when no member that has them can be the primary.
    Failover(FailoverArgs),
    /// Keep the operators off a database.
    Pause(PauseArgs),
    /// Take a person's pause away; that of an operation is left alone.
    Resume(PauseArgs),
    /// Logs of the members.
    Logs(LogsArgs),
    /// psql in the primary, as the superuser; needs kubectl.
    Psql(PsqlArgs),
    /// Support archive: objects, events and logs, without the content of Secrets.
    Bundle(BundleArgs),
    /// Shell completion.
    Completion {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs.
    Json,
}

/// `status`.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// The Postgres.
    pub database: String,
    /// Ask every member by a TLS handshake instead of telling what the last operation saw.
    #[arg(long)]
    pub verify: bool,
    /// How to write it.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// `verify`.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// The Postgres.
    pub database: String,
    /// A further DNS name or IP address that clients use; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub host: Vec<String>,
    /// CAs (PEM) that clients trust; those of the AppBinding when absent.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Longest time for one member.
    #[arg(long, default_value = "10s", value_name = "TIME", value_parser = duration)]
    pub deadline: Duration,
    /// How to write it.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// `tls …`.
#[derive(Clone, Debug, Subcommand)]
pub enum TlsCommand {
    /// Add TLS to a database that has none.
    Add {
        /// Who signs.
        #[command(flatten)]
        issuer: IssuerArgs,
        /// Modes.
        #[command(flatten)]
        modes: ModeArgs,
        /// Certificate.
        #[command(flatten)]
        certificate: CertificateArgs,
        /// The request.
        #[command(flatten)]
        request: TlsRequestArgs,
    },
    /// Have every certificate issued anew by the same issuer.
    Rotate {
        /// The request.
        #[command(flatten)]
        request: TlsRequestArgs,
    },
    /// Move to another issuer; the old and the new CA are trusted meanwhile.
    ChangeIssuer {
        /// Who signs.
        #[command(flatten)]
        issuer: IssuerArgs,
        /// The request.
        #[command(flatten)]
        request: TlsRequestArgs,
    },
    /// Change a certificate, sslMode or clientAuthMode.
    Update {
        /// Modes.
        #[command(flatten)]
        modes: ModeArgs,
        /// Certificate.
        #[command(flatten)]
        certificate: CertificateArgs,
        /// The request.
        #[command(flatten)]
        request: TlsRequestArgs,
    },
    /// Take TLS away.
    Remove {
        /// How clients prove who they are then: md5 or scram; needed when it is cert now.
        #[arg(long, value_name = "MODE", value_parser = client_auth_mode(&["md5", "scram"]))]
        client_auth_mode: Option<ClientAuthMode>,
        /// The request.
        #[command(flatten)]
        request: TlsRequestArgs,
    },
}

impl TlsCommand {
    /// Flags of the request.
    pub fn request(&self) -> &RequestArgs {
        match self {
            Self::Add { request, .. }
            | Self::Rotate { request }
            | Self::ChangeIssuer { request, .. }
            | Self::Update { request, .. }
            | Self::Remove { request, .. } => &request.request,
        }
    }
}

/// The issuer.
#[derive(Clone, Debug, Args)]
pub struct IssuerArgs {
    /// Name of the issuer.
    #[arg(long, value_name = "NAME")]
    pub issuer: String,
    /// Its kind.
    #[arg(long, value_name = "KIND", default_value = "Issuer", value_parser = ["Issuer", "ClusterIssuer"])]
    pub issuer_kind: String,
}

/// How clients connect.
#[derive(Clone, Debug, Default, Args)]
pub struct ModeArgs {
    /// What standbys ask for, and the AppBinding tells applications to ask for.
    #[arg(long, value_name = "MODE", value_parser = ssl_mode())]
    pub ssl_mode: Option<SslMode>,
    /// How clients prove who they are.
    #[arg(long, value_name = "MODE", value_parser = client_auth_mode(&["md5", "scram", "cert"]))]
    pub client_auth_mode: Option<ClientAuthMode>,
}

/// What is to differ from the defaults in one certificate.
#[derive(Clone, Debug, Default, Args)]
pub struct CertificateArgs {
    /// Which certificate the following flags change.
    #[arg(long, value_name = "ALIAS", default_value = "server", value_parser = ["server", "client", "metrics-exporter"])]
    pub certificate: String,
    /// A further DNS name; may be repeated. The list replaces the one of the spec.
    #[arg(long = "dns-name", value_name = "NAME")]
    pub dns_names: Vec<String>,
    /// A further IP address; may be repeated.
    #[arg(long = "ip-address", value_name = "ADDRESS")]
    pub ip_addresses: Vec<std::net::IpAddr>,
    /// Lifetime, for example 2160h.
    #[arg(long, value_name = "TIME")]
    pub duration: Option<String>,
    /// How long before its end it is renewed, for example 360h.
    #[arg(long, value_name = "TIME")]
    pub renew_before: Option<String>,
    /// Organization of the subject; may be repeated.
    #[arg(long = "organization", value_name = "NAME")]
    pub organizations: Vec<String>,
}

/// Whether a change restarts anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Restart {
    /// All of them.
    True,
    /// Only one that does not follow a reload.
    Auto,
    /// None.
    False,
}

/// What becomes of sessions that the new settings would not admit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DrainPolicy {
    /// They are ended.
    Force,
    /// They go on, and the request fails.
    Wait,
}

/// Flags of every TLS request.
#[derive(Clone, Debug, Args)]
pub struct TlsRequestArgs {
    /// Whether Pods are restarted; KubeDB's default is true.
    #[arg(long, value_enum)]
    pub restart: Option<Restart>,
    /// What becomes of sessions that the new settings would not admit, without a restart.
    #[arg(long, value_enum, value_name = "POLICY")]
    pub drain: Option<DrainPolicy>,
    /// How long such sessions are waited for, for example 1m.
    #[arg(long, value_name = "TIME")]
    pub drain_timeout: Option<String>,
    /// How long applications have to take the bundle with the old and the new CA [default: 2m].
    #[arg(long, value_name = "TIME")]
    pub ca_overlap: Option<String>,
    /// The request.
    #[command(flatten)]
    pub request: RequestArgs,
}

/// When an operation may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Apply {
    /// When the database is Ready.
    #[value(name = "IfReady", alias = "if-ready")]
    IfReady,
    /// At once.
    #[value(name = "Always", alias = "always")]
    Always,
}

/// Which program evaluates a dry run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DryRun {
    /// The plugin: it prints the request.
    Client,
    /// The ops-manager: it plans the request and does nothing.
    Server,
}

/// Flags of every request.
#[derive(Clone, Debug, Default, Args)]
pub struct RequestArgs {
    /// The Postgres.
    pub database: String,
    /// Name of the request; made from the database and the action when absent.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// When it may begin.
    #[arg(long, value_enum, value_name = "WHEN")]
    pub apply: Option<Apply>,
    /// Longest time of a step, for example 5m.
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<String>,
    /// Print the request as YAML and write nothing (client), or ask the ops-manager what it would do (server).
    #[arg(
        long,
        conflicts_with = "no_wait",
        value_enum,
        value_name = "WHERE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "client"
    )]
    pub dry_run: Option<DryRun>,
    /// Write the request and do not follow it.
    #[arg(long)]
    pub no_wait: bool,
    /// How long to follow it; it goes on afterwards.
    #[arg(long, default_value = "1h", value_name = "TIME", value_parser = duration)]
    pub wait_timeout: Duration,
}

/// `restart`.
#[derive(Clone, Debug, Args)]
pub struct RestartArgs {
    /// The request.
    #[command(flatten)]
    pub request: RequestArgs,
}

/// `reconnect`.
#[derive(Clone, Debug, Args)]
pub struct ReconnectArgs {
    /// How long a restarted standby may take to stream before it is rebuilt [default: 2m].
    #[arg(long, value_name = "TIME")]
    pub ready_timeout: Option<String>,
    /// The request.
    #[command(flatten)]
    pub request: RequestArgs,
}

/// `pause` and `resume`.
#[derive(Clone, Debug, Args)]
pub struct PauseArgs {
    /// The Postgres.
    pub database: String,
    /// Who holds the pause; the kubeconfig's user when absent.
    #[arg(long, value_name = "NAME")]
    pub holder: Option<String>,
    /// Do not wait until the provisioner has seen it.
    #[arg(long)]
    pub no_wait: bool,
}

/// `logs`.
#[derive(Clone, Debug, Args)]
pub struct LogsArgs {
    /// The Postgres.
    pub database: String,
    /// Go on with what is logged from now on.
    #[arg(short, long)]
    pub follow: bool,
    /// Only this member (name of its Pod).
    #[arg(long, value_name = "POD")]
    pub member: Option<String>,
    /// The container.
    #[arg(short, long, value_name = "NAME", default_value = api_types::vocabulary::POSTGRES_CONTAINER)]
    pub container: String,
    /// At most so many lines of each member.
    #[arg(long, value_name = "LINES")]
    pub tail: Option<u32>,
    /// Only what is younger, for example 10m.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub since: Option<Duration>,
}

/// `psql`.
#[derive(Clone, Debug, Args)]
pub struct PsqlArgs {
    /// The Postgres.
    pub database: String,
    /// This member (name of its Pod) instead of the primary.
    #[arg(long, value_name = "POD")]
    pub member: Option<String>,
    /// Arguments of psql.
    #[arg(last = true)]
    pub arguments: Vec<String>,
}

/// `bundle`.
#[derive(Clone, Debug, Args)]
pub struct BundleArgs {
    /// The Postgres.
    pub database: String,
    /// The archive; `<namespace>-<database>.tar.gz` in the current folder when absent.
    #[arg(short = 'f', long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Namespace of the operators, whose logs are taken too.
    #[arg(long, value_name = "NAME", default_value = "sealwright-system")]
    pub system_namespace: String,
    /// At most so many lines of each log.
    #[arg(long, value_name = "LINES", default_value_t = 5000)]
    pub tail: u32,
}

fn ssl_mode() -> impl TypedValueParser<Value = SslMode> {
    const MODES: [SslMode; 5] = [
        SslMode::Allow,
        SslMode::Prefer,
        SslMode::Require,
        SslMode::VerifyCa,
        SslMode::VerifyFull,
    ];
    PossibleValuesParser::new(MODES.map(SslMode::as_str)).map(|word| {
        let known = MODES.into_iter().find(|mode| mode.as_str() == word);
        known.unwrap_or(SslMode::VerifyFull)
    })
}

fn client_auth_mode(words: &'static [&'static str]) -> impl TypedValueParser<Value = ClientAuthMode> {
    PossibleValuesParser::new(words).map(|word| match word.as_str() {
        "md5" => ClientAuthMode::Md5,
        "scram" => ClientAuthMode::Scram,
        _ => ClientAuthMode::Cert,
    })
}

/// A time in Go's notation, one unit: `90s`, `5m`, `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(unit);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("write a time such as 90s, 5m or 1h".to_owned()),
    };
    let count: u64 = count
        .parse()
        .map_err(|_| "write a time such as 90s, 5m or 1h".to_owned())?;
    count
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(|| "that is too long".to_owned())
}

#[cfg(test)]
mod tests;
