//! The Secret as kubelet projects it: `<folder>/<key>`, through the link `..data` to the present version.

use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::layout::Data;

/// Link to the folder with the present version.
const DATA: &str = "..data";
/// How often a version may be replaced while it is read; kubelet replaces it once in seconds.
const MAX_READ_ATTEMPTS: usize = 5;

/// A folder that kubelet keeps.
#[derive(Clone, Debug)]
pub struct Projected(PathBuf);

/// What distinguishes one version from another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(OsString);

/// Why the folder can't be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The link or a file can't be read.
    #[error("cannot read {}; it must be a volume of the Secret that this container mounts", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// Every attempt met another version.
    #[error("{} was replaced again and again while it was read; try again", .0.display())]
    Restless(PathBuf),
}

impl Projected {
    /// This folder.
    pub fn new(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The present version.
    ///
    /// # Errors
    /// When there is none, or it can't be read.
    pub fn version(&self) -> Result<Version, ReadError> {
        let link = self.0.join(DATA);
        match fs::read_link(&link) {
            Ok(target) => Ok(Version(target.into_os_string())),
            Err(error) => Err(ReadError::Unreadable(link, error)),
        }
    }

    /// These keys, all of one version; keys that the Secret does not have are absent.
    ///
    /// # Errors
    /// When something can't be read: then nothing is known.
    pub fn read<'a>(
        &self,
        keys: impl Iterator<Item = &'a str> + Clone,
    ) -> Result<(Version, Data), ReadError> {
        for _ in 0..MAX_READ_ATTEMPTS {
            let version = self.version()?;
            let data = self.read_version(&version, keys.clone());
            // What went wrong may have been the replacement of this version.
            if self.version()? == version {
                return Ok((version, data?));
            }
        }
        Err(ReadError::Restless(self.0.clone()))
    }

    fn read_version<'a>(
        &self,
        version: &Version,
        keys: impl Iterator<Item = &'a str>,
    ) -> Result<Data, ReadError> {
        let folder = self.0.join(&version.0);
        let mut data = Data::new();
        for key in keys {
            let path = folder.join(key);
            match fs::read(&path) {
                Ok(bytes) => drop(data.insert(key.to_owned(), bytes)),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(ReadError::Unreadable(path, error)),
            }
        }
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn project(folder: &Path, version: &str, files: &[(&str, &str)]) {
        fs::create_dir(folder.join(version)).unwrap();
        for (key, text) in files {
            fs::write(folder.join(version).join(key), text).unwrap();
        }
        symlink(version, folder.join("new")).unwrap();
        fs::rename(folder.join("new"), folder.join(DATA)).unwrap();
    }

    #[test]
    fn wanted_keys_are_read_and_absent_ones_are_no_error() {
        let folder = tempfile::tempdir().unwrap();
        project(folder.path(), "..1", &[("a", "1"), ("b", "2")]);
        let projected = Projected::new(folder.path());
        let (version, data) = projected.read(["a", "c"].into_iter()).unwrap();
        assert_eq!(data, Data::from([("a".into(), b"1".to_vec())]));
        assert_eq!(version, projected.version().unwrap());
    }

    #[test]
    fn another_version_has_another_name() {
        let folder = tempfile::tempdir().unwrap();
        let projected = Projected::new(folder.path());
        project(folder.path(), "..1", &[]);
        let first = projected.version().unwrap();
        project(folder.path(), "..2", &[]);
        assert_ne!(projected.version().unwrap(), first);
    }

    #[test]
    fn a_folder_without_a_version_is_not_an_empty_secret() {
        let folder = tempfile::tempdir().unwrap();
        let projected = Projected::new(folder.path());
        let error = projected.read(["a"].into_iter()).unwrap_err();
        assert!(matches!(error, ReadError::Unreadable(..)), "{error}");
    }
}
