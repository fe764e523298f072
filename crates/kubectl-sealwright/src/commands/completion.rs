//! `completion`: the shell's completion script.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::{Error, Exit};
use crate::style;

pub(super) fn run(shell: Shell) -> Result<Exit, Error> {
    let mut script = Vec::new();
    // Shells complete the binary; kubectl hands plugins over by `kubectl_complete-sealwright`.
    clap_complete::generate(shell, &mut Cli::command(), "kubectl-sealwright", &mut script);
    style::print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}
