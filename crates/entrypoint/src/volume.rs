//! The lock of the volume: two Pods of one name never run PostgreSQL on the same files.
//!
//! A Pod that was deleted without grace is gone for the API while its PostgreSQL still shuts down, and the next Pod of that
//! name may start beside it. PostgreSQL's own protection is by process and shared memory, and sees neither of another Pod's.
//! The lock belongs to the first process of the container; when that one ends, the kernel ends all others of the container.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The locked file, beside the data directory.
const LOCK_FILE: &str = "in-use";

/// What the first attempt found.
#[derive(Debug)]
pub enum Attempt {
    /// The volume is ours for as long as the file is open.
    Locked(File),
    /// Another Pod has it.
    Busy(File),
    /// The file can't be opened, or its file system has no locks.
    Impossible(io::Error),
}

/// Path of the lock for this data directory.
pub fn lock_path(data: &Path) -> PathBuf {
    data.parent().unwrap_or(data).join(LOCK_FILE)
}

/// Tries to lock, without waiting.
pub fn attempt(path: &Path) -> Attempt {
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create(true).truncate(false);
    let file = match file.mode(0o600).open(path) {
        Ok(file) => file,
        Err(error) => return Attempt::Impossible(error),
    };
    match file.try_lock() {
        Ok(()) => Attempt::Locked(file),
        Err(TryLockError::WouldBlock) => Attempt::Busy(file),
        Err(TryLockError::Error(error)) => Attempt::Impossible(error),
    }
}

/// Locks the volume and waits for it if need be. `None` on a file system without locks: members on it go without, and the log
/// reports it.
pub async fn lock(data: &Path) -> Option<File> {
    let path = lock_path(data);
    match attempt(&path) {
        Attempt::Locked(file) => Some(file),
        Attempt::Impossible(error) => without(&path, &error),
        Attempt::Busy(file) => {
            tracing::warn!(lock = %path.display(), "waiting for the volume: the former Pod of this name still runs");
            // Ends with the process, should a signal come first.
            let waited = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
            match waited.unwrap_or_else(|error| Err(io::Error::other(error))) {
                Ok(file) => {
                    tracing::info!("the former Pod has ended");
                    Some(file)
                }
                Err(error) => without(&path, &error),
            }
        }
    }
}

fn without(path: &Path, error: &io::Error) -> Option<File> {
    tracing::error!(lock = %path.display(), %error, "starting without a lock of the volume");
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_is_beside_the_data_directory() {
        assert_eq!(lock_path(Path::new("/var/pv/data")), Path::new("/var/pv/in-use"));
    }

    #[test]
    fn a_locked_volume_is_busy_until_its_holder_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK_FILE);
        let Attempt::Locked(held) = attempt(&path) else {
            panic!("the volume is free");
        };
        assert!(matches!(attempt(&path), Attempt::Busy(_)));
        drop(held);
        assert!(matches!(attempt(&path), Attempt::Locked(_)));
    }

    #[test]
    fn a_folder_that_is_not_there_is_no_reason_to_wait() {
        let folder = tempfile::tempdir().unwrap();
        assert!(matches!(
            attempt(&folder.path().join("none/in-use")),
            Attempt::Impossible(_)
        ));
    }

    #[tokio::test]
    async fn who_waits_gets_the_volume_when_the_former_holder_ends() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let Attempt::Locked(held) = attempt(&lock_path(&data)) else {
            panic!("the volume is free");
        };
        let waiting = tokio::spawn(async move { lock(&data).await.is_some() });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(held);
        assert!(waiting.await.unwrap());
    }
}
