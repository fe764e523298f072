//! `bundle`: what another person needs to understand a database, in one archive, without the content of Secrets.

mod archive;
mod collect;

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::cli::BundleArgs;
use crate::cluster::Target;
use crate::exit::{Error, Exit};
use crate::style;

pub(super) async fn run(target: &Target, args: &BundleArgs) -> Result<Exit, Error> {
    let default = || PathBuf::from(format!("{}-{}.tar.gz", target.namespace, args.database));
    let path = args.file.clone().unwrap_or_else(default);
    let collected = collect::all(target, args).await?;
    let folder = format!("{}-{}", target.namespace, args.database);
    let bytes = archive::pack(&folder, &collected.files, Timestamp::now()).map_err(|source| Error::File {
        path: path.display().to_string(),
        doing: "written",
        source,
    })?;
    write(&path, &bytes)?;
    style::print(&format!(
        "{}: {} files, {}; Secrets are only outlined, keys and passwords are taken out: look through it before you \
         give it away\n",
        path.display(),
        collected.files.len(),
        style::bytes(bytes.len() as u64)
    ))?;
    for missing in &collected.missing {
        style::print(&format!("not in it: {missing}\n"))?;
    }
    Ok(Exit::Done)
}

/// A file of one's own; one that is there is never overwritten.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
        .open(path)
        .and_then(|mut file| file.write_all(bytes))
        .map_err(|source| Error::File {
            path: path.display().to_string(),
            doing: "written",
            source,
        })
}
