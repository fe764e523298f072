//! The command line and the environment.

use std::path::PathBuf;

use crate::local::Calls;

/// Runs Patroni as the first process of a member's container.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "entrypoint", version)]
pub struct Args {
    /// Which logs are written, for example `info` or `info,kube=debug`.
    #[arg(long, env = "ENTRYPOINT_LOG_LEVEL", default_value = "info")]
    pub log_level: String,
    /// Folder of PostgreSQL's files. The lock of the volume is a file beside it.
    #[arg(long, env = "PGDATA")]
    pub data: PathBuf,
    /// What is known of the Pod.
    #[command(flatten)]
    pub pod: OwnPod,
    /// Folder of PostgreSQL's Unix socket.
    #[arg(long, default_value = "/var/run/postgresql")]
    pub socket: PathBuf,
    /// The user of logins by which a PostgreSQL that hangs is found.
    #[arg(long, env = "POSTGRES_USER", default_value = "postgres")]
    pub user: String,
    /// How its Patroni is called.
    #[command(flatten)]
    pub calls: Calls,
    /// Settings of libpq for everything that Patroni starts, PostgreSQL's WAL receiver among it (`pg_service.conf`). Without it
    /// libpq's defaults hold.
    #[arg(long)]
    pub service_file: Option<PathBuf>,
    /// Patroni and its arguments.
    #[arg(trailing_var_arg = true, required = true)]
    pub command: Vec<String>,
}

/// The Pod that this process runs in.
#[derive(Clone, Debug, clap::Args)]
pub struct OwnPod {
    /// Name of the Pod.
    #[arg(long = "pod", env = "POD_NAME")]
    pub name: String,
    /// Namespace of the Pod.
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: String,
    /// UID of the Pod: the next Pod of this name has another one.
    #[arg(long, env = "POD_UID")]
    pub uid: String,
    /// Labels by which the database's Pods are found, as `key=value,key=value`.
    #[arg(long)]
    pub selector: String,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    const OF_A_POD: &str = "entrypoint --pod=pg-0 --namespace=shop --uid=u --selector=a=b,c=d --patroni=pg-0:8008 --ca=/ca.crt \
                            --identity=/member.pem";

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn everything_after_the_options_is_the_command() {
        let args = parse(&format!(
            "{OF_A_POD} --data=/var/pv/data patroni --validate /etc/p.yml"
        ))
        .unwrap();
        assert_eq!(args.command, ["patroni", "--validate", "/etc/p.yml"]);
        assert_eq!(args.pod.selector, "a=b,c=d");
    }

    #[test]
    fn without_a_command_there_is_nothing_to_run() {
        assert!(parse(&format!("{OF_A_POD} --data=/var/pv/data")).is_err());
    }
}
