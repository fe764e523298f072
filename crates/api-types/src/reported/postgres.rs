//! Conditions, reasons and Events of a Postgres, by the provisioner.

/// Types of conditions.
pub mod conditions {

    words! {
        /// The operator has begun to create the children.
        PROVISIONING_STARTED = "ProvisioningStarted" in "", bad_unless_true;
        /// Every member's Pod is ready.
        REPLICA_READY = "ReplicaReady" in "", bad_unless_true;
        /// The primary takes connections and writes, and the primary Service leads to it.
        ACCEPTING_CONNECTION = "AcceptingConnection" in "", bad_unless_true;
        /// A client can connect. `ReplicaReady` and the phase `Ready` show that every member is up.
        READY = "Ready" in "", bad_unless_true;
        /// The database was ready once.
        PROVISIONED = "Provisioned" in "", bad_unless_true;
        /// The provisioner keeps off; `status.pausedBy` and the message name the holder of the pause.
        PAUSED = "Paused" in "";
        /// Taken down on request; volumes and Secrets are kept.
        HALTED = "Halted" in "";
        /// `False` while something in the spec is not carried out; absent when everything is.
        SPEC_APPLIED = "SpecApplied" in "", bad_unless_true;
        /// Names the fields that are kept and that nothing acts on. For information.
        UNSUPPORTED_FIELDS = "UnsupportedFields" in "";
        /// The issuer signs with another CA than that of the server certificate.
        ISSUER_CA_CHANGED = "IssuerCAChanged" in "", trouble, bad_when_true;
        /// `True` while a member's volume fills up, or what members keep of WAL does not fit it; absent otherwise.
        STORAGE_AT_RISK = "StorageAtRisk" in "", bad_when_true;
        /// The Postgres was deleted, and its deletion policy holds it.
        DELETION_BLOCKED = "DeletionBlocked" in "", bad_when_true;
        /// A claim of a member is being deleted, or is gone: its volume goes when the member's Pod ends. The message states what is
        /// lost then.
        CLAIM_TERMINATING = "ClaimTerminating" in "", trouble, bad_when_true;
        /// Data that the database is known to have had is gone: no member has it, or a member was promoted that lacked some of it.
        DATA_LOST = "DataLost" in "", trouble, bad_when_true;
        /// No member is the primary, and one that lacks rows waits for those that may have them.
        FAILOVER_HELD = "FailoverHeld" in "", trouble, bad_when_true;
        /// The PostgreSQL of a member hangs instead of ending, or did until a minute ago; the message names the member, the cause and
        /// what was done.
        MEMBER_HANGS = "MemberHangs" in "", trouble, bad_when_true;
        /// Health checks are paused. The phase follows it; Sealwright does not set it.
        HEALTH_CHECK_PAUSED = "HealthCheckPaused" in "";
        /// A restore has begun. The phase follows it; Sealwright does not set it.
        DATA_RESTORE_STARTED = "DataRestoreStarted" in "";
        /// A restore has ended. The phase follows it; Sealwright does not set it.
        DATA_RESTORED = "DataRestored" in "", bad_unless_true;
    }
}

/// Reasons of conditions. Those that mean trouble with the spec are reasons of Warning Events too.
pub mod reasons {

