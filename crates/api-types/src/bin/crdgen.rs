//! Writes the CustomResourceDefinitions into the chart: `crdgen <chart folder>`.

use std::path::PathBuf;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let Some(chart) = env::args_os().nth(1).map(PathBuf::from) else {
        return Err(io::Error::other(
            "usage: crdgen <chart folder>, for example: crdgen charts/crds",
        ));
    };
    for file in api_types::crds::files() {
        let path = chart.join(&file.path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&path, file.content)?;
        println!("{}", path.display());
    }
    Ok(())
}
