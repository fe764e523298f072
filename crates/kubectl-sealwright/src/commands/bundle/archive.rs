//! Files to a tar.gz. Pure.

use std::io;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;

/// A file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    /// Path below the archive's folder.
    pub path: String,
    /// Its content, redacted.
    pub text: String,
}

/// Packs the files into one folder.
pub(super) fn pack(folder: &str, files: &[File], now: Timestamp) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for file in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(file.text.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(now.as_second()).unwrap_or(0));
        tar.append_data(
            &mut header,
            format!("{folder}/{}", file.path),
            file.text.as_bytes(),
        )?;
    }
    tar.into_inner()?.finish()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn what_is_packed_can_be_read_again() {
        let file = File {
            path: "logs/db-0.log".to_owned(),
            text: "a line\n".to_owned(),
        };
        let bytes = pack("ns-db", std::slice::from_ref(&file), Timestamp::UNIX_EPOCH).expect("packs");
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(bytes.as_slice()));
        let mut entries = tar.entries().expect("entries");
        let mut entry = entries.next().expect("one").expect("a file");
        assert_eq!(
            entry.path().expect("a path").to_string_lossy(),
            "ns-db/logs/db-0.log"
        );
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        assert_eq!(text, file.text);
        assert!(entries.next().is_none());
    }
}
