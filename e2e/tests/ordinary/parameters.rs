//! Parameters that PostgreSQL would refuse, and what keeps WAL.
