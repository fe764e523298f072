//! One file per type of request: its recipe and what only it needs.

pub mod reconfigure_tls;
pub mod restart;
