//! No edit or request loses acknowledged rows.
