//! Command line and environment of the provisioner.

/// Arguments of the provisioner.
#[derive(Clone, Debug, clap::Parser)]
#[command(version, about = "Makes Postgres objects into databases")]
pub struct Args {
    /// What all operators have.
    #[command(flatten)]
    pub common: runtime::CommonArgs,
    /// How this process reaches Secrets.
    #[command(flatten)]
    pub access: Access,
}

/// How this process reaches the Secrets of a database's namespace: by a RoleBinding that it makes there.
#[derive(Clone, Debug, clap::Args)]
pub struct Access {
    /// ClusterRole with the rights to Secrets, bound per namespace only.
    #[arg(long = "database-cluster-role", env = "DATABASE_CLUSTER_ROLE")]
    pub cluster_role: String,
    /// Service account of this process: `<namespace>/<name>`.
    #[arg(long, env = "SERVICE_ACCOUNT", value_parser = account)]
    pub service_account: (String, String),
}

fn account(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("write <namespace>/<name>".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[test]
    fn the_service_account_is_namespace_and_name() {
        let parse =
            |account| Args::try_parse_from(["p", "--database-cluster-role=r", "--service-account", account]);
        let expected = ("ops".to_owned(), "provisioner".to_owned());
        assert_eq!(parse("ops/provisioner").unwrap().access.service_account, expected);
        assert!(parse("provisioner").is_err());
    }
}
