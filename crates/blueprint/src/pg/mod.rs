//! PostgreSQL's and Patroni's own configuration.

pub mod conf;
pub mod dynamic;
pub mod hba;
pub mod parameters;
pub mod patroni;
