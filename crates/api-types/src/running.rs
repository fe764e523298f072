//! The effect of an edit of the spec of a running database: every field has one road. A test checks for fields without one, and
//! another that the provisioner takes each road; `docs/reference/running.md` is made from this table.

use crate::ops_request::OpsRequestType;
use crate::reported::postgres::reasons;

/// The types of requests that the ops-manager carries out.
pub const CARRIED_OUT: [OpsRequestType; 9] = [
    OpsRequestType::HorizontalScaling,
    OpsRequestType::Restart,
    OpsRequestType::Reconfigure,
    OpsRequestType::ReconfigureTLS,
    OpsRequestType::ReconnectStandby,
    OpsRequestType::RotateAuth,
    OpsRequestType::UpdateVersion,
    OpsRequestType::VerticalScaling,
    OpsRequestType::VolumeExpansion,
];

/// How to get an edit carried out that is held: by a request of this type, where there are such requests.
pub fn advice(request: OpsRequestType) -> String {
    let type_ = request.as_str();
    if CARRIED_OUT.contains(&request) {
        return format!("Create a PostgresOpsRequest of type {type_}, or write the old value back");
    }
    format!("Write the old value back: requests of type {type_} are not carried out yet")
}

/// The effect of an edit of a running database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    /// It is carried out while the members run; how.
    Applied(&'static str),
    /// Members keep their settings, and `SpecApplied` is `False`.
    Held {
        /// Its reason.
        reason: &'static str,
        /// The request that carries it out.
        request: OpsRequestType,
    },
    /// It is refused, or `SpecApplied` is `False` with what to write back; why.
    Refused(&'static str),
    /// Nothing acts on it, and the condition `UnsupportedFields` names it.
    NotInUse,
}

/// A field with everything below it that has no row of its own.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// As in `docs/reference/fields.md`, without `spec.`.
    pub field: &'static str,
    /// The effect of an edit.
    pub road: Road,
}

const fn applied(field: &'static str, how: &'static str) -> Row {
    Row {
        field,
        road: Road::Applied(how),
    }
}

const fn held(field: &'static str, reason: &'static str, request: OpsRequestType) -> Row {
    Row {
        field,
        road: Road::Held { reason, request },
    }
}

const fn refused(field: &'static str, why: &'static str) -> Row {
    Row {
        field,
        road: Road::Refused(why),
    }
}

const fn unused(field: &'static str) -> Row {
    Row {
        field,
        road: Road::NotInUse,
    }
}

const BY_RELOAD: &str =
    "members read it within seconds; `SpecApplied` names what waits for a `Restart`, and what was refused";
const BY_PATRONI: &str = "Patroni gets it within a minute and follows; nothing is restarted";
const CERTIFICATE: &str =
    "cert-manager issues again, and the members take the certificate as they take a renewal";
const ROTATION: &str = "it counts for when the next `RotateAuth` is requested";
const NEXT_CHECK: &str = "from the next check on";
const ON_DELETION: &str = "it counts when the Postgres is deleted";

