//! Admission rules in CEL, each with a message that names what to write instead.
//!
//! They are those rules of KubeDB's webhooks that CEL can express and that no manifest in KubeDB's documents breaks; the
//! table in `docs/api.md` has the others and where they are reported. A rule's name is the name of its message without
//! `_MESSAGE`. Lists that a rule walks through have a greatest length, or the API server would find the rule too costly.

use kube::core::Rule;

/// A duration in Go's notation, as `metav1.Duration` reads it.
pub(crate) fn duration() -> Rule {
    Rule::new(r"self.matches('^(0|([0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h))+)$')")
        .message("write a duration such as 30s, 5m or 2160h; days and years have no unit")
}

pub(crate) const POSITIVE: &str = "self > 0";
pub(crate) const POSITIVE_MESSAGE: &str = "must be 1 or more";
pub(crate) const NOT_NEGATIVE: &str = "self >= 0";
pub(crate) const NOT_NEGATIVE_MESSAGE: &str = "must be 0 or more";

// ---- Postgres

pub(crate) const NAME: &str =
    "self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')";
pub(crate) const NAME_MESSAGE: &str = "metadata.name becomes the name of Services and Pods: write at most 63 lower case \
     letters, digits and dashes, beginning with a letter and ending with a letter or digit";

pub(crate) const REPLICAS: &str = "self >= 1";
pub(crate) const REPLICAS_MESSAGE: &str =
    "must be 1 or more; to take the database down and keep its data, write spec.halted: true";

pub(crate) const TLS_NOT_DISABLED: &str = "!has(self.tls) || !has(self.sslMode) || self.sslMode != 'disable'";
pub(crate) const TLS_NOT_DISABLED_MESSAGE: &str = "spec.sslMode cannot be disable when spec.tls is set; write verify-full, or remove spec.tls to run without TLS";

pub(crate) const SSL_MODE_NEEDS_TLS: &str =
    "has(self.tls) || !has(self.sslMode) || self.sslMode == 'disable'";
pub(crate) const SSL_MODE_NEEDS_TLS_MESSAGE: &str =
    "spec.sslMode asks for TLS and spec.tls is not set; add spec.tls.issuerRef, or write sslMode: disable";

pub(crate) const CERT_NEEDS_TLS: &str =
    "has(self.tls) || !has(self.clientAuthMode) || self.clientAuthMode != 'cert'";
pub(crate) const CERT_NEEDS_TLS_MESSAGE: &str = "spec.clientAuthMode: cert needs client certificates and spec.tls is not set; add spec.tls.issuerRef, or write scram";

pub(crate) const SYNC_CONFIG: &str = "!has(self.synchronousReplicationConfig) || \
     (has(self.streamingMode) && self.streamingMode == 'Synchronous')";
pub(crate) const SYNC_CONFIG_MESSAGE: &str = "spec.synchronousReplicationConfig has a meaning only with \
     streamingMode: Synchronous; write that too, or remove synchronousReplicationConfig";

pub(crate) const SYNC_STANDBYS: &str = "!has(self.synchronousReplicationConfig) || \
     !has(self.synchronousReplicationConfig.numSyncReplicas) || \
     (has(self.synchronousReplicationConfig.standbyNames) && self.synchronousReplicationConfig.standbyNames.size() > 0) || \
     self.synchronousReplicationConfig.numSyncReplicas < (has(self.replicas) ? self.replicas : 1)";
pub(crate) const SYNC_STANDBYS_MESSAGE: &str = "spec.synchronousReplicationConfig.numSyncReplicas must be less than \
     spec.replicas: the primary is not its own standby";

pub(crate) const SYNC_NAMES: &str = "!has(self.useWildcard) || !self.useWildcard || !has(self.standbyNames) || \
     self.standbyNames.size() == 0";
pub(crate) const SYNC_NAMES_MESSAGE: &str =
    "useWildcard: true means every standby; remove standbyNames, or useWildcard";

pub(crate) const SYNC_NUMBER_OF_NAMES: &str = "!has(self.numSyncReplicas) || !has(self.standbyNames) || \
     self.standbyNames.size() == 0 || self.numSyncReplicas <= self.standbyNames.size()";
pub(crate) const SYNC_NUMBER_OF_NAMES_MESSAGE: &str =
    "numSyncReplicas must not be greater than the number of standbyNames; write fewer, or more names";

