//! What the provisioner says about a Postgres.

/// Types of conditions.
pub mod conditions {

    words! {
        /// The operator has begun to create the children.
        PROVISIONING_STARTED = "ProvisioningStarted" in "";
        /// Every member's Pod is ready.
        REPLICA_READY = "ReplicaReady" in "";
        /// The primary takes connections and writes, and the primary Service leads to it.
        ACCEPTING_CONNECTION = "AcceptingConnection" in "";
        /// A client can connect. That every member is up tell `ReplicaReady` and the phase `Ready`.
        READY = "Ready" in "";
        /// The database was ready once.
        PROVISIONED = "Provisioned" in "";
        /// The provisioner keeps off; the message names the holder of the pause.
        PAUSED = "Paused" in "";
        /// Taken down on request; volumes and Secrets are kept.
        HALTED = "Halted" in "";
        /// `False` while something in the spec is not carried out; absent when everything is.
        SPEC_APPLIED = "SpecApplied" in "";
        /// Names the fields that are kept and that nothing acts on. For information.
        FIELDS_NOT_IN_USE = "FieldsNotInUse" in "";
        /// The issuer signs with another CA than that of the server certificate.
        ISSUER_CA_CHANGED = "IssuerCAChanged" in "", trouble;
        /// The Postgres was deleted, and its deletion policy holds it.
        DELETION_HELD = "DeletionHeld" in "";
        /// Health checks are paused. The phase follows it; Sealwright does not set it.
        HEALTH_CHECK_PAUSED = "HealthCheckPaused" in "";
        /// A restore has begun. The phase follows it; Sealwright does not set it.
        DATA_RESTORE_STARTED = "DataRestoreStarted" in "";
        /// A restore has ended. The phase follows it; Sealwright does not set it.
        DATA_RESTORED = "DataRestored" in "";
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
        /// The CAs in the config Secret, which members trust, can't be read.
        INVALID_CERTIFICATE = "InvalidCertificate" in "`ProvisioningStarted`, `Ready` or `SpecApplied` is `False`", trouble;
        /// TLS of a running database was changed in the spec; that is done by a request.
        RECONFIGURE_TLS_NEEDED = "ReconfigureTLSNeeded" in "`SpecApplied` is `False`", trouble;
        /// `spec.replicas` of a running database was lowered; members leave by a request, which ops-manager makes.
        HORIZONTAL_SCALING_NEEDED = "HorizontalScalingNeeded" in "`SpecApplied` is `False`", trouble;
        /// The version of a running database, or the image of that version, was changed.
        UPDATE_VERSION_NEEDED = "UpdateVersionNeeded" in "`SpecApplied` is `False`", trouble;
        /// A certificate that was issued is not good, and was given to nobody.
        CERTIFICATE_REFUSED = "CertificateRefused" in "`SpecApplied` is `False`", trouble;
        /// The API server refused a child of the database, or there is no cert-manager.
        APPLY_FAILED = "ApplyFailed" in "`SpecApplied` is `False`", trouble;
        /// As many Pods are ready as are asked for.
        ALL_REPLICAS_READY = "AllReplicasReady" in "`ReplicaReady` is `True`";
        /// Fewer Pods are ready than are asked for.
        SOME_REPLICAS_NOT_READY = "SomeReplicasNotReady" in "`ReplicaReady` is `False`", trouble;
        /// A client can write.
        DATABASE_ACCEPTING_CONNECTION_REQUEST = "DatabaseAcceptingConnectionRequest" in "`AcceptingConnection` is `True`";
        /// No client can write; the message says what failed.
        DATABASE_NOT_ACCEPTING_CONNECTION_REQUEST = "DatabaseNotAcceptingConnectionRequest" in "`AcceptingConnection` is `False`", trouble;
        /// A client can connect.
        READINESS_CHECK_SUCCEEDED = "ReadinessCheckSucceeded" in "`Ready` is `True`";
        /// Not every member does its part, or a client can't connect; the message says what is missing or waited for.
        READINESS_CHECK_FAILED = "ReadinessCheckFailed" in "`Ready` is `False`", trouble;
        /// The database became ready for the first time.
        DATABASE_SUCCESSFULLY_PROVISIONED = "DatabaseSuccessfullyProvisioned" in "`Provisioned` is `True`";
        /// A request holds the pause; the message names it.
        PAUSED_BY_OPS_MANAGER = "PausedByOpsManager" in "`Paused` is `True`";
        /// A person holds the pause, or anything else whose name has no `/`; the message names the holder.
        PAUSED = "Paused" in "`Paused` is `True`; `SpecApplied` is `False`", trouble;
        /// `spec.halted` took the database down.
        DATABASE_HALTED_SUCCESSFULLY = "DatabaseHaltedSuccessfully" in "`Halted` is `True`; `AcceptingConnection` and `Ready` are `False`";
        /// The Postgres was deleted while `spec.deletionPolicy` is `DoNotTerminate`: it serves on, and goes when the policy is changed.
        DO_NOT_TERMINATE = "DoNotTerminate" in "`DeletionHeld` is `True`", trouble;
    }
}

/// Reasons of Events that are no reason or type of a condition.
pub mod events {

    words! {
        /// A child was made, or the database became ready for the first time.
        SUCCESSFUL = "Successful" in "Normal";
        /// The phase of a database that was ready once has changed. A Warning when it became `Critical` or `NotReady`.
        PHASE_CHANGED = "PhaseChanged" in "Normal, Warning";
        /// Patroni was given other settings that all members share; the message has them, and whether members must start anew.
        DYNAMIC_CONFIGURATION_CHANGED = "DynamicConfigurationChanged" in "Normal";
        /// Members are given certificates that were issued anew without a request: renewed, or for an edit of `spec.tls.certificates`, or
        /// because a Secret was gone. The message names them.
        CERTIFICATES_RENEWED = "CertificatesRenewed" in "Normal";
    }
}
