//! A member as the world shows it: certificates, handshakes over loopback, Patroni, and a real PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a failed step fails its test")]

mod certificates;
mod chains;
mod handshakes;
mod hostile;
mod lab;
mod patroni;
mod postgres;
mod preflight;
mod real;
