//! Conditions, reasons and Events of a PostgresOpsRequest, by the ops-manager.

/// Types of conditions, in the order in which they can come. A condition's reason is its type unless
/// [`reasons`](super::reasons) has another; the parts of a step have none.
pub mod conditions {

    words! {
        /// `False` while another request for the same database is first.
        QUEUED = "Queued" in "", trouble;
        /// `False` while the database is not Ready and the request has `apply: IfReady`.
        DATABASE_READY = "DatabaseReady" in "", trouble;
        /// `False` while another holder has the pause of the database.
        PAUSED_BY_ANOTHER = "PausedByAnother" in "", trouble;
        /// `False` while an issuer is not Ready yet, or something could not be read.
        DEPENDENCY_READY = "DependencyReady" in "", trouble;
        /// Of a request that others were merged into: their names.
        MERGED_FROM_OPS = "MergedFromOps" in "";
        /// Of a request that others were merged into: whether each of them has ended `Skipped`. It begins then.
        ORIGINAL_OPS_SKIPPED = "OriginalOpsSkipped" in "";
        /// An attempt failed and was undone; the operation is tried again, within `spec.maxRetries`. The message states
        /// the cause.
        RETRYING = "Retrying" in "", trouble;
        /// Of a request that needs an approval: whether its plan has it.
        APPROVED = "Approved" in "";
        /// The request of this type has begun.
        RESTART = "Restart" in "";
        /// The request of this type has begun.
        RECONFIGURE = "Reconfigure" in "";
        /// The request of this type has begun.
        RECONFIGURE_TLS = "ReconfigureTLS" in "";
        /// The request of this type has begun.
        HORIZONTAL_SCALING = "HorizontalScaling" in "";
        /// The request of this type has begun.
        RECONNECT_STANDBY = "ReconnectStandby" in "";
        /// The request of this type has begun.
        FORCE_FAIL_OVER = "ForceFailOver" in "";
        /// The request of this type has begun.
        ROTATE_AUTH = "RotateAuth" in "";
        /// The request of this type has begun.
        VERTICAL_SCALING = "VerticalScaling" in "";
        /// The request of this type has begun.
        VOLUME_EXPANSION = "VolumeExpansion" in "";
        /// The request of this type has begun.
        UPDATE_VERSION = "UpdateVersion" in "";
        /// Names the parts of the request that nothing acts on. For information.
        NOT_ACTED_ON = "NotActedOn" in "";
        /// The request holds the pause, and the provisioner has acknowledged it.
        DATABASE_PAUSE_SUCCEEDED = "DatabasePauseSucceeded" in "", trouble;
        /// cert-manager got the request to reissue the certificates.
        ISSUE_CERTIFICATES_SUCCEEDED = "IssueCertificatesSucceeded" in "", trouble;
        /// The certificates are issued, and were found good.
        CERTIFICATE_SYNCED = "CertificateSynced" in "", trouble;
        /// The AppBinding and every member trust the old and the new CA.
        TRUST_CA = "TrustCA" in "", trouble;
        /// Every member accepts clients of the old settings and of the new ones.
        RELOAD_TLS = "ReloadTLS" in "", trouble;
        /// No application uses what is about to be refused.
        DRAIN_SESSIONS = "DrainSessions" in "", trouble;
        /// Every member has the superuser's new password.
        UPDATE_CREDENTIAL = "UpdateCredential" in "", trouble;
        /// A part of it, `CheckCredential--<pod>`: the member opens with the new password and refuses the former one.
        CHECK_CREDENTIAL = "CheckCredential" in "";
        /// The spec of the Postgres has the new settings, and the PetSet has the new template.
        UPDATE_PET_SETS = "UpdatePetSets" in "", trouble;
        /// The Pod template has the new resources, and the members' configuration the `shared_buffers` that go with them.
        UPDATE_PET_SET_RESOURCES = "UpdatePetSetResources" in "", trouble;
        /// The containers of every member have the resources, and none was restarted for it.
        RESIZE_PODS = "ResizePods" in "", trouble;
        /// Every member's claim has its new size, and the member itself was seen to have it.
        VOLUME_EXPANSION_SUCCEEDED = "VolumeExpansionSucceeded" in "", trouble;
        /// A part of an expansion, `CheckVolume--<pod>`: the member's file system has the new size.
        CHECK_VOLUME = "CheckVolume" in "";
        /// The PetSet makes volumes of the new size for new members.
        READY_PET_SETS = "ReadyPetSets" in "", trouble;
        /// The Pod template has the image of the new version.
        UPDATE_PET_SET_IMAGE = "UpdatePetSetImage" in "", trouble;
        /// Every standby runs the new version, the first of them before the others were touched.
        UPDATE_STANDBY_POD_IMAGE = "UpdateStandbyPodImage" in "", trouble;
        /// The primary runs the new version, and the former one too.
        UPDATE_PRIMARY_IMAGE = "UpdatePrimaryImage" in "", trouble;
        /// A part of an update, `CheckServerVersion--<pod>`: the new member reports in SQL that it runs the new
        /// version.
        CHECK_SERVER_VERSION = "CheckServerVersion" in "";
        /// Every Pod was recreated.
        RESTART_NODES = "RestartNodes" in "", trouble;
        /// A part of a restart, `EvictPod--<pod>`: the Pod was evicted.
        EVICT_POD = "EvictPod" in "";
        /// A part of a restart, `CheckPodReady--<pod>`: the new Pod is ready.
        CHECK_POD_READY = "CheckPodReady" in "";
        /// A part of a restart, `CheckReplicaFunc--<pod>`: the new member leads, or streams from the primary.
        CHECK_REPLICA_FUNC = "CheckReplicaFunc" in "";
        /// A part of a change of resources, `CheckPodResources--<pod>`: the member has the resources.
        CHECK_POD_RESOURCES = "CheckPodResources" in "";
        /// A part of a restart: the primary is known.
        GET_PRIMARY = "GetPrimary" in "";
        /// A part of a restart: the primary role has moved to the standby that was chosen.
        TRANSFER_LEADER = "TransferLeader" in "";
        /// A part of a restart: the standby that was chosen is the primary.
        CHECK_IS_MASTER = "CheckIsMaster" in "";
        /// A part of a restart: the switchover is done.
        FAILOVER_DONE = "FailoverDone" in "";
        /// The parameters were examined, and are in the members' configuration and in Patroni's.
        UPDATE_CONFIGURATION = "UpdateConfiguration" in "", trouble;
        /// PostgreSQL was restarted, in its Pod, wherever a parameter needed it.
        RESTART_POSTGRES = "RestartPostgres" in "", trouble;
        /// A part of a reconfiguration, `CheckParameters--<pod>`: the member has every wanted parameter.
        CHECK_PARAMETERS = "CheckParameters" in "";
        /// Names the parameters that wait for a restart, which the request did not want.
        PENDING_RESTART = "PendingRestart" in "";
        /// Every member follows the new settings after a reload.
        RELOAD_PODS = "ReloadPods" in "", trouble;
        /// The client certificate is issued by the new issuer, after every member serves a certificate of it.
        CLIENT_CERTIFICATE_SYNCED = "ClientCertificateSynced" in "", trouble;
        /// Every member has the new client certificate.
        RELOAD_CLIENT_CERTIFICATE = "ReloadClientCertificate" in "", trouble;
        /// The standbys that do not stream are written down.
        NOT_READY_REPLICAS = "NotReadyReplicas" in "", trouble;
        /// Standbys that did not stream are restarted.
        RECONNECT_STANDBY_WITH_RESTART = "ReconnectStandbyWithRestart" in "", trouble;
        /// A part of it: the Pod of a standby was restarted.
        RESTART_NOT_READY_STANDBY = "RestartNotReadyStandby" in "";
        /// A part of it: the standby streams from the primary.
        STANDBY_READY_CHECK = "StandbyReadyCheck" in "";
        /// Standbys that a restart did not help have a copy of the primary's data.
        RECONNECT_STANDBY_WITH_BASE_BACKUP = "ReconnectStandbyWithBaseBackup" in "", trouble;
        /// The member that is promoted is written down, with what it lacks.
        CHOOSE_CANDIDATE = "ChooseCandidate" in "", trouble;
        /// No other member takes writes.
        FENCE_PRIMARY = "FencePrimary" in "", trouble;
        /// The candidate is the primary, and the only member that takes writes.
        TRANSITION_CANDIDATE_TO_LEADER = "TransitionCandidateToLeader" in "", trouble;
        /// A part of it: what the promoted member lacks. The Postgres has in `status.lostWAL` what was lost.
        ACCEPTED_LOSS = "AcceptedLoss" in "";
        /// The other members had time to follow the new primary.
        FOLLOW_NEW_PRIMARY = "FollowNewPrimary" in "", trouble;
        /// A part of it: names the members that do not follow the new primary, and the command that replaces their data.
        NOT_FOLLOWING = "NotFollowing" in "";
        /// The new members stream from the primary.
        SCALING_UP = "ScalingUp" in "", trouble;
        /// The primary is a member that stays.
        TRANSFER_PRIMARY = "TransferPrimary" in "", trouble;
        /// No client reads from the members that leave.
        DRAIN_MEMBERS = "DrainMembers" in "", trouble;
        /// The members that leave are gone, with their replication slots.
        SCALING_DOWN = "ScalingDown" in "", trouble;
        /// Every member serves the settings of the spec, and nothing is left over.
        UPDATE_DATABASE = "UpdateDatabase" in "", trouble;
        /// After a failure: the members are back at the settings of the spec. `Unknown` when that was given up.
        RESTORE_DATABASE = "RestoreDatabase" in "", trouble;
        /// The pause has ended. `Unknown` when that was given up.
        DATABASE_RESUME_SUCCEEDED = "DatabaseResumeSucceeded" in "", trouble;
        /// The end: everything was done, or there was nothing to do.
        SUCCESSFUL = "Successful" in "";
        /// The end, or its beginning: the message states what went wrong and what to change.
        FAILED = "Failed" in "", trouble;
        /// The end: a newer request of the same type replaces this one, or a database of this kind has nothing that it would change.
        SKIPPED = "Skipped" in "", trouble;
        /// The end: a person has denied the request.
        DENIED = "Denied" in "";
    }
}

