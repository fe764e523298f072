//! Volumes as files: one folder each, with a sparse image and a record. All nodes of the local cluster are on one machine, so
//! the controller and every node see the same pool; a volume nevertheless belongs to one node, as a local disk does.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::grpc::{Code, Status};

const IMAGE: &str = "image";
const RECORD: &str = "volume.json";
const IN_USE: &str = "in-use";

/// What is known of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Its size.
    pub bytes: i64,
    /// The only node that reaches it.
    pub node: String,
    /// Parameters of its StorageClass, and the name of its claim.
    pub parameters: BTreeMap<String, String>,
}

/// The folder of all volumes.
#[derive(Clone, Debug)]
pub struct Pool {
    folder: PathBuf,
}

impl Pool {
    /// The pool in this folder.
    pub fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// Makes a volume, or finds it made.
    ///
    /// # Errors
    /// [`Code::AlreadyExists`] when there is a different one of this name.
    pub fn create(&self, id: &str, wanted: &Record) -> Result<(), Status> {
        match self.record(id) {
            Ok(found) if found == *wanted => return Ok(()),
            Ok(_) => {
                let message = format!("volume {id} exists with another size, node or class");
                return Err(Status::new(Code::AlreadyExists, message));
            }
            Err(status) if status.code == Code::NotFound => {}
            Err(status) => return Err(status),
        }
        fs::create_dir_all(self.folder_of(id)?)?;
        File::create(self.image(id)?)?.set_len(wanted.bytes.unsigned_abs())?;
        self.write(id, wanted)
    }

    /// Removes a volume. A node that still has it mounted keeps the image until it lets go.
    ///
    /// # Errors
    /// When the files can't be removed.
    pub fn delete(&self, id: &str) -> Result<(), Status> {
        absent_is_fine(fs::remove_dir_all(self.folder_of(id)?))
    }

    /// Makes the image larger, if it is smaller. The file system in it is the node's to grow.
    ///
    /// # Errors
    /// When there is no such volume, or the file can't grow.
    pub fn grow(&self, id: &str, bytes: i64) -> Result<Record, Status> {
        let mut record = self.record(id)?;
        if bytes > record.bytes {
            let image = File::options().write(true).open(self.image(id)?)?;
            image.set_len(bytes.unsigned_abs())?;
            record.bytes = bytes;
            self.write(id, &record)?;
        }
        Ok(record)
    }

    /// What is known of a volume.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub fn record(&self, id: &str) -> Result<Record, Status> {
        let text = match fs::read(self.folder_of(id)?.join(RECORD)) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(Status::new(Code::NotFound, format!("there is no volume {id}")));
            }
            other => other?,
        };
        serde_json::from_slice(&text)
            .map_err(|error| Status::new(Code::Internal, format!("volume {id}: {error}")))
    }

    /// The file that a loop device stands for.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] for an id that is no name.
    pub fn image(&self, id: &str) -> Result<PathBuf, Status> {
        Ok(self.folder_of(id)?.join(IMAGE))
    }

    /// Notes that the node has it mounted, or no longer.
    ///
    /// # Errors
    /// When the note can't be written.
    pub fn set_in_use(&self, id: &str, in_use: bool) -> Result<(), Status> {
        let note = self.folder_of(id)?.join(IN_USE);
        if in_use {
            return Ok(fs::write(note, "")?);
        }
        absent_is_fine(fs::remove_file(note))
    }

    /// Whether the node has it mounted.
    ///
    /// # Errors
    /// When that can't be read.
    pub fn is_in_use(&self, id: &str) -> Result<bool, Status> {
        Ok(self.folder_of(id)?.join(IN_USE).try_exists()?)
    }

    /// A volume exists when its record does, so that is written last and at once.
    fn write(&self, id: &str, record: &Record) -> Result<(), Status> {
        let folder = self.folder_of(id)?;
        let (partial, whole) = (folder.join("volume.json.partial"), folder.join(RECORD));
        let text =
            serde_json::to_vec(record).map_err(|error| Status::new(Code::Internal, error.to_string()))?;
        fs::write(&partial, text)?;
        Ok(fs::rename(partial, whole)?)
    }

    fn folder_of(&self, id: &str) -> Result<PathBuf, Status> {
        let is_name =
            |id: &str| !id.is_empty() && id.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-');
        if is_name(id) {
            return Ok(self.folder.join(id));
        }
        Err(Status::new(
            Code::InvalidArgument,
            format!("{id:?} is not the id of a volume"),
        ))
    }
}

fn absent_is_fine(outcome: std::io::Result<()>) -> Result<(), Status> {
    match outcome {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> (tempfile::TempDir, Pool) {
        let folder = tempfile::tempdir().expect("a folder");
        let pool = Pool::new(folder.path());
        (folder, pool)
    }

    fn record(bytes: i64) -> Record {
        Record {
            bytes,
            node: "node1".into(),
            ..Record::default()
        }
    }

    fn code<T: std::fmt::Debug>(outcome: Result<T, Status>) -> Code {
        outcome.expect_err("a refusal").code
    }

    #[test]
    fn a_volume_is_made_once_and_found_again() {
        let (_folder, pool) = pool();
        for _ in 0..2 {
            pool.create("pvc-1", &record(1 << 30)).expect("a volume");
        }
        let image = fs::metadata(pool.image("pvc-1").expect("a path")).expect("an image");
        assert_eq!(image.len(), 1 << 30);
        assert_eq!(code(pool.create("pvc-1", &record(2 << 30))), Code::AlreadyExists);
    }

    #[test]
    fn a_volume_grows_and_never_shrinks() {
        let (_folder, pool) = pool();
        pool.create("pvc-1", &record(1 << 30)).expect("a volume");
        for (asked, has) in [(2 << 30, 2 << 30), (1 << 30, 2 << 30)] {
            assert_eq!(pool.grow("pvc-1", asked).expect("a record").bytes, has);
            let image = fs::metadata(pool.image("pvc-1").expect("a path")).expect("an image");
            assert_eq!(image.len(), has.unsigned_abs());
        }
    }

    #[test]
    fn what_is_gone_is_gone_and_may_be_removed_again() {
        let (_folder, pool) = pool();
        pool.create("pvc-1", &record(1)).expect("a volume");
        for _ in 0..2 {
            pool.delete("pvc-1").expect("gone");
        }
        assert_eq!(code(pool.grow("pvc-1", 2)), Code::NotFound);
    }

    #[test]
    fn a_volume_is_in_use_until_its_node_says_otherwise() {
        let (_folder, pool) = pool();
        pool.create("pvc-1", &record(1)).expect("a volume");
        for in_use in [false, true, false] {
            pool.set_in_use("pvc-1", in_use).expect("a note");
            assert_eq!(pool.is_in_use("pvc-1"), Ok(in_use));
        }
    }

    #[test]
    fn an_id_is_no_path() {
        let (_folder, pool) = pool();
        for id in ["", ".", "..", "a/b", "/etc"] {
            assert_eq!(code(pool.delete(id)), Code::InvalidArgument, "{id:?}");
        }
    }
}
