//! A program of this image, brought into a folder from which another container runs it.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Every user may run it, no user may change it.
const MODE: u32 = 0o555;
/// What a program is called until all of it is there.
const UNFINISHED: &str = "unfinished";

/// A program and its place, from `FROM=TO`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The file in this image.
    pub from: PathBuf,
    /// The file that is made.
    pub to: PathBuf,
}

/// A text is no [`Program`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} does not name two files; write FROM=TO with absolute paths, for example /entrypoint=/run_scripts/entrypoint"
)]
pub struct InvalidProgram(String);

impl FromStr for Program {
    type Err = InvalidProgram;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_file = |path: &&str| path.starts_with('/') && Path::new(path).file_name().is_some();
        let paths = text
            .split_once('=')
            .filter(|(from, to)| is_file(from) && is_file(to));
        let (from, to) = paths.ok_or_else(|| InvalidProgram(text.to_owned()))?;
        Ok(Self {
            from: from.into(),
            to: to.into(),
        })
    }
}

/// A program could not be brought.
#[derive(Debug, thiserror::Error)]
#[error("cannot copy {} to {}; the folder must be on a volume that this container mounts read-write", .from.display(), .to.display())]
pub struct InstallError {
    from: PathBuf,
    to: PathBuf,
    source: io::Error,
}

/// Puts the program in its place. One that is there, and may be running, is replaced as a whole.
///
/// # Errors
/// When it can't be read or written; then the place is as before.
pub fn install(program: &Program) -> Result<(), InstallError> {
    let unfinished = program.to.with_extension(UNFINISHED);
    let installed = fs::copy(&program.from, &unfinished)
        .and_then(|_| fs::set_permissions(&unfinished, Permissions::from_mode(MODE)))
        .and_then(|()| fs::rename(&unfinished, &program.to));
    installed.map_err(|source| InstallError {
        from: program.from.clone(),
        to: program.to.clone(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(folder: &Path, content: &str) -> Program {
        let from = folder.join("source");
        // A former copy of it can't be written.
        let _ = fs::remove_file(&from);
        fs::write(&from, content).unwrap();
        Program {
            from,
            to: folder.join("entrypoint"),
        }
    }

    #[test]
    fn a_program_can_be_run_and_not_changed() {
        let folder = tempfile::tempdir().unwrap();
        let program = program(folder.path(), "one");
        install(&program).unwrap();
        assert_eq!(fs::read_to_string(&program.to).unwrap(), "one");
        assert_eq!(
            fs::metadata(&program.to).unwrap().permissions().mode() & 0o777,
            MODE
        );
    }

    #[test]
    fn a_former_program_or_half_of_one_is_replaced_and_nothing_is_left_over() {
        let folder = tempfile::tempdir().unwrap();
        install(&program(folder.path(), "one")).unwrap();
        fs::write(
            folder.path().join("entrypoint.unfinished"),
            "half of a much longer program",
        )
        .unwrap();
        let program = program(folder.path(), "two");
        install(&program).unwrap();
        assert_eq!(fs::read_to_string(&program.to).unwrap(), "two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_program_that_can_not_be_read_leaves_the_former_one() {
        let folder = tempfile::tempdir().unwrap();
        let program = program(folder.path(), "one");
        install(&program).unwrap();
        let from = folder.path().join("none");
        let error = install(&Program {
            from,
            ..program.clone()
        })
        .unwrap_err();
        assert!(error.to_string().contains("entrypoint"), "{error}");
        assert_eq!(fs::read_to_string(&program.to).unwrap(), "one");
    }

    #[test]
    fn both_paths_are_absolute_paths_of_files() {
        let program: Program = "/entrypoint=/run_scripts/entrypoint".parse().unwrap();
        assert_eq!(program.to, Path::new("/run_scripts/entrypoint"));
        for text in ["/entrypoint", "entrypoint=/x", "/x=y", "/=/y", "/x=/"] {
            assert!(text.parse::<Program>().is_err(), "{text}");
        }
    }
}
