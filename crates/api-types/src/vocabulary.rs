//! Every label, annotation, finalizer, field manager, port, path and key that appears on the wire.
//!
//! Facts of KubeDB's API, unless a comment names another source; a word that is written twice in the workspace belongs
//! here.

/// Key of the Pod label with a member's role.
pub const ROLE_LABEL: &str = "kubedb.com/role";
/// Value of [`ROLE_LABEL`] on the member that takes writes.
pub const ROLE_PRIMARY: &str = "primary";
/// Value of [`ROLE_LABEL`] on members that replicate.
pub const ROLE_STANDBY: &str = "standby";

/// `app.kubernetes.io/name`.
pub const NAME_LABEL: &str = "app.kubernetes.io/name";
/// `app.kubernetes.io/instance`.
pub const INSTANCE_LABEL: &str = "app.kubernetes.io/instance";
/// `app.kubernetes.io/managed-by`.
pub const MANAGED_BY_LABEL: &str = "app.kubernetes.io/managed-by";
/// `app.kubernetes.io/component`.
pub const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
/// Value of [`NAME_LABEL`] on children of a Postgres.
pub const NAME_VALUE: &str = "postgreses.kubedb.com";
/// Value of [`MANAGED_BY_LABEL`] on children of a Postgres.
pub const MANAGED_BY_VALUE: &str = "kubedb.com";
/// Value of [`COMPONENT_LABEL`] on children of a Postgres.
pub const COMPONENT_VALUE: &str = "database";

/// Annotation on a Postgres: who holds the pause, `<request name>/<request uid>`; a human writes any name.
pub const PAUSED_BY: &str = "ops.kubedb.com/paused-by";
/// Annotation of the Pod template: changes when all Pods have to be recreated; value is a request's UID.
pub const RESTART_TOKEN: &str = "ops.kubedb.com/restart-token";
/// Annotation on a Pod: touched so that kubelet projects changed Secrets at once, should the Pod's agent not have
/// brought them; value is a Secret revision.
pub const FILES_TOKEN: &str = "ops.kubedb.com/files-token";
/// Annotation on a Pod, by its agent: bytes of the file system that the data is on, as the member itself sees it.
pub const DATA_VOLUME_BYTES: &str = "sealwright.dev/data-volume-bytes";
/// Annotation on a Pod, followed by its name: touched so that kubelet checks at once whether the Pod's volume grew.
/// KubeDB's.
pub const VOLUME_EXPANSION_OF: &str = "volumeexpansion.ops.kubedb.com/";
/// Annotation on a member's volume claim while an operation keeps the member's Pod away, as JSON (`api_types::no_pod::NoPod`): the
/// PetSet makes no Pod of the claim until the time in it.
pub const NO_POD: &str = "sealwright.dev/no-pod";
/// Request annotation: `required` keeps the request from running until its plan is approved, `denied` ends it.
pub const APPROVAL: &str = "ops.sealwright.dev/approval";
/// Pod label: the member may serve clients that only read. An operation takes it from a member that leaves, so that new
/// sessions go elsewhere while it still runs.
pub const SERVES_READS_LABEL: &str = "sealwright.dev/serves-reads";
/// Value of [`SERVES_READS_LABEL`] from the start of a member.
pub const SERVES_READS: &str = "true";
/// Request annotation: `status.plan.hash` of the approved plan.
pub const APPROVED_PLAN: &str = "ops.sealwright.dev/approved-plan";
/// Annotation on the client certificate's Secret: SHA-256 of the `ca.crt` that an operator wrote there, hexadecimal.
pub const PUBLISHED_CA: &str = "ops.sealwright.dev/published-ca";
/// Key of the same Secret: the CA that cert-manager wrote to `ca.crt`, while an operator's bundle is there.
pub const ISSUED_CA_CRT: &str = "issued-ca.crt";
/// Annotation on Patroni's ConfigMap `<db>-config`: names of the PostgreSQL parameters in it that come of the spec,
/// comma-separated.
pub const DYNAMIC_PARAMETERS: &str = "ops.sealwright.dev/dynamic-parameters";
/// Annotation in which a Pod's Patroni reports the state of its member (Patroni, "Kubernetes").
pub const PATRONI_STATUS: &str = "status";
/// Annotation on a member's Pod while its PostgreSQL hangs, and for a minute after: why, since when, and what was done, as JSON
/// (`api_types::hang::Hang`). The first process of the Pod writes it.
pub const HANG: &str = "ops.sealwright.dev/hang";
/// Annotation on a Pod of a PetSet: name of the PlacementPolicy that it was placed by; empty when there was none.
pub const PLACEMENT_POLICY: &str = "apps.k8s.appscode.com/placement-policy";
/// Annotation on a member's volume claim: the PostgreSQL whose data is on the volume, as JSON
/// (`api_types::deployed::DeployedVersion`). It outlives the Postgres together with the data.
pub const DEPLOYED_VERSION: &str = "ops.sealwright.dev/deployed-version";
/// Annotation of the Secret `<db>-auth-in-force`: name of the auth Secret that its credentials came from.
pub const AUTH_FROM: &str = "ops.sealwright.dev/auth-from";
/// Annotation of the same Secret: counts its credentials, from 1.
pub const AUTH_REVISION: &str = "ops.sealwright.dev/auth-revision";
/// Annotation on every child: hash of the object as it was built.
pub const BLUEPRINT_HASH: &str = "kubedb.com/blueprint-hash";
/// Annotation of the auth Secret: since when its password is in force (RFC 3339).
pub const AUTH_ACTIVE_FROM: &str = "kubedb.com/auth-active-from";