pub(crate) const STANDBY_NAMES: &str = "self.all(n, n != '' && self.exists_one(m, m == n))";
pub(crate) const STANDBY_NAMES_MESSAGE: &str = "every name must be given, and only once";

pub(crate) const HALT_EPHEMERAL: &str = "!has(self.storageType) || self.storageType != 'Ephemeral' || \
     !has(self.deletionPolicy) || self.deletionPolicy != 'Halt'";
pub(crate) const HALT_EPHEMERAL_MESSAGE: &str = "spec.deletionPolicy: Halt keeps volumes and storageType: Ephemeral has none; write Delete, WipeOut or DoNotTerminate";

pub(crate) const HALTED: &str = "!has(self.halted) || !self.halted || !has(self.deletionPolicy) || \
     self.deletionPolicy != 'DoNotTerminate'";
pub(crate) const HALTED_MESSAGE: &str = "spec.halted: true takes the database down and deletionPolicy: DoNotTerminate \
     forbids it; write deletionPolicy: Halt, or halted: false";

pub(crate) const DURABLE_STORAGE: &str =
    "!has(self.storageType) || self.storageType != 'Durable' || has(self.storage)";
pub(crate) const DURABLE_STORAGE_MESSAGE: &str = "spec.storageType: Durable needs spec.storage; write \
     storage.resources.requests.storage, or storageType: Ephemeral for a database that is lost with its Pods";

pub(crate) const DISTRIBUTED: &str = "!has(self.distributed) || !self.distributed || (has(self.podTemplate) && \
     has(self.podTemplate.spec) && has(self.podTemplate.spec.podPlacementPolicy) && \
     self.podTemplate.spec.podPlacementPolicy.name != '')";
pub(crate) const DISTRIBUTED_MESSAGE: &str = "spec.distributed: true needs \
     spec.podTemplate.spec.podPlacementPolicy.name, a PlacementPolicy with clusterSpreadConstraint";

pub(crate) const DELETION_POLICIES: &str = "!has(self.terminationPolicy) || !has(self.deletionPolicy) || \
     self.terminationPolicy == self.deletionPolicy";
pub(crate) const DELETION_POLICIES_MESSAGE: &str =
    "spec.terminationPolicy is the old spelling of deletionPolicy and says something else; remove it";

pub(crate) const STORAGE_TYPE_FIXED: &str = "(has(self.storageType) ? self.storageType : 'Durable') == \
     (has(oldSelf.storageType) ? oldSelf.storageType : 'Durable')";
pub(crate) const STORAGE_TYPE_FIXED_MESSAGE: &str =
    "spec.storageType cannot be changed; create another Postgres and restore the data into it";

pub(crate) const INIT_KEPT: &str = "!has(oldSelf.init) || !has(oldSelf.init.initialized) || \
     !oldSelf.init.initialized || has(self.init)";
pub(crate) const INIT_FIXED: &str = "!has(oldSelf.initialized) || !oldSelf.initialized || self == oldSelf";
pub(crate) const INIT_FIXED_MESSAGE: &str = "spec.init cannot be changed once the database was initialised; leave it \
     as it is, or create another Postgres";

pub(crate) const INLINE_KEY: &str = "self.all(k, k == 'user.conf')";
pub(crate) const INLINE_KEY_MESSAGE: &str =
    "the only key is user.conf; write the parameters there, one per line";

pub(crate) const READ_REPLICAS: &str = "self.all(r, self.exists_one(s, s.name == r.name))";
pub(crate) const READ_REPLICAS_MESSAGE: &str = "every group needs a name of its own";

pub(crate) const GROUP_NAME: &str = "self != '' && self != 'arbiter'";
pub(crate) const GROUP_NAME_MESSAGE: &str = "write a name other than arbiter, which is taken";

pub(crate) const ELECTION_TICKS: &str = "!has(self.heartbeatTick) || !has(self.electionTick) || \
     (self.heartbeatTick >= 1 && self.electionTick > self.heartbeatTick)";
pub(crate) const ELECTION_TICKS_MESSAGE: &str =
    "electionTick must be greater than heartbeatTick, and heartbeatTick 1 or more; the defaults are 10 and 1";

