//! The ops-manager: carries out `PostgresOpsRequest`s.
//!
//! [`controller`] is the table of contents: what it watches, and the order observe → admit or advance → persist → perform.

pub mod admit;
pub mod approval;
pub mod args;
pub mod auth;
pub mod controller;
pub mod data_guard;
pub mod effect;
pub mod engine;
pub mod error;
pub mod finalizer;
pub mod last_failure;
pub mod member;
pub mod member_status;
pub mod metrics;
pub mod moves;
pub mod observe;
pub mod operation;
pub mod ops;
pub mod perform;
pub mod plan;
pub mod queue;
pub mod reload_debounce;
pub mod report;
pub mod request_type;
pub mod section;
pub mod slots_guard;
pub mod spec_edits;
pub mod step;
pub mod tls;
pub mod volumes;
pub mod wait;
pub mod waiting;
pub mod world;