    words! {
        /// The children are being made, or were made.
        DATABASE_PROVISIONING_STARTED_SUCCESSFULLY = "DatabaseProvisioningStartedSuccessfully" in "`ProvisioningStarted` is `True`";
        /// `spec.version` names no PostgresVersion; the message has the names that there are.
        VERSION_NOT_FOUND = "VersionNotFound" in "`ProvisioningStarted`, `Ready` or `SpecApplied` is `False`", trouble;
        /// The auth Secret can't be used: it is gone, lacks a key, or is another database's.
        INVALID_AUTH_SECRET = "InvalidAuthSecret" in "`ProvisioningStarted`, `Ready` or `SpecApplied` is `False`", trouble;
        /// The spec can't be carried out; the message names the field and what to write instead.
        INVALID_SPEC = "InvalidSpec" in "`ProvisioningStarted`, `Ready` or `SpecApplied` is `False`", trouble;
        /// An object that is not the database's has a name that the database needs; the message names the object and its owner.
        NAME_TAKEN = "NameTaken" in "`ProvisioningStarted`, `Ready` or `SpecApplied` is `False`", trouble;
        /// The CAs in the config Secret, which members trust, can't be read.
        INVALID_CERTIFICATE = "InvalidCertificate" in "`ProvisioningStarted`, `Ready` or `SpecApplied` is `False`", trouble;
        /// Parameters of `spec.configuration` can't be in force; the members keep those that they have. The message names each parameter.
        PARAMETERS_REFUSED = "ParametersRefused" in "`SpecApplied` is `False`", trouble;
        /// Parameters of `spec.configuration` are left out, because they are Patroni's or follow from other fields.
        PARAMETERS_NOT_USED = "ParametersNotUsed" in "`SpecApplied` is `False`", trouble;
        /// Members have not read the parameters of their file yet; the message names the members.
        PARAMETERS_NOT_READ = "ParametersNotRead" in "`SpecApplied` is `False`", trouble;
        /// Members take parameters of `spec.configuration` when they restart; the message names both.
        RESTART_NEEDED = "RestartNeeded" in "`SpecApplied` is `False`", trouble;
        /// TLS of a running database was changed in the spec; that is done by a request.
        RECONFIGURE_TLS_NEEDED = "ReconfigureTLSNeeded" in "`SpecApplied` is `False`", trouble;
        /// `spec.replicas` of a running database was lowered; members leave by a request, which ops-manager makes.
        HORIZONTAL_SCALING_NEEDED = "HorizontalScalingNeeded" in "`SpecApplied` is `False`", trouble;
        /// The version of a running database was changed, which a request of ops-manager carries out; or the catalog has another image
        /// under it; or the data is of another major version.
        UPDATE_VERSION_NEEDED = "UpdateVersionNeeded" in "`SpecApplied` is `False`", trouble;
        /// The auth Secret, or the one that `spec.authSecret` names by now, has other credentials than those that open the database;
        /// members and operators go on with the latter. The message names Secret and key.
        ROTATE_AUTH_NEEDED = "RotateAuthNeeded" in "`SpecApplied` is `False`", trouble;
        /// `spec.storage` of a running database has larger volumes than the members were made with.
        VOLUME_EXPANSION_NEEDED = "VolumeExpansionNeeded" in "`SpecApplied` is `False`", trouble;
        /// `spec.storage` of a running database names another StorageClass than the members' volumes have.
        STORAGE_MIGRATION_NEEDED = "StorageMigrationNeeded" in "`SpecApplied` is `False`", trouble;
        /// Something else in `spec.storage` of a running database was changed, which a volume keeps for its life.
        STORAGE_FIXED = "StorageFixed" in "`SpecApplied` is `False`", trouble;
        /// The database can't be taken down: a claim is being deleted, and the data that is to be kept would go.
        CLAIM_TERMINATING = "ClaimTerminating" in "`SpecApplied` is `False`; `DeletionBlocked` is `True`", trouble;
        /// Every member was new and had no data, which happens with `storageType: Ephemeral` when all Pods were lost: the
        /// database has begun again without data.
        STARTED_AFRESH = "StartedAfresh" in "`DataLost` is `True`", trouble;
        /// Every member that is up has an empty volume, and the database had data. Nothing is begun again.
        NO_MEMBER_HAS_DATA = "NoMemberHasData" in "`DataLost` is `True`", trouble;
        /// An issued certificate is not good, and was not deployed.
        CERTIFICATE_REFUSED = "CertificateRefused" in "`SpecApplied` is `False`", trouble;
        /// The API server refused a child of the database, or there is no cert-manager.
        APPLY_FAILED = "ApplyFailed" in "`SpecApplied` is `False`", trouble;
        /// As many Pods are ready as `spec.replicas` has.
        ALL_REPLICAS_READY = "AllReplicasReady" in "`ReplicaReady` is `True`";
        /// Fewer Pods are ready than `spec.replicas` has.
        SOME_REPLICAS_NOT_READY = "SomeReplicasNotReady" in "`ReplicaReady` is `False`", trouble;
        /// A client can write.
        DATABASE_ACCEPTING_CONNECTION_REQUEST = "DatabaseAcceptingConnectionRequest" in "`AcceptingConnection` is `True`";
        /// No client can write; the message states what failed.
        DATABASE_NOT_ACCEPTING_CONNECTION_REQUEST = "DatabaseNotAcceptingConnectionRequest" in "`AcceptingConnection` is `False`", trouble;
        /// A client can connect.
        READINESS_CHECK_SUCCEEDED = "ReadinessCheckSucceeded" in "`Ready` is `True`";
        /// Not every member does its part, or a client can't connect; the message states what is missing or waited for.
        READINESS_CHECK_FAILED = "ReadinessCheckFailed" in "`Ready` is `False`", trouble;
        /// The health check can't log in, or lacks a right. Other clients may be fine; the message quotes
        /// PostgreSQL.
        HEALTH_CHECK_NOT_POSSIBLE = "HealthCheckNotPossible" in "`AcceptingConnection` or `Ready` is `Unknown`", trouble;
        /// A standby needs WAL that the primary has removed; the message states the cause, and the request that replaces its data.
        STANDBY_LEFT_BEHIND = "StandbyLeftBehind" in "`Ready` is `False`", trouble;
        /// A standby has WAL that the primary never had; the message has the place, and the request that replaces its data.
        STANDBY_DIVERGED = "StandbyDiverged" in "`Ready` is `False`", trouble;
        /// No member is the primary, and a member that is known to lack rows is not promoted; the message names it, and the request
        /// that promotes it anyway.
        STALE_STANDBY_NOT_PROMOTED = "StaleStandbyNotPromoted" in "`FailoverHeld` is `True`", trouble;
        /// A member was promoted that lacked WAL of the former primary; `status.lostWAL` has the range. It stays for a day.
        WAL_LOST = "WALLost" in "`DataLost` is `True`", trouble;
        /// The member responds to no new session, while those that are open go on.
        LOGINS_UNANSWERED = "LoginsUnanswered" in "`MemberHangs` is `True`", trouble;
        /// A write to the member's volume does not end.
        DISK_BLOCKED = "DiskBlocked" in "`MemberHangs` is `True`", trouble;
        /// Less than a fifth of a member's volume is free; the message states what fills it, and what to do.
        VOLUME_FILLS_UP = "VolumeFillsUp" in "`StorageAtRisk` is `True`", trouble;
        /// The amounts of WAL in the spec leave too little of the volume for the data.
        WAL_DOES_NOT_FIT = "WALDoesNotFit" in "`StorageAtRisk` is `True`", trouble;
        /// The database became ready for the first time.
        DATABASE_SUCCESSFULLY_PROVISIONED = "DatabaseSuccessfullyProvisioned" in "`Provisioned` is `True`";
        /// A request holds the pause; the message names it.
        PAUSED_BY_OPS_MANAGER = "PausedByOpsManager" in "`Paused` is `True`";
        /// A person holds the pause, or anything else that is no request; the message names the holder.
        PAUSED = "Paused" in "`Paused` is `True`; `SpecApplied` is `False`", trouble;
        /// `spec.halted` took the database down.
        DATABASE_HALTED_SUCCESSFULLY = "DatabaseHaltedSuccessfully" in "`Halted` is `True`; `AcceptingConnection` and `Ready` are `False`";
        /// The Postgres was deleted while `spec.deletionPolicy` is `DoNotTerminate`: it serves on, and goes when the policy is changed.
        DO_NOT_TERMINATE = "DoNotTerminate" in "`DeletionBlocked` is `True`", trouble;
    }
}