pub(crate) const SLOT_LIMIT: &str = "self >= -1";
pub(crate) const SLOT_LIMIT_MESSAGE: &str = "must be -1 (no limit), 0 or more";

pub(crate) const CONTAINER_ENV: &str = "!has(self.containers) || self.containers.all(c, c.name != 'postgres' || \
     !has(c.env) || c.env.all(e, e.name != 'POSTGRES_USER' && e.name != 'POSTGRES_PASSWORD'))";
pub(crate) const POD_ENV: &str = "!has(self.env) || \
     self.env.all(e, e.name != 'POSTGRES_USER' && e.name != 'POSTGRES_PASSWORD')";
pub(crate) const ENV_MESSAGE: &str = "POSTGRES_USER and POSTGRES_PASSWORD come from the auth Secret; name yours in \
     spec.authSecret.name instead";

pub(crate) const VOLUME_NAMES: &str = "!has(self.volumes) || self.volumes.all(v, !(v.name in ['data', 'certs', \
     'custom-config', 'initial-script', 'role-scripts', 'run-scripts', 'scripts', 'shared-memory']))";
pub(crate) const VOLUME_NAMES_MESSAGE: &str = "these names of volumes are taken: data, certs, custom-config, \
     initial-script, role-scripts, run-scripts, scripts, shared-memory; write another";

pub(crate) const MOUNT_PATHS: &str = "!has(self.containers) || self.containers.all(c, c.name != 'postgres' || \
     !has(c.volumeMounts) || c.volumeMounts.all(m, !(m.mountPath in ['/var/initdb', '/dev/shm', '/var/pv', \
     '/etc/config', '/run_scripts', '/role_scripts', '/scripts', '/tls/certs'])))";
pub(crate) const MOUNT_PATHS_MESSAGE: &str = "these paths of the container postgres are taken: /var/initdb, /dev/shm, \
     /var/pv, /etc/config, /run_scripts, /role_scripts, /scripts, /tls/certs; mount elsewhere";

// ---- TLS

pub(crate) const ALIAS_ONCE: &str = "self.all(c, self.exists_one(d, d.alias == c.alias))";
pub(crate) const ALIAS_ONCE_MESSAGE: &str =
    "an alias is given more than once; write one entry per certificate";

pub(crate) const RENEWAL: &str =
    "!has(self.duration) || !has(self.renewBefore) || duration(self.renewBefore) < duration(self.duration)";
pub(crate) const RENEWAL_MESSAGE: &str = "renewBefore must be shorter than duration";

pub(crate) const IP_ADDRESSES: &str = "self.all(a, isIP(a))";
pub(crate) const IP_ADDRESSES_MESSAGE: &str =
    "write IP addresses such as 127.0.0.1 or ::1; host names go to dnsNames";

// ---- PostgresOpsRequest

pub(crate) const REQUEST_FIXED: &str = "self == oldSelf";
pub(crate) const REQUEST_FIXED_MESSAGE: &str =
    "the spec of a request cannot be changed; delete the request and create another";

pub(crate) const REQUEST_DATABASE: &str = "self.databaseRef.name != ''";
pub(crate) const REQUEST_DATABASE_MESSAGE: &str =
    "spec.databaseRef.name must be the name of a Postgres in the request's namespace";

pub(crate) const REQUEST_TLS: &str = "self.type != 'ReconfigureTLS' || has(self.tls)";
pub(crate) const REQUEST_TLS_MESSAGE: &str = "type: ReconfigureTLS needs spec.tls: issuerRef to add TLS or to change \
     the issuer, certificates to change them, rotateCertificates: true, or remove: true";

pub(crate) const REQUEST_VERSION: &str = "self.type != 'UpdateVersion' || \
     (has(self.updateVersion) && has(self.updateVersion.targetVersion))";
pub(crate) const REQUEST_VERSION_MESSAGE: &str =
    "type: UpdateVersion needs spec.updateVersion.targetVersion, the name of a PostgresVersion";

pub(crate) const REQUEST_SCALING: &str = "self.type != 'HorizontalScaling' || has(self.horizontalScaling)";
pub(crate) const REQUEST_SCALING_MESSAGE: &str =
    "type: HorizontalScaling needs spec.horizontalScaling.replicas";

