//! The Kubernetes API of Sealwright: KubeDB's `Postgres`, `PostgresOpsRequest`, `PostgresVersion`, `PetSet`,
//! `PlacementPolicy` and `AppBinding`, the words on the wire, and the names of child objects.
//!
//! No client and no runtime belong here: values only.

#![allow(
    clippy::duplicated_attributes,
    reason = "two print columns of one type are no duplicates"
)]

pub mod allowed;
pub mod appbinding;
pub mod cert_manager;
pub mod condition;
pub mod configuration;
pub mod crds;
pub mod deployed;
mod error_chain;
pub mod hang;
pub mod init;
pub mod legacy;
pub mod major;
pub mod monitor;
pub mod names;
pub mod no_pod;
pub mod ops_auth;
pub mod ops_configuration;
pub mod ops_failover;
pub mod ops_plan;
pub mod ops_request;
pub mod ops_resources;
pub mod ops_status;
pub mod ops_version;
pub mod ops_volumes;
pub mod pause;
pub mod petset;
pub mod placement;
pub mod pod_template;
pub mod postgres;
pub mod quantity;
pub mod replication;
pub mod reported;
pub mod roles;
pub mod rows;
mod rules;
pub mod running;
mod schema_parts;
pub mod service_template;
pub mod slots;
pub mod status;
pub mod tls;
pub mod version;
pub mod vocabulary;

pub use appbinding::AppBinding;
pub use condition::Condition;
pub use error_chain::error_chain;
pub use major::Major;
pub use ops_request::PostgresOpsRequest;
pub use pause::PauseHolder;
pub use petset::PetSet;
pub use placement::PlacementPolicy;
pub use postgres::Postgres;
pub use version::PostgresVersion;
