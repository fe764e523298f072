//! Completion of `kubectl sealwright …`: kubectl runs `kubectl_complete-sealwright` with the words so far, and expects
//! candidates, one a line, and a directive at the end.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use api_types::Postgres;
use clap::{Arg, Command, CommandFactory};
use kube::ResourceExt;
use kube::api::ListParams;

use crate::cli::{Cli, Connection};
use crate::cluster::Target;
use crate::exit::{Error, Exit};
use crate::style;

/// Name of the program that kubectl runs for candidates.
const PROGRAM: &str = "kubectl_complete-sealwright";
/// "No file names" (cobra's `ShellCompDirectiveNoFileComp`).
const NO_FILES: &str = ":4";
/// "The shell may offer file names".
const FILES: &str = ":0";
/// A shell waits for this.
const COMPLETION_TIMEOUT: Duration = Duration::from_secs(2);

/// What the last word may become.
#[derive(Debug, PartialEq, Eq)]
enum Offer {
    Words(Vec<String>),
    Databases,
    Files,
}

/// The words to complete, when the program was started under the name that kubectl uses for it.
pub fn asked(mut arguments: impl Iterator<Item = OsString>) -> Option<Vec<String>> {
    let program = arguments.next()?;
    (Path::new(&program).file_name()? == PROGRAM).then(|| {
        arguments
            .map(|word| word.to_string_lossy().into_owned())
            .collect()
    })
}

/// Prints the candidates.
///
/// # Errors
/// When they can't be written; a cluster that can't be reached has none.
pub async fn run(words: &[String]) -> Result<Exit, Error> {
    let last = words.last().map(String::as_str).unwrap_or_default();
    let (candidates, directive) = match offer(words) {
        Offer::Files => (Vec::new(), FILES),
        Offer::Words(words) => (words, NO_FILES),
        Offer::Databases => {
            let names = tokio::time::timeout(COMPLETION_TIMEOUT, databases(words)).await;
            (names.unwrap_or_default(), NO_FILES)
        }
    };
    let lines: String = candidates
        .iter()
        .filter(|word| word.starts_with(last))
        .map(|word| format!("{word}\n"))
        .collect();
    style::print(&format!("{lines}{directive}\n"))?;
    Ok(Exit::Done)
}

fn offer(words: &[String]) -> Offer {
    let mut root = Cli::command();
    root.build();
    let (last, before) = words
        .split_last()
        .map_or(("", &[][..]), |(last, before)| (last.as_str(), before));
    let mut command = &root;
    let mut positionals = 0;
    let mut open: Option<&Arg> = None;
    for word in before {
        if open.take().is_some() {
            continue;
        }
        if word == "--" {
            return Offer::Words(Vec::new());
        }
        if word.starts_with('-') {
            open = flag(command, word).filter(|arg| arg.get_action().takes_values() && !word.contains('='));
        } else if let Some(sub) = command.find_subcommand(word) {
            command = sub;
        } else {
            positionals += 1;
        }
    }
    if let Some(arg) = open {
        let words = values(arg);
        let is_file = matches!(arg.get_id().as_str(), "kubeconfig" | "ca_file" | "file");
        return if is_file {
            Offer::Files
        } else {
            Offer::Words(words)
        };
    }
    if last.starts_with('-') {
        return Offer::Words(flags(command));
    }
    if command.has_subcommands() {
        let names = command.get_subcommands().filter(|sub| !sub.is_hide_set());
        return Offer::Words(names.map(|sub| sub.get_name().to_owned()).collect());
    }
    match command.get_positionals().nth(positionals) {
        Some(arg) if arg.get_id() == "database" => Offer::Databases,
        Some(arg) => Offer::Words(values(arg)),
        None => Offer::Words(Vec::new()),
    }
}

fn flag<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let name = word.trim_start_matches('-').split('=').next().unwrap_or_default();
    command.get_arguments().find(|arg| {
        let short = arg.get_short().map(String::from);
        arg.get_long() == Some(name) || short.as_deref() == Some(name)
    })
}

fn flags(command: &Command) -> Vec<String> {
    let long = command.get_arguments().filter_map(Arg::get_long);
    long.map(|name| format!("--{name}")).collect()
}

fn values(arg: &Arg) -> Vec<String> {
    arg.get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect()
}

/// Names of the databases there are, in the namespace of the words.
async fn databases(words: &[String]) -> Vec<String> {
    let after = |flags: [&str; 2]| {
        let mut pairs = words.windows(2);
        pairs
            .find(|pair| flags.contains(&pair[0].as_str()))
            .map(|pair| pair[1].clone())
    };
    let connection = Connection {
        namespace: after(["-n", "--namespace"]),
        context: after(["--context", "--context"]),
        kubeconfig: after(["--kubeconfig", "--kubeconfig"]).map(Into::into),
    };
    let Ok(target) = Target::connect(&connection).await else {
        return Vec::new();
    };
    let list = target.api::<Postgres>().list(&ListParams::default()).await;
    list.map(|list| list.iter().map(ResourceExt::name_any).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(line: &str) -> Offer {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        offer(&words)
    }

    fn words(line: &str) -> Vec<String> {
        match offered(line) {
            Offer::Words(words) => words,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn words_are_offered_where_they_fit() {
        assert!(words("").contains(&"verify".to_owned()));
        assert!(words("tls ").contains(&"change-issuer".to_owned()));
        assert_eq!(words("tls rotate db --restart "), ["true", "auto", "false"]);
        assert_eq!(words("status db -o "), ["text", "json"]);
        assert!(words("-n demo tls add --").contains(&"--issuer-kind".to_owned()));
        assert!(words("status --").contains(&"--namespace".to_owned()));
        assert!(words("completion ").contains(&"zsh".to_owned()));
        assert_eq!(words("psql db -- -"), Vec::<String>::new());
        assert_eq!(words("status db "), Vec::<String>::new());
        for line in [
            "status ",
            "-n demo tls rotate ",
            "tls rotate --restart auto ",
            "psql d",
        ] {
            assert_eq!(offered(line), Offer::Databases, "{line}");
        }
        assert_eq!(offered("bundle db --file "), Offer::Files);
    }

    #[test]
    fn only_kubectls_name_asks() {
        let asked = |line: &str| asked(line.split(' ').map(OsString::from));
        assert_eq!(asked("/usr/bin/kubectl-sealwright tls"), None);
        let wanted = Some(vec!["tls".to_owned(), String::new()]);
        assert_eq!(asked("/usr/bin/kubectl_complete-sealwright tls "), wanted);
    }
}
