//! PostgreSQL's and Patroni's own configuration.

pub(crate) mod catalog;
pub(crate) mod ciphers;
pub mod conf;
pub mod dynamic;
pub mod hba;
pub mod in_force;
pub mod memory;
pub(crate) mod owned;
pub mod parameters;
pub mod patroni;
pub(crate) mod roles;
pub mod slots;
pub(crate) mod suggest;
pub(crate) mod tuning;
pub(crate) mod value;
pub mod wal;
pub(crate) mod words;
