//! The calls of external-provisioner and external-resizer: volumes are made, removed and made larger.

use crate::grpc::{Code, Status};
use crate::pool::{Pool, Record};
use crate::wire::{
    CapacityRange, CreateVolume, Created, DeleteVolume, ExpandVolume, Expanded, Nothing, Topology,
    TopologyRequirement, Volume, VolumeCapability,
};
use crate::{NODE_KEY, filesystem};

/// Sizes are whole mebibytes.
const UNIT: i64 = 1 << 20;
/// Parameter of a StorageClass: its volumes do not grow while a Pod uses them.
pub const OFFLINE: &str = "offline";
/// Parameter of a StorageClass: its volumes do not grow above this many bytes.
pub const REFUSE_ABOVE: &str = "refuseAbove";
/// Parameter of a StorageClass: [`REFUSE_ABOVE`] counts for this claim only.
pub const REFUSE_FOR: &str = "refuseFor";
/// What external-provisioner adds to the parameters with `--extra-create-metadata`.
const CLAIM: &str = "csi.storage.k8s.io/pvc/name";

/// Makes a volume on the node that the scheduler chose.
///
/// # Errors
/// When the request can't be carried out.
pub fn create(pool: &Pool, request: CreateVolume) -> Result<Created, Status> {
    check_use(&request.volume_capabilities)?;
    let node = node(request.accessibility_requirements.as_ref())?;
    let record = Record {
        bytes: size(request.capacity_range.as_ref())?,
        node: node.to_owned(),
        parameters: request.parameters.into_iter().collect(),
    };
    pool.create(&request.name, &record)?;
    Ok(Created {
        volume: Some(Volume {
            capacity_bytes: record.bytes,
            volume_id: request.name,
            accessible_topology: vec![topology(&record.node)],
        }),
    })
}

/// Removes a volume.
///
/// # Errors
/// When its files can't be removed.
pub fn delete(pool: &Pool, request: &DeleteVolume) -> Result<Nothing, Status> {
    pool.delete(&request.volume_id)?;
    Ok(Nothing {})
}

/// Makes a volume larger, unless its class forbids that.
///
/// # Errors
/// The reason that the class gives.
pub fn expand(pool: &Pool, request: &ExpandVolume) -> Result<Expanded, Status> {
    let id = &request.volume_id;
    let bytes = size(request.capacity_range.as_ref())?;
    let record = pool.record(id)?;
    if bytes > record.bytes {
        may_grow(&record, bytes, pool.is_in_use(id)?)?;
    }
    let record = pool.grow(id, bytes)?;
    Ok(Expanded {
        capacity_bytes: record.bytes,
        node_expansion_required: true,
    })
}

/// Labels of a node, as this driver knows it.
pub fn topology(node: &str) -> Topology {
    Topology {
        segments: [(NODE_KEY.to_owned(), node.to_owned())].into(),
    }
}

fn may_grow(record: &Record, bytes: i64, is_in_use: bool) -> Result<(), Status> {
    let parameter = |key: &str| record.parameters.get(key).map(String::as_str);
    if parameter(OFFLINE) == Some("true") && is_in_use {
        return Err(Status::new(
            Code::FailedPrecondition,
            "the volume is in use, and grows only while no Pod uses it",
        ));
    }
    let concerns_it = parameter(REFUSE_FOR).is_none_or(|claim| parameter(CLAIM) == Some(claim));
    let most = parameter(REFUSE_ABOVE).and_then(|most| most.parse::<i64>().ok());
    match most.filter(|most| concerns_it && bytes > *most) {
        Some(most) => Err(Status::new(
            Code::OutOfRange,
            format!("the disk has room for {most} bytes, and {bytes} are asked for"),
        )),
        None => Ok(()),
    }
}

/// A volume may be larger than requested, never smaller.
fn size(range: Option<&CapacityRange>) -> Result<i64, Status> {
    let range = range.cloned().unwrap_or_default();
    let asked = range.required_bytes.max(filesystem::LEAST_BYTES);
    let units = asked / UNIT + i64::from(asked % UNIT != 0);
    let bytes = units.saturating_mul(UNIT);
    if range.limit_bytes > 0 && bytes > range.limit_bytes {
        return Err(Status::new(
            Code::OutOfRange,
            format!(
                "the volume would have {bytes} bytes, more than the limit of {}",
                range.limit_bytes
            ),
        ));
    }
    Ok(bytes)
}

fn node(requirement: Option<&TopologyRequirement>) -> Result<&str, Status> {
    let places = requirement
        .into_iter()
        .flat_map(|it| it.preferred.iter().chain(&it.requisite));
    let mut nodes = places.filter_map(|place| place.segments.get(NODE_KEY));
    let node = nodes.next().map(String::as_str);
    node.ok_or_else(|| {
        let message = format!(
            "no node is named; give the StorageClass volumeBindingMode WaitForFirstConsumer ({NODE_KEY})"
        );
        Status::new(Code::InvalidArgument, message)
    })
}

