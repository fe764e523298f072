//! The command line.

use std::path::PathBuf;

use crate::layout::{Layout, Target, Twice};
use crate::program::Program;

/// Brings the keys of a Secret as files into the folders of a Pod.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "config-agent", version)]
pub struct Args {
    /// Which logs are written, for example `info` or `info,kube=debug`.
    #[arg(long, env = "LOG_LEVEL", default_value = "info", global = true)]
    pub log_level: String,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the agent can do.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Fills folders to which nothing was written yet from a projected Secret, brings programs, and ends.
    Copy(Copy),
    /// Does that, then writes every change of the Secret until it is asked to end.
    Watch(Watch),
}

/// What is brought before other containers start.
#[derive(Clone, Debug, clap::Args)]
pub struct Copy {
    /// The files.
    #[command(flatten)]
    pub files: Files,
    /// A program of this image, and the file from which another container runs it.
    #[arg(long = "program", value_name = "FROM=TO")]
    pub programs: Vec<Program>,
}

/// Which keys become which files.
#[derive(Clone, Debug, clap::Args)]
pub struct Files {
    /// Folder to which kubelet projects the Secret.
    #[arg(long)]
    pub from: PathBuf,
    /// A key of the Secret, the path of its file, and the file's mode in octal digits (0640 when left out).
    ///
    /// Folders are written in the order in which they occur first.
    #[arg(long = "file", required = true, value_name = "KEY=PATH[:MODE]")]
    pub files: Vec<Target>,
}

impl Files {
    /// The files by folder.
    ///
    /// # Errors
    /// When two keys have one path.
    pub fn layout(&self) -> Result<Layout, Twice> {
        Layout::new(&self.files)
    }
}

/// Which Secret is watched.
#[derive(Clone, Debug, clap::Args)]
pub struct Watch {
    /// The files.
    #[command(flatten)]
    pub files: Files,
    /// Name of the Secret.
    #[arg(long)]
    pub secret: String,
    /// Namespace of the Secret.
    #[arg(long, env = "POD_NAMESPACE")]
    pub namespace: String,
    /// A folder whose file system is the Pod's volume: its size becomes an annotation of the Pod.
    #[arg(long, requires = "pod")]
    pub size_of: Option<PathBuf>,
    /// Name of the Pod.
    #[arg(long, env = "POD_NAME")]
    pub pod: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn parse(line: &str) -> Result<Args, clap::Error> {
        Args::try_parse_from(line.split(' '))
    }

    #[test]
    fn copy_needs_a_source_and_at_least_one_file() {
        assert!(parse("config-agent copy --from /projected --file a=/etc/a").is_ok());
        assert!(parse("config-agent copy --from /projected").is_err());
        assert!(parse("config-agent copy --file a=/etc/a").is_err());
    }

    #[test]
    fn copy_brings_programs_too() {
        let line =
            "config-agent copy --from /p --file a=/etc/a --program /entrypoint=/run_scripts/entrypoint";
        let Command::Copy(copy) = parse(line).unwrap().command else {
            panic!("another command");
        };
        assert_eq!(copy.programs.len(), 1);
        assert!(parse("config-agent copy --from /p --file a=/etc/a --program entrypoint").is_err());
    }

    #[test]
    fn watch_takes_the_same_files_and_the_name_of_a_secret() {
        let line =
            "config-agent watch --from /p --file a=/etc/a --file b=/tls/b:0600 --secret s --namespace n";
        let Command::Watch(watch) = parse(line).unwrap().command else {
            panic!("another command");
        };
        assert_eq!((watch.secret.as_str(), watch.namespace.as_str()), ("s", "n"));
        assert_eq!(watch.files.files.len(), 2);
        assert!(parse("config-agent watch --from /p --file a=/etc/a --namespace n").is_err());
    }

    #[test]
    fn a_wrong_file_is_told_with_what_to_write_instead() {
        let error = parse("config-agent copy --from /p --file a=etc/a").unwrap_err();
        assert!(error.to_string().contains("absolute path"), "{error}");
    }
}