pub(crate) const REQUEST_RESOURCES: &str = "self.type != 'VerticalScaling' || has(self.verticalScaling)";
pub(crate) const REQUEST_RESOURCES_MESSAGE: &str =
    "type: VerticalScaling needs spec.verticalScaling, for example verticalScaling.postgres.resources";

pub(crate) const REQUEST_VOLUME: &str = "self.type != 'VolumeExpansion' || has(self.volumeExpansion)";
pub(crate) const REQUEST_VOLUME_MESSAGE: &str =
    "type: VolumeExpansion needs spec.volumeExpansion.mode and spec.volumeExpansion.postgres, the new size";

pub(crate) const REQUEST_CONFIGURATION: &str = "self.type != 'Reconfigure' || has(self.configuration)";
pub(crate) const REQUEST_CONFIGURATION_MESSAGE: &str = "type: Reconfigure needs spec.configuration: applyConfig, \
     configSecret, removeCustomConfig or tuning";

pub(crate) const REQUEST_MIGRATION: &str = "self.type != 'StorageMigration' || has(self.migration)";
pub(crate) const REQUEST_MIGRATION_MESSAGE: &str =
    "type: StorageMigration needs spec.migration.storageClassName";

pub(crate) const SCALING_ONE: &str = "!has(self.replicas) || !has(self.readReplicas)";
pub(crate) const SCALING_ONE_MESSAGE: &str = "write either replicas or readReplicas, not both";

pub(crate) const RESOURCES_OF: &str = "has(self.postgres) || has(self.exporter) || has(self.coordinator) || has(self.arbiter) || has(self.readReplicas)";
pub(crate) const RESOURCES_OF_MESSAGE: &str = "write postgres or exporter, with the new resources";

pub(crate) const VOLUME_OF: &str = "has(self.postgres) || has(self.arbiter)";
pub(crate) const VOLUME_OF_MESSAGE: &str = "write the new size: postgres, arbiter or both";

pub(crate) const REMOVE_WITHOUT_RESTART: &str = "!has(self.removeCustomConfig) || !self.removeCustomConfig || \
     !has(self.restart) || self.restart != 'false'";
pub(crate) const REMOVE_WITHOUT_RESTART_MESSAGE: &str =
    "removeCustomConfig needs a restart; write restart: auto or \"true\"";

pub(crate) const TLS_SOMETHING: &str = "has(self.issuerRef) || (has(self.certificates) && self.certificates.size() > 0) || \
     (has(self.rotateCertificates) && self.rotateCertificates) || \
     (has(self.rotateGrpcCertificates) && self.rotateGrpcCertificates) || (has(self.remove) && self.remove) || \
     has(self.sslMode) || has(self.clientAuthMode)";
pub(crate) const TLS_SOMETHING_MESSAGE: &str = "nothing to do; write issuerRef, certificates, \
     rotateCertificates: true, remove: true, sslMode or clientAuthMode";

pub(crate) const TLS_REMOVE_ONLY: &str = "!has(self.remove) || !self.remove || (!has(self.issuerRef) && \
     (!has(self.certificates) || self.certificates.size() == 0) && \
     (!has(self.rotateCertificates) || !self.rotateCertificates) && \
     (!has(self.rotateGrpcCertificates) || !self.rotateGrpcCertificates))";
pub(crate) const TLS_REMOVE_ONLY_MESSAGE: &str = "remove: true takes TLS away, so there is nothing to issue; remove \
     issuerRef, certificates and rotateCertificates, or write remove: false";

pub(crate) const TLS_REMOVE_AUTH: &str = "!has(self.remove) || !self.remove || !has(self.clientAuthMode) || \
     self.clientAuthMode != 'cert'";
pub(crate) const TLS_REMOVE_AUTH_MESSAGE: &str =
    "without TLS no client can show a certificate; write clientAuthMode: scram or md5 with remove: true";

pub(crate) const TLS_REMOVE_MODE: &str =
    "!has(self.remove) || !self.remove || !has(self.sslMode) || self.sslMode == 'disable'";
pub(crate) const TLS_REMOVE_MODE_MESSAGE: &str = "with remove: true the mode becomes disable; remove sslMode";

pub(crate) const TLS_DISABLE: &str =
    "!has(self.sslMode) || self.sslMode != 'disable' || (has(self.remove) && self.remove)";
pub(crate) const TLS_DISABLE_MESSAGE: &str = "sslMode: disable takes TLS away; write remove: true instead";
