//! Brings the keys of one Secret as files into folders that other containers of the Pod mount, as soon as they change.
//!
//! kubelet does the same for Secret volumes, within seconds. The agent watches the Secret itself, so that files change
//! within milliseconds; kubelet's volume is what it starts from, and what it falls back to. It knows keys, paths and
//! modes only, nothing about the readers of the files.
//!
//! Whatever goes wrong, the files that are there stay: that the Secret can't be read does not mean that it is empty.

pub mod agent;
pub mod args;
pub mod fallback;
pub mod folder;
pub mod layout;
pub mod program;
pub mod projected;
pub mod size;
pub mod source;

mod process;

pub use args::Args;
pub use process::run;