/// Annotations of children that no object owns: deployment tools neither delete such an object nor report it as superfluous.
/// Argo CD tracks objects by a label whose default, `app.kubernetes.io/instance`, is also KubeDB's label for the database's
/// name. Sources: Argo CD, "Sync Options" and "Compare Options"; Flux, kustomize-controller, "Garbage collection"; Helm,
/// "Tell Helm not to uninstall a resource", which Argo CD and Flux's helm-controller respect too.
pub const PRUNE_GUARDS: [(&str, &str); 4] = [
    ("argocd.argoproj.io/compare-options", "IgnoreExtraneous"),
    ("argocd.argoproj.io/sync-options", "Prune=false,Delete=false"),
    ("helm.sh/resource-policy", "keep"),
    ("kustomize.toolkit.fluxcd.io/prune", "disabled"),
];

/// Finalizer of Postgres and of PostgresOpsRequest.
pub const FINALIZER: &str = "kubedb.com";

/// Server-side apply field manager of all children of a Postgres, shared by provisioner and ops-manager.
pub const CHILDREN_MANAGER: &str = "sealwright";
/// Field manager of `Postgres.status` and the Postgres' finalizer.
pub const PROVISIONER: &str = "sealwright-provisioner";
/// Field manager of `PostgresOpsRequest.status` and of the pause annotation.
pub const OPS_MANAGER: &str = "sealwright-ops-manager";
/// Field manager of Pods, PVCs and `PetSet.status`.
pub const PETSET_CONTROLLER: &str = "sealwright-petset";

/// TCP port of PostgreSQL.
pub const POSTGRES_PORT: i32 = 5432;
/// Container port name of PostgreSQL.
pub const POSTGRES_PORT_NAME: &str = "db";
/// TCP port of Patroni's REST API.
pub const PATRONI_PORT: i32 = 8008;
/// Container port name of Patroni's REST API.
pub const PATRONI_PORT_NAME: &str = "patroni";
/// TCP port of the metrics exporter.
pub const EXPORTER_PORT: i32 = 56790;

/// Name of the container that runs PostgreSQL.
pub const POSTGRES_CONTAINER: &str = "postgres";
/// Name of the exporter's container.
pub const EXPORTER_CONTAINER: &str = "exporter";
/// Name of the container that brings the config Secret's keys as files to the other containers.
pub const AGENT_CONTAINER: &str = "config-agent";
/// Volume claim template and volume of the data folder.
pub const DATA_VOLUME: &str = "data";
/// Mount of the data volume.
pub const DATA_MOUNT: &str = "/var/pv";
/// PostgreSQL's data folder.
pub const PGDATA: &str = "/var/pv/data";
/// Mount of the folder with the configuration from the config Secret.
pub const CONFIG_MOUNT: &str = "/etc/config";
/// Root of the folders with certificates from the config Secret, one per certificate: `server`, `client`, `exporter`.
pub const TLS_MOUNT: &str = "/tls/certs";

/// Key of the config Secret: Patroni's local configuration.
pub const PATRONI_YML: &str = "patroni.yml";
/// Key of the config Secret and of a user's own: PostgreSQL parameters of the user.
pub const USER_CONF: &str = "user.conf";
/// Key of the config Secret: parameters given inline in the spec.
pub const INLINE_CONF: &str = "inline.conf";
/// Key of the config Secret: psql script that makes the roles of ours.
pub const ROLES_SQL: &str = "roles.sql";
/// Key of the config Secret: runs [`ROLES_SQL`].
pub const ROLES_SH: &str = "roles.sh";
/// Key of the config Secret: what Patroni runs as `initdb`.
pub const INITDB: &str = "initdb";
/// Key of the config Secret: PEM bundle of the CAs that members trust.
pub const TRUST_CRT: &str = "trust.crt";

/// Group of cert-manager's API.
pub const CERT_MANAGER_GROUP: &str = "cert-manager.io";
