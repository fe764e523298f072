//! Conditions, reasons and Events of a PetSet, by its controller.

/// Types of conditions.
pub mod conditions {

    words! {
        /// `True` while a Pod or a claim can't be made, changed or deleted, or does not come up; absent otherwise.
        REPLICA_FAILURE = "ReplicaFailure" in "", bad_when_true;
        /// `True` while a claim of a Pod is being deleted, or is gone: its volume goes when the Pod ends. Absent otherwise.
        CLAIM_TERMINATING = "ClaimTerminating" in "", trouble, bad_when_true;
        /// `True` while an operation keeps a Pod away, because the volume of its claim grows only while no Pod uses it. The message
        /// names the request, and until when. Absent otherwise. For information.
        POD_WITHHELD = "PodWithheld" in "";
    }
}

/// Reasons of conditions.
pub mod reasons {

    words! {
        /// The spec can't be acted on; the message names the field.
        INVALID_SPEC = "InvalidSpec" in "`ReplicaFailure` is `True`", trouble;
        /// `podPlacementPolicy` names a PlacementPolicy that does not exist.
        PLACEMENT_POLICY_NOT_FOUND = "PlacementPolicyNotFound" in "`ReplicaFailure` is `True`", trouble;
        /// The PlacementPolicy can't be applied to this Pod.
        PLACEMENT_POLICY_INVALID = "PlacementPolicyInvalid" in "`ReplicaFailure` is `True`", trouble;
        /// A Pod or a claim that is not the PetSet's has the name of a member's.
        NAME_TAKEN = "NameTaken" in "`ReplicaFailure` is `True`", trouble;
        /// The API server refused a Pod or a claim. Also the reason of the Warning Event of every problem above.
        FAILED_CREATE = "FailedCreate" in "`ReplicaFailure` is `True`", trouble;
        /// The API server refused to delete a Pod.
        FAILED_DELETE = "FailedDelete" in "`ReplicaFailure` is `True`", trouble;
        /// The API server refused a change of a Pod, a claim or a revision.
        FAILED_UPDATE = "FailedUpdate" in "`ReplicaFailure` is `True`", trouble;
        /// No node takes the Pod; the message has the scheduler's sentence.
        POD_NOT_SCHEDULED = "PodNotScheduled" in "`ReplicaFailure` is `True`", trouble;
        /// A container does not start or does not stay up; the message has kubelet's sentence, or how the container ended last.
        POD_NOT_STARTED = "PodNotStarted" in "`ReplicaFailure` is `True`", trouble;
        /// The node ended the Pod or did not take it, for example for want of memory. The Pod is made again.
        POD_FAILED = "PodFailed" in "`ReplicaFailure` is `True`", trouble;
        /// A Pod that is being deleted does not end: its node has not confirmed it, or a finalizer holds it.
        POD_NOT_GONE = "PodNotGone" in "`ReplicaFailure` is `True`", trouble;
        /// A claim gets no volume; the message has the sentence of its provisioner.
        CLAIM_NOT_BOUND = "ClaimNotBound" in "`ReplicaFailure` is `True`", trouble;
        /// The volume of a claim does not exist any more.
        CLAIM_LOST = "ClaimLost" in "`ReplicaFailure` is `True`", trouble;
        /// A Pod is kept that would go: one of its claims is being deleted, and the volume would go with the Pod.
        POD_KEPT = "PodKept" in "`ReplicaFailure` is `True`", trouble;
    }
}

/// Reasons of Events that are no reason or type of a condition.
pub mod events {

    words! {
        /// A Pod or a claim was made.
        SUCCESSFUL_CREATE = "SuccessfulCreate" in "Normal";
        /// A Pod was deleted, or a claim that never had a volume.
        SUCCESSFUL_DELETE = "SuccessfulDelete" in "Normal";
    }
}
