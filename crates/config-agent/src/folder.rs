//! A folder whose files change all at once, however many there are, and whatever process reads them meanwhile.
//!
//! Its files are links through the link `..data` to a hidden folder with one version of all of them:
//!
//! ```text
//! server.crt -> ..data/server.crt
//! server.key -> ..data/server.key
//! ..data     -> ..1767225600000000000
//! ..1767225600000000000/{server.crt,server.key}
//! ```
//!
//! A new version is a new hidden folder, and becomes the present one when the renamed link replaces `..data`. A writer
//! that dies before has changed nothing, and what it left is removed by the next one. This is the form of kubelet's
//! Secret volumes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Link to the present version.
const DATA: &str = "..data";
/// What every name begins with that is not a file's.
const HIDDEN: &str = "..";
/// A link before it replaces another.
const NEW_LINK: &str = "..new";
/// Mode of hidden folders: the group enters them, as containers with another user do.
const FOLDER_MODE: u32 = 0o750;

/// A file.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// Its content.
    pub bytes: Vec<u8>,
    /// Its mode.
    pub mode: u32,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Contents may be private keys.
        write!(f, "File({} bytes, {:o})", self.bytes.len(), self.mode)
    }
}

/// Files of one folder, by name.
pub type Files = BTreeMap<String, File>;

/// A folder could not be written; what was in it is still there.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}; the folder must be on a volume that this container mounts read-write, with space left", .path.display())]
pub struct WriteError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Makes the folder hold exactly these files; names of those that changed. Nothing is written when none did.
///
/// # Errors
/// When that fails; then the folder is as before.
pub fn write(folder: &Path, files: &Files) -> Result<Vec<String>, WriteError> {
    let _one_at_a_time = lock(folder)?;
    replace(folder, files)
}

/// As [`write`], but only when nothing was ever written there.
///
/// # Errors
/// As [`write`].
pub fn write_first(folder: &Path, files: &Files) -> Result<Vec<String>, WriteError> {
    let _one_at_a_time = lock(folder)?;
    if is_written(folder) {
        return Ok(Vec::new());
    }
    replace(folder, files)
}

/// Whether something was written there, be it no file at all.
pub fn is_written(folder: &Path) -> bool {
    // In doubt it was: then nothing is overwritten.
    !matches!(fs::read_link(folder.join(DATA)), Err(error) if error.kind() == ErrorKind::NotFound)
}

/// Whether the folder holds exactly these files, with these modes.
pub fn holds(folder: &Path, files: &Files) -> bool {
    present(folder).as_ref() == Some(files)
}

/// Two writers may meet: the process that watches and the one that fills empty folders at the Pod's start.
fn lock(folder: &Path) -> Result<fs::File, WriteError> {
    let locked = fs::File::open(folder).and_then(|file| file.lock().map(|()| file));
    locked.map_err(failed("lock", folder))
}

fn replace(folder: &Path, files: &Files) -> Result<Vec<String>, WriteError> {
    let present = present(folder);
    let changed = changes(present.as_ref(), files);
    if present.as_ref() != Some(files) {
        let version = stage(folder, files)?;
        point(&folder.join(DATA), folder, Path::new(&version))?;
    }
    // Also when nothing changed: a writer may have died between the new version and its names.
    name(folder, files)?;
    clean(folder)?;
    Ok(changed)
}

/// What the present version has; `None` when there is none, or it can't be read, which is as good as none.
fn present(folder: &Path) -> Option<Files> {
    let mut files = Files::new();
    for entry in fs::read_dir(folder.join(DATA)).ok()? {
        let path = entry.ok()?.path();
        let name = path.file_name()?.to_str()?.to_owned();
        let mode = fs::symlink_metadata(&path).ok()?.permissions().mode() & 0o7777;
        let bytes = fs::read(&path).ok()?;
        files.insert(name, File { bytes, mode });
    }
    Some(files)
}

fn changes(old: Option<&Files>, new: &Files) -> Vec<String> {
    let none = Files::new();
    let old = old.unwrap_or(&none);
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    changed.cloned().collect()
}

/// Writes a version into a hidden folder that nothing points to yet; its name.
fn stage(folder: &Path, files: &Files) -> Result<String, WriteError> {
    let version = new_folder(folder)?;
    let path = folder.join(&version);
    for (name, file) in files {
        let path = path.join(name);
        write_file(&path, file).map_err(failed("write", &path))?;
    }
    // Last and by name: the process's umask may take away bits of a creation's mode.
    fs::set_permissions(&path, Permissions::from_mode(FOLDER_MODE)).map_err(failed("open", &path))?;
    Ok(version)
}

/// The name is never used twice, so that a process that reads by an old one finds nothing rather than half of something
/// new.
fn new_folder(folder: &Path) -> Result<String, WriteError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut number = now.unwrap_or_default().as_nanos();
    loop {
        let name = format!("{HIDDEN}{number}");
        let path = folder.join(&name);
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(name),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(failed("make", &path)(error)),
        }
    }
}

fn write_file(path: &Path, file: &File) -> io::Result<()> {
    let mut options = OpenOptions::new();
    // No other process reads a private key before it has its mode.
    let mut created = options.write(true).create_new(true).mode(0o600).open(path)?;
    created.write_all(&file.bytes)?;
    created.set_permissions(Permissions::from_mode(file.mode))
}

/// Makes `link` point to `target`, in place of whatever it is.
fn point(link: &Path, folder: &Path, target: &Path) -> Result<(), WriteError> {
    let new = folder.join(NEW_LINK);
    remove_if_there(&new)?;
    symlink(target, &new).map_err(failed("make", &new))?;
    fs::rename(&new, link).map_err(failed("replace", link))
}

/// Gives each file of the present version its name, and takes away names of files that are gone.
fn name(folder: &Path, files: &Files) -> Result<(), WriteError> {
    for name in files.keys() {
        let (link, target) = (folder.join(name), Path::new(DATA).join(name));
        if fs::read_link(&link).ok().as_ref() != Some(&target) {
            point(&link, folder, &target)?;
        }
    }
    for (name, path) in entries(folder)? {
        let is_ours = fs::read_link(&path).is_ok_and(|target| target.starts_with(DATA));
        if is_ours && !name.starts_with(HIDDEN) && !files.contains_key(&name) {
            remove_if_there(&path)?;
        }
    }
    Ok(())
}

/// Removes versions that are not the present one, and what a writer left that died.
fn clean(folder: &Path) -> Result<(), WriteError> {
    let data = folder.join(DATA);
    let present = fs::read_link(&data).map_err(failed("read", &data))?;
    for (name, path) in entries(folder)? {
        if !name.starts_with(HIDDEN) || name == DATA || Path::new(&name) == present {
            continue;
        }
        if path.is_symlink() {
            remove_if_there(&path)?;
        } else {
            fs::remove_dir_all(&path).map_err(failed("remove", &path))?;
        }
    }
    Ok(())
}

/// What is in the folder; a name that is no text is none of ours.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, WriteError> {
    let read = || -> io::Result<Vec<_>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().into_string().ok();
            found.extend(name.map(|name| (name, entry.path())));
        }
        Ok(found)
    };
    read().map_err(failed("read", folder))
}

fn remove_if_there(path: &Path) -> Result<(), WriteError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed("remove", path)(error)),
        _ => Ok(()),
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> WriteError {
    let path = path.to_owned();
    move |source| WriteError { what, path, source }
}

#[cfg(test)]
mod tests;