/// Whether this driver's volumes can be used so.
///
/// # Errors
/// [`Code::InvalidArgument`] for a raw device, and for another file system.
pub fn check_use(capabilities: &[VolumeCapability]) -> Result<(), Status> {
    let refuse = |message: String| Err(Status::new(Code::InvalidArgument, message));
    capabilities
        .iter()
        .try_for_each(|capability| match &capability.mount {
            None => refuse("a volume of this driver is a file system, not a device".into()),
            Some(mount) if !["", filesystem::TYPE].contains(&mount.fs_type.as_str()) => refuse(format!(
                "file system {:?} is not {}",
                mount.fs_type,
                filesystem::TYPE
            )),
            Some(_) => Ok(()),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Mount;

    const GIB: i64 = 1 << 30;

    fn request(bytes: i64, fs_type: &str) -> CreateVolume {
        let mount = Mount {
            fs_type: fs_type.into(),
        };
        CreateVolume {
            name: "pvc-1".into(),
            capacity_range: range(bytes),
            volume_capabilities: vec![VolumeCapability { mount: Some(mount) }],
            parameters: [(CLAIM.to_owned(), "data-pg-1".to_owned())].into(),
            accessibility_requirements: Some(TopologyRequirement {
                requisite: vec![topology("node1"), topology("node2")],
                preferred: vec![topology("node2"), topology("node1")],
            }),
        }
    }

    fn range(bytes: i64) -> Option<CapacityRange> {
        Some(CapacityRange {
            required_bytes: bytes,
            limit_bytes: 0,
        })
    }

    fn expansion(bytes: i64) -> ExpandVolume {
        ExpandVolume {
            volume_id: "pvc-1".into(),
            capacity_range: range(bytes),
        }
    }

    fn pool_with(parameters: &[(&str, &str)]) -> (tempfile::TempDir, Pool) {
        let folder = tempfile::tempdir().expect("a folder");
        let pool = Pool::new(folder.path());
        let mut request = request(GIB, "");
        let parameters = parameters
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        request.parameters.extend(parameters);
        create(&pool, request).expect("a volume");
        (folder, pool)
    }

    #[test]
    fn a_volume_is_on_the_node_that_the_scheduler_prefers() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = create(&Pool::new(folder.path()), request(GIB + 1, "")).expect("a volume");
        let volume = made.volume.expect("a volume");
        assert_eq!(volume.accessible_topology, [topology("node2")]);
        assert_eq!(volume.capacity_bytes, GIB + UNIT, "whole MiB");
    }

    #[test]
    fn a_size_is_whole_mebibytes_that_a_file_system_fits_in() {
        let size_of = |required_bytes, limit_bytes| {
            let range = CapacityRange {
                required_bytes,
                limit_bytes,
            };
            size(Some(&range)).map_err(|status| status.code)
        };
        assert_eq!(size(None), Ok(filesystem::LEAST_BYTES));
        assert_eq!(size_of(50 << 20, 0), Ok(filesystem::LEAST_BYTES));
        assert_eq!(size_of(GIB + 1, 0), Ok(GIB + UNIT));
        assert_eq!(size_of(GIB, GIB), Ok(GIB));
        assert_eq!(size_of(GIB + 1, GIB + 1), Err(Code::OutOfRange));
    }

    #[test]
    fn what_can_not_be_made_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let pool = Pool::new(folder.path());
        let nowhere = CreateVolume {
            accessibility_requirements: None,
            ..request(GIB, "")
        };
        let device = CreateVolume {
            volume_capabilities: vec![VolumeCapability { mount: None }],
            ..request(GIB, "")
        };
        for (refused, code) in [
            (request(GIB, "zfs"), Code::InvalidArgument),
            (nowhere, Code::InvalidArgument),
            (device, Code::InvalidArgument),
        ] {
            assert_eq!(create(&pool, refused).expect_err("a refusal").code, code);
        }
    }

    #[test]
    fn a_volume_grows_to_what_is_asked_for() {
        let (_folder, pool) = pool_with(&[]);
        for (asked, has) in [(2 * GIB, 2 * GIB), (GIB, 2 * GIB)] {
            let expanded = expand(&pool, &expansion(asked)).expect("expanded");
            assert_eq!(expanded.capacity_bytes, has);
            assert!(expanded.node_expansion_required);
        }
    }

    #[test]
    fn a_class_can_refuse_one_claim_above_a_size() {
        let limit = (REFUSE_ABOVE, "1610612736");
        for (parameters, asked, refused) in [
            (vec![limit], 2 * GIB, true),
            (vec![limit], GIB + GIB / 2, false),
            (vec![limit, (REFUSE_FOR, "data-pg-1")], 2 * GIB, true),
            (vec![limit, (REFUSE_FOR, "data-pg-0")], 2 * GIB, false),
            (vec![(REFUSE_ABOVE, "1"), (REFUSE_FOR, "data-pg-1")], GIB, false),
        ] {
            let (_folder, pool) = pool_with(&parameters);
            let outcome = expand(&pool, &expansion(asked));
            assert_eq!(
                outcome.err().map(|status| status.code),
                refused.then_some(Code::OutOfRange),
                "{parameters:?} {asked}"
            );
        }
    }

    #[test]
    fn a_class_can_refuse_volumes_in_use() {
        let (_folder, pool) = pool_with(&[(OFFLINE, "true")]);
        pool.set_in_use("pvc-1", true).expect("a note");
        let refused = expand(&pool, &expansion(2 * GIB)).expect_err("a refusal");
        assert_eq!(refused.code, Code::FailedPrecondition);
        pool.set_in_use("pvc-1", false).expect("a note");
        expand(&pool, &expansion(2 * GIB)).expect("expanded");
    }
}
