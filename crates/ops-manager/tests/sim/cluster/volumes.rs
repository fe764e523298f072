//! The members' volumes: what a storage driver and kubelet do to them.

use api_types::ops_request::STORAGE;
use api_types::quantity::amount;
use blueprint::storage_of;
use ops_manager::volumes::effect::VolumeEffect;
use ops_manager::volumes::world::{Claim, MemberVolume, Resize, VolumesWorld};

use super::*;

/// Name of the StorageClass.
const CLASS: &str = "fast";

/// The members' volumes, and what their driver does.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    /// By Pod.
    volumes: BTreeMap<String, Volume>,
    /// The driver gives the volume of this Pod no more bytes than these.
    pub full_disk: Option<(&'static str, i64)>,
    /// The StorageClass lets no volume grow.
    pub is_fixed: bool,
}

/// A claim and its volume.
#[derive(Clone, Debug, Default)]
struct Volume {
    requested: i64,
    capacity: i64,
    resize: Resize,
    looked_for: Option<String>,
}

impl Volume {
    fn claim(&self, pod: &str) -> Claim {
        Claim {
            name: format!("data-{pod}"),
            is_terminating: false,
            class: Some(CLASS.into()),
            requested: Some(self.requested),
            capacity: Some(self.capacity),
            resize: self.resize.clone(),
        }
    }

    /// What the file system leaves of it.
    fn bytes(&self) -> i64 {
        self.capacity - self.capacity / 16
    }
}

impl Cluster {
    pub(super) fn claims(&self) -> Vec<Claim> {
        let claim = |pod: &String| {
            let claim = self.storage.volumes[pod].claim(pod);
            Claim {
                is_terminating: self.terminating.contains(claim.name.as_str()),
                ..claim
            }
        };
        self.pods.keys().map(claim).collect()
    }

    /// Bytes of each member's volume.
    pub fn capacities(&self) -> Vec<i64> {
        self.pods
            .keys()
            .map(|pod| self.storage.volumes[pod].capacity)
            .collect()
    }

    /// A volume outlives its Pod.
    pub(super) fn make_volume(&mut self, pod: &str) {
        let size = storage_of(&self.pet_set)
            .and_then(|claim| amount(claim.resources.as_ref()?.requests.as_ref()?.get(STORAGE)?));
        let bytes = size.unwrap_or_default();
        self.storage.volumes.entry(pod.to_owned()).or_insert(Volume {
            requested: bytes,
            capacity: bytes,
            ..Volume::default()
        });
    }

    pub(super) fn volumes_world(&self) -> VolumesWorld {
        let member = |(name, pod): (&String, &Pod)| {
            let volume = &self.storage.volumes[name];
            let seen = MemberVolume {
                uid: pod.uid.clone(),
                bytes: Some(volume.bytes()),
                looked_for: volume.looked_for.clone(),
            };
            (name.clone(), seen)
        };
        VolumesWorld {
            classes: [(CLASS.to_owned(), Observed::Present(!self.storage.is_fixed))].into(),
            quotas: Observed::Present(Vec::new()),
            members: self.pods.iter().map(member).collect(),
        }
    }

    pub(super) fn perform_on_volume(&mut self, effect: &VolumeEffect) {
        match effect {
            VolumeEffect::Resize { claim, size } => {
                let volume = self
                    .storage
                    .volumes
                    .get_mut(&claim["data-".len()..])
                    .expect("a volume");
                let bytes = amount(&Quantity(size.clone())).expect("a size");
                assert!(bytes > volume.capacity, "the API server refuses {claim} {size}");
                volume.requested = bytes;
            }
            VolumeEffect::WakeKubelet { pod, size, .. } => {
                let volume = self.storage.volumes.get_mut(pod).expect("a volume");
                volume.looked_for = Some(size.clone());
            }
        }
    }

    /// The driver enlarges what is asked for; kubelet, once it looks, enlarges the file system.
    pub(super) fn storage_ticks(&mut self) {
        let full_disk = self.storage.full_disk;
        for (pod, volume) in &mut self.storage.volumes {
            if volume.requested <= volume.capacity {
                continue;
            }
            let limit = full_disk.filter(|(full, _)| full == pod).map(|(_, most)| most);
            if limit.is_some_and(|most| volume.requested > most) {
                volume.resize = Resize {
                    attempted: Some(volume.requested),
                    is_refused: true,
                    waits_for_node: false,
                    message: Some("the disk is full".into()),
                };
            } else if volume.resize.waits_for_node && volume.looked_for.is_some() {
                volume.capacity = volume.requested;
                volume.resize = Resize::default();
            } else {
                volume.resize = Resize {
                    attempted: Some(volume.requested),
                    waits_for_node: true,
                    ..Resize::default()
                };
            }
        }
    }
}