/// Reasons that are not the condition's type.
pub mod reasons {

    words! {
        /// A request that was made of several waiting ones contains this one; the message names it.
        CONFIGURATION_MERGED = "ConfigurationMerged" in "`Skipped` and `MergedFromOps` are `True`";
        /// The request has `dryRun: true`: its plan was published and nothing was done.
        DRY_RUN = "DryRun" in "`Successful` is `True`";
        /// The plan is neither approved nor denied yet; the message lists the commands.
        WAITING_FOR_APPROVAL = "WaitingForApproval" in "`Approved` is `False`", trouble;
        /// Another plan was approved than the one that there is now.
        PLAN_CHANGED = "PlanChanged" in "`Approved` is `False`", trouble;
        /// The plan can't be carried out at the moment; the message states the reason.
        NOT_POSSIBLE_NOW = "NotPossibleNow" in "`Approved` is `False`", trouble;
        /// The plan was approved.
        PLAN_APPROVED = "PlanApproved" in "`Approved` is `True`";
        /// A person has denied the request.
        DENIED = "Denied" in "`Approved` is `False`";
    }
}

/// Reasons of Events that are no reason or type of a condition.
pub mod events {

    words! {
        /// The pause is being taken, and was acknowledged.
        PAUSE_DATABASE = "PauseDatabase" in "Normal";
        /// The pause is being given back, and has ended.
        RESUME_DATABASE = "ResumeDatabase" in "Normal";
    }
}
