//! PostgreSQL's and Patroni's own configuration.

pub mod conf;
pub mod patroni;
