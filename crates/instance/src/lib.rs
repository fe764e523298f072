//! One PostgreSQL member, seen from outside: what it serves in a TLS handshake, what it says in SQL, and its Patroni.
//! Nothing here knows Kubernetes or decides anything about a database.

mod certificate;
mod handshake;
mod observed;
mod patroni;
mod preflight;
pub mod rows;
mod secrecy;
mod session;
mod sql;
mod tls;

pub use certificate::{
    CertificateError, CertificateFacts, Distrust, chain_of_pem, facts_of_der, facts_of_pem, judge_client,
    judge_server, key_matches,
};
pub use handshake::{Answer, HandshakeError, Served, probe, probe_tcp};
pub use observed::Observed;
pub use patroni::{Cluster, Identity, Member, MemberStatus, Patroni, PatroniError, Switchover, Xlog};
pub use preflight::{Fault, Purpose, examine, examine_issued};
pub use secrecy::Password;
pub use session::{Login, Session, SqlError};
pub use sql::{Lag, LoadedConfiguration, OUR_SESSIONS, Replica, Role, SslSessions, WalReceiver};
pub use tls::{ClientIdentity, TlsMode};
