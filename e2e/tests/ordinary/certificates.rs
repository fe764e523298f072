//! Certificates as real clients see them.
