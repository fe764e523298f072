//! User names and passwords of every form, and Secrets that come late or change.