/// Every field, sorted by its path.
pub const ROWS: [Row; 52] = [
    unused("allowedSchemas"),
    unused("arbiter"),
    unused("archiver"),
    held(
        "authSecret",
        reasons::ROTATE_AUTH_NEEDED,
        OpsRequestType::RotateAuth,
    ),
    applied("authSecret.activeFrom", ROTATION),
    unused("authSecret.apiGroup"),
    applied("authSecret.externallyManaged", ON_DELETION),
    unused("authSecret.kind"),
    applied("authSecret.rotateAfter", ROTATION),
    unused("authSecret.secretStoreName"),
    unused("autoOps"),
    held(
        "clientAuthMode",
        reasons::RECONFIGURE_TLS_NEEDED,
        OpsRequestType::ReconfigureTLS,
    ),
    applied("configSecret", BY_RELOAD),
    applied("configuration", BY_RELOAD),
    applied("configuration.tuning", BY_RELOAD),
    unused("coordinator"),
    applied("deletionPolicy", ON_DELETION),
    unused("distributed"),
    unused("enforceFsGroup"),
    applied("halted", "the members end, and what is to be kept is kept"),
    applied("healthChecker", NEXT_CHECK),
    unused("init"),
    unused("leaderElection"),
    applied("leaderElection.maximumLagBeforeFailover", BY_PATRONI),
    unused("license"),
    unused("mode"),
    held("monitor", reasons::RESTART_NEEDED, OpsRequestType::Restart),
    applied("monitor.agent", "the Service for metrics is changed"),
    unused("monitor.prometheus.serviceMonitor"),
    held("podTemplate", reasons::RESTART_NEEDED, OpsRequestType::Restart),
    applied("podTemplate.controller", "the PetSet gets it"),
    unused("podTemplate.spec.ephemeralContainers"),
    unused("podTemplate.spec.restartPolicy"),
    unused("readReplicas"),
    unused("remoteReplica"),
    applied(
        "replicas",
        "members are added; fewer are held until the request that ops-manager makes has removed them",
    ),
    applied("replication", BY_PATRONI),
    unused("replication.forceFailoverAcceptingDataLossAfter"),
    applied("serviceTemplates", "the Services are changed"),
    held(
        "sslMode",
        reasons::RECONFIGURE_TLS_NEEDED,
        OpsRequestType::ReconfigureTLS,
    ),
    unused("standbyMode"),
    held(
        "storage",
        reasons::VOLUME_EXPANSION_NEEDED,
        OpsRequestType::VolumeExpansion,
    ),
    refused("storageType", "data does not move from volumes into Pods or back"),
    applied("streamingMode", BY_PATRONI),
    applied("synchronousReplicationConfig", BY_PATRONI),
    unused("synchronousReplicationConfig.standbyNames"),
    applied("terminationPolicy", ON_DELETION),
    held(
        "tls",
        reasons::RECONFIGURE_TLS_NEEDED,
        OpsRequestType::ReconfigureTLS,
    ),
    applied("tls.certificates", CERTIFICATE),
    held(
        "tls.certificates[].issuerRef",
        reasons::RECONFIGURE_TLS_NEEDED,
        OpsRequestType::ReconfigureTLS,
    ),
    held(
        "tls.certificates[].secretName",
        reasons::RECONFIGURE_TLS_NEEDED,
        OpsRequestType::ReconfigureTLS,
    ),
    held(
        "version",
        reasons::UPDATE_VERSION_NEEDED,
        OpsRequestType::UpdateVersion,
    ),
];

/// The row of a field, `storage.resources` for example: its own or the nearest above it.
pub fn row_of(field: &str) -> Option<&'static Row> {
    let is_above = |row: &&Row| {
        let rest = field.strip_prefix(row.field);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[', '{']))
    };
    ROWS.iter().filter(is_above).max_by_key(|row| row.field.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_of_the_spec_has_a_road_and_every_row_a_field() {
        let kinds = crate::crds::kinds();
        let postgres = kinds.iter().find(|kind| kind.name == "Postgres").expect("a kind");
        let fields: Vec<&str> = postgres
            .fields
            .iter()
            .filter_map(|field| field.path.strip_prefix("spec."))
            .collect();
        assert!(fields.len() > 200, "fields were not found");
        let homeless: Vec<_> = fields.iter().filter(|field| row_of(field).is_none()).collect();
        assert!(homeless.is_empty(), "without a road: {homeless:?}");
        for row in ROWS {
            assert!(fields.contains(&row.field), "there is no field {}", row.field);
        }
    }

    #[test]
    fn rows_are_sorted_and_the_nearest_counts() {
        assert!(ROWS.is_sorted_by_key(|row| row.field));
        let nearest = |field| row_of(field).map(|row| row.field);
        assert_eq!(
            nearest("tls.certificates[].issuerRef.name"),
            Some("tls.certificates[].issuerRef")
        );
        assert_eq!(nearest("tls.certificates[].dnsNames"), Some("tls.certificates"));
        assert_eq!(nearest("storage"), Some("storage"));
        assert_eq!(nearest("storages"), None);
    }

    #[test]
    fn advice_names_a_request_that_there_is() {
        assert!(advice(OpsRequestType::Restart).starts_with("Create"));
        assert!(advice(OpsRequestType::StorageMigration).starts_with("Write the old value back"));
    }
}
