//! A member as the world shows it: certificates, handshakes over loopback, Patroni, and a real PostgreSQL.

mod authority;
mod certificates;
mod handshakes;
mod patroni;
mod postgres;
mod real;
