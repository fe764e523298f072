//! One PostgreSQL member, seen from outside: what it serves in a TLS handshake, what it reports in SQL, and its
//! Patroni. Nothing here knows Kubernetes or decides anything about a database.

mod attempt;
mod binding;
mod certificate;
mod cgroup;
mod ecdsa;
mod handshake;
mod observed;
mod openssl;
mod patroni;
mod preflight;
pub mod rows;
mod secrecy;
mod session;
mod slots;
mod sql;
mod storage;
mod tls;
mod trust;

pub use certificate::{
    CertificateError, CertificateFacts, chain_of_pem, facts_of_der, facts_of_pem, key_matches,
};
pub use cgroup::Cgroup;
pub use handshake::{Answer, HandshakeError, Served, probe, probe_tcp};
pub use observed::Observed;
pub use patroni::{
    Cluster, Identity, Member, MemberStatus, Patroni, PatroniError, PatroniTls, PendingChange, Switchover,
    Xlog,
};
pub use preflight::{Fault, Purpose, examine, examine_issued, examine_issuer};
pub use secrecy::Password;
pub use session::{Login, Session, SqlError};
pub use slots::Slot;
pub use sql::{
    APPLICATION_NAME_PREFIX, Lag, LoadedConfiguration, LoadedParameters, Replica, Role, SslSessions,
    WalReceiver,
};
pub use storage::{Lsn, Wal, lsn_of_text, lsn_text};
pub use tls::{ClientIdentity, TlsMode};
pub use trust::{Distrust, judge_client, judge_server, unambiguous};
