//! One file per command; each observes, lets a plain function decide, and reports.

mod bundle;
mod completion;
mod logs;
mod operation;
mod pause;
mod psql;
pub(super) mod status;
mod verify;

use crate::cli::{Cli, Command};
use crate::cluster::Target;
use crate::exit::{Error, Exit};
use crate::request;

/// Runs the command of the command line.
///
/// # Errors
/// Why it could not be done.
pub async fn run(cli: Cli) -> Result<Exit, Error> {
    let connection = cli.connection;
    match cli.command {
        Command::Completion { shell } => completion::run(shell),
        Command::Tls(command) => operation::run(&connection, request::tls(&command), command.request()).await,
        Command::Restart(args) => {
            operation::run(&connection, request::restart(&args.request), &args.request).await
        }
        Command::Failover(args) => operation::run(&connection, request::failover(&args), &args.request).await,
        Command::Reconnect(args) => {
            operation::run(&connection, request::reconnect(&args), &args.request).await
        }
        Command::Scale(args) => operation::run(&connection, request::scale(&args), &args.request).await,
        Command::RotateAuth(args) => {
            operation::run(&connection, request::rotate_auth(&args), &args.request).await
        }
        Command::Resize(args) => operation::run(&connection, request::resize(&args), &args.request).await,
        Command::Expand(args) => operation::run(&connection, request::expand(&args), &args.request).await,
        Command::Upgrade(args) => operation::run(&connection, request::upgrade(&args), &args.request).await,
        Command::Reconfigure(args) => {
            operation::run(&connection, request::reconfigure(&args), &args.request).await
        }
        Command::Status(args) => status::run(&Target::connect(&connection).await?, &args).await,
        Command::Verify(args) => verify::run(&Target::connect(&connection).await?, &args).await,
        Command::Pause(args) => pause::pause(&Target::connect(&connection).await?, &args).await,
        Command::Resume(args) => pause::resume(&Target::connect(&connection).await?, &args).await,
        Command::Logs(args) => logs::run(&Target::connect(&connection).await?, &args).await,
        Command::Psql(args) => psql::run(&connection, &args).await,
        Command::Bundle(args) => bundle::run(&Target::connect(&connection).await?, &args).await,
    }
}
