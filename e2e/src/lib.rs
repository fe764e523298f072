//! What the demo and the tests share: a real cluster, Sealwright installed on it, databases made from YAML as users
//! write it, and judges that look from outside (TLS handshakes, `psql`, a writer that counts what it lost).
//!
//! Nothing here is part of an operator, and no operator's code judges itself: only the API's types are shared.

pub mod attempts;
pub mod bench;
pub mod checks;
pub mod children;
pub mod client;
pub mod cluster;
pub mod diagnosis;
pub mod drivers;
pub mod failover;
pub mod histories;
pub mod history;
pub mod hold;
pub mod inputs;
pub mod install;
pub mod manifests;
pub mod markdown;
pub mod members;
pub mod monitoring;
pub mod pki;
pub mod plugin;
pub mod pods;
pub mod poll;
pub mod progress;
pub mod provider;
pub mod reference;
pub mod report;
pub mod requests;
pub mod served;
pub mod shell;
pub mod story;
pub mod survive;
pub mod values;
pub mod volumes;
pub mod wait;
pub mod writer;