/// Reasons of Events that are no reason or type of a condition.
pub mod events {

    words! {
        /// A child was made, or the database became ready for the first time.
        SUCCESSFUL = "Successful" in "Normal";
        /// The phase of a database that was ready once has changed. A Warning when it became `Critical` or `NotReady`.
        PHASE_CHANGED = "PhaseChanged" in "Normal, Warning";
        /// Members are started with another version of the same major version; the message names both.
        VERSION_CHANGED = "VersionChanged" in "Normal";
        /// The platform refuses a member's Pod or volume, or does not bring it up; the message has the platform's sentence.
        MEMBERS_NOT_STARTED = "MembersNotStarted" in "Warning", trouble;
        /// Another member has become the primary, and does not have a replication slot of the former one; the message names the slot.
        REPLICATION_SLOT_LOST = "ReplicationSlotLost" in "Warning", trouble;
        /// A logical replication slot was made that is lost when another member becomes the primary; the message states
        /// the reason.
        REPLICATION_SLOT_NOT_KEPT = "ReplicationSlotNotKept" in "Warning", trouble;
        /// A standby has not streamed from the primary for half a minute; while it does not, it is not promoted.
        STANDBY_STALE = "StandbyStale" in "Warning", trouble;
        /// Patroni got other settings that all members share; the message names them, and whether members must restart.
        DYNAMIC_CONFIGURATION_CHANGED = "DynamicConfigurationChanged" in "Normal";
        /// Members get certificates that were reissued without a request: renewed, or for an edit of `spec.tls.certificates`, or
        /// because a Secret was gone. The message names them.
        CERTIFICATES_RENEWED = "CertificatesRenewed" in "Normal";
    }
}
