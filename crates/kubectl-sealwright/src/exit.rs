//! How a command ends: exit codes, and errors that name what to do next.

use std::error::Error as _;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

/// The documented exit codes; `docs/kubectl-plugin.md` has the same table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done, and nothing is wrong.
    Done = 0,
    /// It could not be done, or not everything could be observed.
    Failure = 1,
    /// The command line is wrong; clap uses the same code.
    Usage = 2,
    /// Everything was observed, and something is wrong; or an operation ended without success.
    Problem = 3,
    /// The database, member or operation does not exist.
    NotFound = 4,
    /// Not within the time given; what was begun goes on.
    Deadline = 5,
    /// Refused, and nothing was changed: it contradicts what is there.
    Refused = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No usable kubeconfig.
    #[error("no cluster to talk to; set KUBECONFIG, or give --kubeconfig and --context")]
    Kubeconfig(#[from] kube::config::KubeconfigError),
    /// The client can't be made, for example because a certificate of the kubeconfig can't be read.
    #[error("the kubeconfig's context can't be used; does `kubectl get namespaces` work?")]
    Client(#[source] Box<kube::Error>),
    /// The API server can't be reached.
    #[error("{doing} failed; does `kubectl get postgres` work?")]
    Api {
        /// What was tried.
        doing: String,
        /// What happened.
        #[source]
        source: Box<kube::Error>,
    },
    /// The API server responded with an error.
    #[error("{doing} failed: the API server says: {said}")]
    Answered {
        /// What was tried.
        doing: String,
        /// The API server's message.
        said: String,
    },
    /// The user may not do this.
    #[error("{doing} is not allowed: {said}; ask for a role that allows it (`kubectl auth can-i --list`)")]
    Forbidden {
        /// What was tried.
        doing: String,
        /// The API server's message.
        said: String,
    },
    /// The API server or a rule of ours refuses what was written.
    #[error("refused: {0}")]
    Refused(String),
    /// No such object.
    #[error("{what} does not exist; {advice}")]
    NotFound {
        /// Kind, namespace and name.
        what: String,
        /// What to do.
        advice: String,
    },
    /// Not in time.
    #[error("{what}: not within {}s; {advice}", .after.as_secs())]
    Deadline {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
        /// How to go on.
        advice: String,
    },
    /// A file can't be read or written.
    #[error("{path}: cannot be {doing}")]
    File {
        /// Which.
        path: String,
        /// `read` or `written`.
        doing: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A program that is needed can't be started.
    #[error("{program} can't be started; install it and put it on the PATH")]
    Program {
        /// Which.
        program: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// Standard output is gone.
    #[error("standard output can't be written")]
    Output(#[source] io::Error),
    /// What is to be printed has no text form; never seen.
    #[error("the answer can't be written as text: {0}")]
    Encoding(String),
}

impl Error {
    /// An error of the API server, by what it means for the user.
    pub fn api(doing: impl Into<String>, source: kube::Error) -> Self {
        let doing = doing.into();
        match source {
            kube::Error::Api(status) => {
                let said = status.message.clone();
                match status.code {
                    401 | 403 => Self::Forbidden { doing, said },
                    400 | 409 | 422 => Self::Refused(said),
                    _ => Self::Answered { doing, said },
                }
            }
            source => Self::Api {
                doing,
                source: Box::new(source),
            },
        }
    }

    /// The exit code of this error.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NotFound { .. } => Exit::NotFound,
            Self::Deadline { .. } => Exit::Deadline,
            Self::Refused(_) => Exit::Refused,
            // A reader that has gone away (`| head`) has what it wanted.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Done,
            _ => Exit::Failure,
        }
    }
}

/// An error with its causes, as one line.
pub fn with_causes(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn answer(code: u16) -> Error {
        let status = Status::failure("message of the server", "Reason").with_code(code);
        Error::api("reading", kube::Error::Api(Box::new(status)))
    }

    #[test]
    fn exit_codes_are_as_documented() {
        let documented = include_str!("../../../docs/kubectl-plugin.md");
        let all = [
            Exit::Done,
            Exit::Failure,
            Exit::Usage,
            Exit::Problem,
            Exit::NotFound,
            Exit::Deadline,
            Exit::Refused,
        ];
        for (number, exit) in all.into_iter().enumerate() {
            assert_eq!(exit as usize, number);
            assert!(documented.contains(&format!("\n| {number} | ")), "{exit:?}");
        }
    }

    #[test]
    fn errors_end_with_the_code_of_their_meaning() {
        let table = [
            (answer(403), Exit::Failure),
            (answer(500), Exit::Failure),
            (answer(409), Exit::Refused),
            (answer(422), Exit::Refused),
            (Error::Output(io::ErrorKind::BrokenPipe.into()), Exit::Done),
            (Error::Output(io::ErrorKind::Other.into()), Exit::Failure),
        ];
        for (error, exit) in table {
            assert_eq!(error.exit(), exit, "{error}");
        }
    }

    #[test]
    fn causes_are_told_once() {
        assert_eq!(answer(422).to_string(), "refused: message of the server");
        for code in [401, 403, 500] {
            let text = with_causes(&answer(code));
            assert_eq!(text.matches("message of the server").count(), 1, "{text}");
        }
        let source = io::Error::new(io::ErrorKind::NotFound, "no such file");
        let file = Error::File {
            path: "x".to_owned(),
            doing: "read",
            source,
        };
        assert_eq!(with_causes(&file), "x: cannot be read: no such file");
    }
}
