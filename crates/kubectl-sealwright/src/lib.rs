//! `kubectl sealwright`: observes a database, verifies its TLS on the wire, and runs operations on it.
//!
//! `commands` touch the world, one file each; `report` and `request` are plain functions over what was observed and
//! requested.

pub mod cli;
pub mod cluster;
pub mod commands;
pub mod complete;
pub mod decide;
pub mod exit;
pub mod follow;
pub mod members;
pub mod redact;
pub mod report;
pub mod request;
pub mod style;
