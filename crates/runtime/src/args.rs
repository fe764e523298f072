//! Arguments that all operators share. Each one can come from the environment, as charts set it.

use std::net::SocketAddr;

/// Arguments of an operator process; put it into the binary's own arguments with `#[command(flatten)]`.
#[derive(Clone, Debug, clap::Args)]
pub struct CommonArgs {
    /// How logs are written.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Plain)]
    pub log_format: LogFormat,
    /// Which logs are written, for example `info` or `info,kube=debug`.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,
    /// Address of /livez, /readyz and /metrics.
    #[arg(long, env = "LISTEN", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Work only while holding a Lease, so that several replicas can run.
    #[arg(long, env = "LEADER_ELECT", default_value_t = false, num_args = 0..=1, default_missing_value = "true",
          require_equals = true, action = clap::ArgAction::Set)]
    pub leader_elect: bool,
    /// Name of the Lease; the operator's name when absent.
    #[arg(long, env = "LEASE_NAME")]
    pub lease_name: Option<String>,
    /// Name of this Pod: the Lease's holder and the Events' reporting instance.
    #[arg(long, env = "POD_NAME")]
    pub pod_name: Option<String>,
    /// Namespace of this Pod: where the Lease is; the client's default namespace when absent.
    #[arg(long, env = "POD_NAMESPACE")]
    pub pod_namespace: Option<String>,
    /// Watch only this namespace; all namespaces when absent.
    #[arg(long, env = "WATCH_NAMESPACE")]
    pub namespace: Option<String>,
    /// How many objects one controller reconciles at once.
    #[arg(long, env = "CONCURRENCY", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    Plain,
    /// One JSON object per line.
    Json,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Args {
        #[command(flatten)]
        common: CommonArgs,
    }

    #[test]
    fn defaults_suit_one_replica_that_watches_everything() {
        let args = Args::parse_from(["operator"]).common;
        assert_eq!(args.listen.port(), 8080);
        assert!(!args.leader_elect);
        assert_eq!(args.namespace, None);
        assert_eq!(args.log_format, LogFormat::Plain);
    }

    #[test]
    fn leader_election_is_a_switch_that_also_takes_a_value() {
        assert!(
            Args::parse_from(["operator", "--leader-elect"])
                .common
                .leader_elect
        );
        assert!(
            !Args::parse_from(["operator", "--leader-elect=false"])
                .common
                .leader_elect
        );
    }

    #[test]
    fn unbounded_concurrency_is_refused() {
        assert!(Args::try_parse_from(["operator", "--concurrency", "0"]).is_err());
    }
}
