//! The health check checks the database, not the user's choices.
