//! Commands that change a database, but for its TLS.

use clap::{ArgGroup, Args};

use super::{RequestArgs, Restart};

/// `rotate-auth`.
#[derive(Clone, Debug, Args)]
pub struct RotateAuthArgs {
    /// Secret with the new password and the same user name; a password is made when absent.
    #[arg(long, value_name = "NAME")]
    pub secret: Option<String>,
    /// The request.
    #[command(flatten)]
    pub request: RequestArgs,
}

/// `scale`.
#[derive(Clone, Debug, Args)]
pub struct ScaleArgs {
    /// Members afterwards, the primary and the standbys together.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..))]
    pub replicas: i32,
    /// The request.
    #[command(flatten)]
    pub request: RequestArgs,
}

/// `resize`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("amounts").required(true).multiple(true).args(["requests", "limits"]))]
pub struct ResizeArgs {
    /// New requests, for example cpu=1,memory=2Gi. What is not named stays as it is.
    #[arg(long, value_name = "AMOUNTS", value_delimiter = ',', value_parser = amount)]
    pub requests: Vec<(String, String)>,
    /// New limits, for example memory=2Gi.
    #[arg(long, value_name = "AMOUNTS", value_delimiter = ',', value_parser = amount)]
    pub limits: Vec<(String, String)>,
    /// Whose.
    #[arg(short, long, value_name = "NAME", default_value = "postgres", value_parser = ["postgres", "exporter"])]
    pub container: String,
    /// While the containers run, without a restart; a member whose node has no room is restarted.
    #[arg(long)]
    pub in_place: bool,
    /// The request.
    #[command(flatten)]
    pub request: RequestArgs,
}

/// `expand`.
#[derive(Clone, Debug, Args)]
pub struct ExpandArgs {
    /// New size of every member's volume, for example 20Gi.
    #[arg(long, value_name = "SIZE")]
    pub size: String,
    /// Whether volumes grow while Pods use them.
    #[arg(long, value_name = "MODE", default_value = "Online", value_parser = ["Online", "Offline"])]
    pub mode: String,
    /// The request.
    #[command(flatten)]
    pub request: RequestArgs,
}

/// `failover`.
#[derive(Clone, Debug, Args)]
pub struct FailoverArgs {
    /// A Pod that may be promoted; may be repeated, and they are tried in this order [default: the one with most WAL].
    #[arg(long = "candidate", value_name = "POD")]
    pub candidates: Vec<String>,
    /// The request.
    #[command(flatten)]
    pub request: RequestArgs,
}

/// `upgrade`.
#[derive(Clone, Debug, Args)]
pub struct UpgradeArgs {
    /// The request.
    #[command(flatten)]
    pub request: RequestArgs,
    /// Name of the PostgresVersion (kubectl get pgversion); an older minor version is one too.
    #[arg(value_name = "VERSION")]
    pub version: String,
}

/// `reconfigure`.
#[derive(Clone, Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(["set", "secret", "profile", "remove"]))]
pub struct ReconfigureArgs {
    /// A parameter and its value, for example max_connections=200; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter)]
    pub set: Vec<(String, String)>,
    /// Secret with the key user.conf.
    #[arg(long, value_name = "NAME")]
    pub secret: Option<String>,
    /// Compute parameters from the members' size for this use.
    #[arg(long, value_name = "NAME", value_parser = ["web", "oltp", "dw", "mixed", "desktop"])]
    pub profile: Option<String>,
    /// max_connections to compute for.
    #[arg(long, value_name = "NUMBER", requires = "profile")]
    pub connections: Option<i32>,
    /// What the volumes are on, to compute for.
    #[arg(long, value_name = "KIND", requires = "profile", value_parser = ["ssd", "hdd", "san"])]
    pub storage_type: Option<String>,
    /// Drop all parameters of the spec first.
    #[arg(long)]
    pub remove: bool,
    /// Whether PostgreSQL restarts where a parameter needs it (auto), every Pod does (true), or nothing (false).
    #[arg(long, value_enum)]
    pub restart: Option<Restart>,
    /// The request.
    #[command(flatten)]
    pub request: RequestArgs,
}

/// A resource and how much of it: `cpu=500m`.
fn amount(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, amount)) if !name.is_empty() && !amount.is_empty() => {
            Ok((name.to_owned(), amount.to_owned()))
        }
        _ => Err("write a resource and its amount, such as cpu=500m or memory=2Gi".to_owned()),
    }
}

/// A parameter and its value, which may be empty.
fn parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write a parameter and its value, such as work_mem=8MB".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::{Cli, Command};

    #[test]
    fn an_expansion_names_a_size() {
        let parse =
            |line: &str| Cli::try_parse_from(["x", "expand", "db"].into_iter().chain(line.split(' ')));
        for wrong in ["--mode Online", "--size 2Gi --mode Sometimes"] {
            assert_eq!(parse(wrong).expect_err(wrong).exit_code(), 2, "{wrong}");
        }
        let Command::Expand(args) = parse("--size 2Gi").expect("an expansion").command else {
            panic!("another command");
        };
        assert_eq!((args.size.as_str(), args.mode.as_str()), ("2Gi", "Online"));
    }

    #[test]
    fn a_resize_names_an_amount() {
        let parse =
            |line: &str| Cli::try_parse_from(["x", "resize", "db"].into_iter().chain(line.split(' ')));
        for wrong in [
            "--requests cpu",
            "--limits =1",
            "--container exporter",
            "--limits cpu=1 -c other",
        ] {
            assert_eq!(parse(wrong).expect_err(wrong).exit_code(), 2, "{wrong}");
        }
        let Command::Resize(args) = parse("--requests cpu=1,memory=2Gi --limits memory=3Gi")
            .expect("a resize")
            .command
        else {
            panic!("another command");
        };
        let pair = |name: &str, amount: &str| (name.to_owned(), amount.to_owned());
        assert_eq!(args.requests, [pair("cpu", "1"), pair("memory", "2Gi")]);
        assert_eq!(args.limits, [pair("memory", "3Gi")]);
    }
}
