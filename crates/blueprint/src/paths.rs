//! Where a member finds its files. KubeDB's paths and file names.

/// Server certificate.
pub const SERVER_CERT: &str = "/tls/certs/server/server.crt";
/// Key of the server certificate.
pub const SERVER_KEY: &str = "/tls/certs/server/server.key";
/// CA that signed the server certificate.
pub const SERVER_CA: &str = "/tls/certs/server/ca.crt";
/// Client certificate that a standby shows to the primary.
pub const CLIENT_CERT: &str = "/tls/certs/client/client.crt";
/// Key of the client certificate.
pub const CLIENT_KEY: &str = "/tls/certs/client/client.key";
/// CA that signed the client certificate.
pub const CLIENT_CA: &str = "/tls/certs/client/ca.crt";
/// Exporter's certificate.
pub const EXPORTER_CERT: &str = "/tls/certs/exporter/tls.crt";
/// CAs of the certificates with which members and operators call Patroni.
pub const MEMBERS_CA: &str = "/tls/certs/members/ca.crt";
/// Certificate and private key of a member's Patroni.
pub const MEMBER_IDENTITY: &str = "/tls/certs/members/member.pem";
/// Folder of both.
pub const MEMBERS_MOUNT: &str = "/tls/certs/members";
/// Folder of the server's keys of the config Secret.
pub const SERVER_MOUNT: &str = "/tls/certs/server";
/// Folder of the client certificate's keys of the config Secret.
pub const CLIENT_MOUNT: &str = "/tls/certs/client";
/// Folder of the exporter's keys of the config Secret.
pub const EXPORTER_MOUNT: &str = "/tls/certs/exporter";
/// Where kubelet projects the whole config Secret, for the agent only.
pub const CONFIG_SECRET_MOUNT: &str = "/run/config-secret";
/// CAs that members trust: all of them while a CA changes.
pub const TRUST: &str = "/etc/config/trust.crt";
/// Patroni's local configuration.
pub const PATRONI_YML: &str = "/etc/config/patroni.yml";
/// Makes the roles of ours in the database.
pub const ROLES_SQL: &str = "/etc/config/roles.sql";
/// Has it run where PostgreSQL takes writes.
pub const ROLES_SH: &str = "/etc/config/roles.sh";
/// Makes a new cluster, with the first roles.
pub const INITDB: &str = "/etc/config/initdb";
/// Folder of the Unix socket, on an `emptyDir`.
pub const SOCKET_DIR: &str = "/var/run/postgresql";
/// Password file that Patroni writes for libpq.
pub const PGPASS: &str = "/tmp/pgpass";
/// Folder of what the agent brings for other containers to run. KubeDB's name.
pub const PROGRAMS_MOUNT: &str = "/run_scripts";
/// The first process of a member.
pub const ENTRYPOINT: &str = "/run_scripts/entrypoint";
/// Settings of libpq for everything that Patroni starts, in the members' image.
pub const SERVICE_FILE: &str = "/opt/patroni/pg_service.conf";
