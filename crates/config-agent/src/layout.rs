//! Which key of the Secret becomes which file, in which folder, with which mode.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::folder::{self, File, Files, WriteError};

/// Mode of files without a mode of their own: their owner writes, the group reads.
pub const DEFAULT_MODE: u32 = 0o640;

/// What a Secret holds, by key.
pub type Data = BTreeMap<String, Vec<u8>>;

/// A key and its file, from `KEY=PATH[:MODE]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Key of the Secret.
    pub key: String,
    /// Folder of the file.
    pub folder: PathBuf,
    /// Name of the file in its folder.
    pub name: String,
    /// Mode of the file.
    pub mode: u32,
}

/// Why a text is no [`Target`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    /// There is no key, or no path.
    #[error("write KEY=PATH, for example server.key=/tls/certs/server/server.key:0600")]
    Incomplete,
    /// The path is no absolute path of a file.
    #[error("{0:?} is no absolute path of a file; write for example /etc/config/user.conf")]
    Path(String),
    /// The name is one that the agent needs.
    #[error("{0:?} begins with two dots, as the agent's own names do; write another name")]
    Reserved(String),
    /// The mode is not one.
    #[error("{0:?} is no mode of a file; write octal digits, for example 0640")]
    Mode(String),
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (key, rest) = text.split_once('=').ok_or(InvalidTarget::Incomplete)?;
        if key.is_empty() || rest.is_empty() {
            return Err(InvalidTarget::Incomplete);
        }
        let (path, mode) = match rest.rsplit_once(':') {
            Some((path, mode)) => (path, parse_mode(mode)?),
            None => (rest, DEFAULT_MODE),
        };
        let parts = || {
            let path = Path::new(path);
            let name = path.file_name()?.to_str()?;
            let is_file = path.is_absolute() && path.to_str()?.ends_with(name);
            is_file.then_some((path.parent()?, name))
        };
        let (folder, name) = parts().ok_or_else(|| InvalidTarget::Path(path.to_owned()))?;
        if name.starts_with("..") {
            return Err(InvalidTarget::Reserved(name.to_owned()));
        }
        Ok(Self {
            key: key.to_owned(),
            folder: folder.to_owned(),
            name: name.to_owned(),
            mode,
        })
    }
}

fn parse_mode(text: &str) -> Result<u32, InvalidTarget> {
    let mode = u32::from_str_radix(text, 8).ok();
    mode.filter(|mode| *mode <= 0o777)
        .ok_or_else(|| InvalidTarget::Mode(text.to_owned()))
}

/// Two keys would be one file.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is the file of two keys; give each key a path of its own", .0.display())]
pub struct Twice(PathBuf);

/// The files by folder, in the order in which folders are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout(Vec<(PathBuf, Vec<Target>)>);

impl Layout {
    /// Sorts files by folder. The order of the folders is that of their first files.
    ///
    /// # Errors
    /// When two keys have one path.
    pub fn new(targets: &[Target]) -> Result<Self, Twice> {
        let mut folders: Vec<(PathBuf, Vec<Target>)> = Vec::new();
        for target in targets {
            let at = match folders.iter().position(|(path, _)| *path == target.folder) {
                Some(at) => at,
                None => {
                    folders.push((target.folder.clone(), Vec::new()));
                    folders.len() - 1
                }
            };
            let files = &mut folders[at].1;
            if files.iter().any(|known| known.name == target.name) {
                return Err(Twice(target.folder.join(&target.name)));
            }
            files.push(target.clone());
        }
        Ok(Self(folders))
    }

    /// The keys that become files.
    pub fn keys(&self) -> impl Iterator<Item = &str> + Clone {
        let targets = self.0.iter().flat_map(|(_, targets)| targets);
        targets.map(|target| target.key.as_str())
    }

    /// Brings every folder in line with this data; returns names of the files that changed. Keys that are absent have
    /// no file.
    ///
    /// # Errors
    /// At the first folder that can't be written; those before it are written.
    pub fn write(&self, data: &Data) -> Result<Vec<String>, WriteError> {
        let mut changed = Vec::new();
        for (path, files) in self.contents(data) {
            changed.extend(named(path, folder::write(path, &files)?));
        }
        Ok(changed)
    }

    /// As [`Self::write`], but leaves folders alone to which something was written before.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn write_first(&self, data: &Data) -> Result<Vec<String>, WriteError> {
        let mut changed = Vec::new();
        for (path, files) in self.contents(data) {
            changed.extend(named(path, folder::write_first(path, &files)?));
        }
        Ok(changed)
    }

    /// Whether something was written to every folder before.
    pub fn is_written(&self) -> bool {
        self.0.iter().all(|(path, _)| folder::is_written(path))
    }

    /// Whether some folder differs from this data.
    pub fn differs(&self, data: &Data) -> bool {
        self.contents(data)
            .any(|(path, files)| !folder::holds(path, &files))
    }

    fn contents<'a>(&'a self, data: &'a Data) -> impl Iterator<Item = (&'a Path, Files)> {
        self.0.iter().map(|(path, targets)| {
            let file = |target: &Target| {
                let bytes = data.get(&target.key)?.clone();
                let mode = target.mode;
                Some((target.name.clone(), File { bytes, mode }))
            };
            (path.as_path(), targets.iter().filter_map(file).collect())
        })
    }
}

fn named(folder: &Path, names: Vec<String>) -> impl Iterator<Item = String> {
    names
        .into_iter()
        .map(|name| folder.join(name).display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Target {
        text.parse().unwrap()
    }

    #[test]
    fn a_file_has_a_key_a_path_and_perhaps_a_mode() {
        let key = target("server.key=/tls/certs/server/server.key:0600");
        assert_eq!(key.key, "server.key");
        assert_eq!(key.folder, Path::new("/tls/certs/server"));
        assert_eq!((key.name.as_str(), key.mode), ("server.key", 0o600));
        assert_eq!(target("a=/b/c").mode, DEFAULT_MODE);
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let error = |text: &str| text.parse::<Target>().unwrap_err();
        for text in ["", "a", "a=", "=/a"] {
            assert_eq!(error(text), InvalidTarget::Incomplete, "{text}");
        }
        for path in ["b", "/", "/b/", "/b/.."] {
            assert_eq!(error(&format!("a={path}")), InvalidTarget::Path(path.into()));
        }
        assert_eq!(error("a=/b/..data"), InvalidTarget::Reserved("..data".into()));
        for mode in ["", "8", "1777", "rw"] {
            assert_eq!(error(&format!("a=/b:{mode}")), InvalidTarget::Mode(mode.into()));
        }
    }

    #[test]
    fn folders_keep_the_order_of_their_first_files() {
        let files = ["z=/z/1", "a=/a/1", "y=/z/2"].map(target);
        let layout = Layout::new(&files).unwrap();
        let folders: Vec<_> = layout.0.iter().map(|(path, files)| (path, files.len())).collect();
        assert_eq!(folders, [(&"/z".into(), 2), (&"/a".into(), 1)]);
        assert_eq!(layout.keys().collect::<Vec<_>>(), ["z", "y", "a"]);
    }

    #[test]
    fn two_keys_with_one_path_are_refused() {
        let files = ["a=/a/1", "b=/a/1"].map(target);
        assert_eq!(Layout::new(&files).unwrap_err(), Twice("/a/1".into()));
    }
}
