//! What the PetSet controller says about a PetSet.

/// Types of conditions.
pub mod conditions {

    words! {
        /// `True` while a Pod or a claim can't be made, changed or deleted; absent otherwise.
        REPLICA_FAILURE = "ReplicaFailure" in "";
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
        /// A Pod that is not the PetSet's has the name of a member.
        NAME_TAKEN = "NameTaken" in "`ReplicaFailure` is `True`", trouble;
        /// The API server refused a Pod or a claim. Also the reason of the Warning Event of every problem above.
        FAILED_CREATE = "FailedCreate" in "`ReplicaFailure` is `True`", trouble;
        /// The API server refused to delete a Pod.
        FAILED_DELETE = "FailedDelete" in "`ReplicaFailure` is `True`", trouble;
        /// The API server refused a change of a Pod, a claim or a revision.
        FAILED_UPDATE = "FailedUpdate" in "`ReplicaFailure` is `True`", trouble;
    }
}

/// Reasons of Events that are no reason or type of a condition.
pub mod events {

    words! {
        /// A Pod or a claim was made.
        SUCCESSFUL_CREATE = "SuccessfulCreate" in "Normal";
        /// A Pod was deleted.
        SUCCESSFUL_DELETE = "SuccessfulDelete" in "Normal";
    }
}
