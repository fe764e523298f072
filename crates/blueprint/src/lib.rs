//! From a Postgres and what it refers to, to the Kubernetes objects that it consists of.
//!
//! Pure: no client, no clock, no randomness. The provisioner and the ops-manager both build children here, so a database
//! can be handed over between them without one object changing.
//!
//! [`resolve()`] determines every setting once (defaults, references, contradictions); the builders only translate a
//! [`Resolved`] into objects, one file per kind.

mod agent;
mod app_binding;
mod auth;
mod auth_in_force;
pub mod ca_bundle;
pub mod certificates;
mod client_ca;
pub mod config;
mod credentials;
pub mod hash;
pub mod labels;
pub mod material;
mod members_tls;
pub mod paths;
pub mod pg;
pub mod resolve;
pub mod resolved;
mod roles;
pub mod tls;

mod containers;
mod deployment_tools;
mod duration;
mod overlay;
mod pdb;
mod pet_set;
mod pod;
mod probes;
mod quantity;
mod rbac;
mod renewed;
mod services;
mod volumes;

use api_types::{AppBinding, PetSet};
use k8s_openapi::api::core::v1::{Secret, Service, ServiceAccount};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};

pub use auth::auth_secret;
pub use auth_in_force::AuthInForce;
pub use ca_bundle::{CaBundle, InvalidBundle};
pub use certificates::certificates;
pub use client_ca::{client_ca, client_ca_patch, shown_ca};
pub use config::{LAST_GOOD_OF, TLS_PHASE, last_good, recorded_phase};
pub use containers::{container_resources, database_image, exporter_resources, reserved_variable};
pub use credentials::{CredentialFault, Credentials, PASSWORD, USERNAME, credentials, usable_credentials};
pub use deployment_tools::prune_guards;
pub use hash::{hash_of, recorded_hash};
pub use material::{KeyPair, TlsMaterial, leaf_fingerprint, secret_text};
pub use members_tls::{MemberTls, MembersTls};
pub use paths as tls_names;
pub use pet_set::effective_settings;
pub use pg::dynamic::{DynamicChange, dynamic_change, goes_down_on_the_primary_first, slots_change};
pub use pg::hba::lines as pg_hba;
pub use pg::in_force::{
    ParameterChange, changes, dynamic_patch, in_force, is_same_value, mark, needs_restart,
};
pub use pg::memory::{MemoryNeed, memory_limit};
pub use pg::parameters::{MARK, is_shared_parameter};
pub use pg::patroni::replication_ssl_mode;
pub use pg::slots::UserSlots;
pub use rbac::operator_role_binding;
pub use renewed::{renewed_app_binding, renewed_config};
pub use resolve::{
    Inputs, Invalid, LiveFacts, RunningConfiguration, effective_defaults, resolve, storage_of,
    unsupported_fields,
};
pub use resolved::{Resolved, ResolvedCertificate, Storage};
pub use roles::{MemberRoles, RoleLogin, Roles};
pub use services::postgres_port;
pub use tls::{TlsInputs, TlsPhase};
pub use volumes::{RESERVED_NAMES, RESERVED_PATHS};

/// The objects that a database consists of, but for its auth Secret, its Certificates and the operators' RoleBindings.
#[derive(Clone, Debug, PartialEq)]
pub struct Children {
    /// The Pods' identity; none when the user names one of their own.
    pub service_account: Option<ServiceAccount>,
    /// What Patroni may do in the namespace.
    pub role: Option<Role>,
    /// Gives [`Self::role`] to the Pods' service account, be it the user's own.
    pub role_binding: Option<RoleBinding>,
    /// Configuration of Patroni and PostgreSQL.
    pub config_secret: Secret,
    /// Primary, standby (with standbys), governing and stats (with a monitor).
    pub services: Vec<Service>,
    /// How many members may be evicted at once; none for a single member.
    pub pod_disruption_budget: Option<PodDisruptionBudget>,
    /// The members.
    pub pet_set: PetSet,
    /// How applications connect.
    pub app_binding: AppBinding,
}

/// Builds every child. Each carries the hash of itself in the annotation `kubedb.com/blueprint-hash`.
pub fn build(resolved: &Resolved) -> Children {
    Children {
        service_account: resolved
            .makes_service_account
            .then(|| hash::seal(rbac::service_account(resolved))),
        role: Some(hash::seal(rbac::role(resolved))),
        role_binding: Some(hash::seal(rbac::role_binding(resolved))),
        config_secret: hash::seal(config::secret(resolved)),
        services: services::all(resolved).into_iter().map(hash::seal).collect(),
        pod_disruption_budget: pdb::pod_disruption_budget(resolved).map(hash::seal),
        pet_set: hash::seal(pet_set::pet_set(resolved)),
        app_binding: hash::seal(app_binding::app_binding(resolved)),
    }
}
