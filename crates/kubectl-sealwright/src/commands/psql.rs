//! `psql`: the client in the primary's Pod, over its Unix socket, by `kubectl exec`.

use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::process::Command;

use api_types::vocabulary::POSTGRES_CONTAINER;

use crate::cli::{Connection, PsqlArgs};
use crate::cluster::Target;
use crate::exit::{Error, Exit};
use crate::members;

pub(super) async fn run(connection: &Connection, args: &PsqlArgs) -> Result<Exit, Error> {
    let target = Target::connect(connection).await?;
    let pod = match &args.member {
        Some(member) => member.clone(),
        None => primary(&target, &args.database).await?,
    };
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    // kubectl takes the place of this process, so that signals and the exit code are psql's.
    let source = Command::new("kubectl")
        .args(command(
            connection,
            &target.namespace,
            &pod,
            terminal,
            &args.arguments,
        ))
        .exec();
    Err(Error::Program {
        program: "kubectl",
        source,
    })
}

async fn primary(target: &Target, database: &str) -> Result<String, Error> {
    target.database(database).await?;
    let members = members::members(&members::pods(target, database).await?);
    let primary = members::primary(&members).map(|member| member.name.clone());
    primary.ok_or_else(|| Error::NotFound {
        what: format!("a ready primary of {}/{database}", target.namespace),
        advice: format!(
            "kubectl sealwright status {database} -n {} tells why; --member names another member",
            target.namespace
        ),
    })
}

/// The arguments of kubectl.
fn command(
    connection: &Connection,
    namespace: &str,
    pod: &str,
    terminal: bool,
    arguments: &[String],
) -> Vec<String> {
    let mut command = Vec::new();
    if let Some(path) = &connection.kubeconfig {
        command.extend(["--kubeconfig".to_owned(), path.display().to_string()]);
    }
    if let Some(context) = &connection.context {
        command.extend(["--context".to_owned(), context.clone()]);
    }
    let mode = if terminal { "-it" } else { "-i" };
    let rest = [
        "exec",
        mode,
        "-n",
        namespace,
        pod,
        "-c",
        POSTGRES_CONTAINER,
        "--",
        "psql",
        "-h",
        "/var/run/postgresql",
        "-U",
        "postgres",
    ];
    command.extend(rest.map(str::to_owned));
    command.extend(arguments.iter().cloned());
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubectl_gets_the_same_cluster() {
        let connection = Connection {
            namespace: None,
            context: Some("prod".to_owned()),
            kubeconfig: Some("/k".into()),
        };
        let arguments = ["-c".to_owned(), "select 1".to_owned()];
        assert_eq!(
            command(&connection, "ns", "db-1", false, &arguments).join(" "),
            "--kubeconfig /k --context prod exec -i -n ns db-1 -c postgres -- psql -h /var/run/postgresql -U postgres \
             -c select 1"
        );
        let terminal = command(&Connection::default(), "ns", "db-1", true, &[]);
        assert_eq!(terminal[..2], ["exec", "-it"]);
    }
}
