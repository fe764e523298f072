//! The members' volumes: what a storage driver and kubelet do to them.

use api_types::no_pod::NoPod;
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
    /// The driver enlarges no volume that a Pod uses.
    pub is_offline: bool,
    /// The driver does nothing.
    pub is_idle: bool,
}

/// A claim and its volume.
#[derive(Clone, Debug, Default)]
struct Volume {
    requested: i64,
    capacity: i64,
    resize: Resize,
    looked_for: Option<String>,
    no_pod: Option<NoPod>,
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
            no_pod_until: self.no_pod.as_ref().map(|note| note.until.0),
        }
    }

    /// kubelet does its part.
    fn grow_file_system(&mut self) {
        if self.resize.waits_for_node {
            self.capacity = self.resize.attempted.unwrap_or(self.requested);
            self.resize = Resize::default();
        }
    }

    /// What the file system leaves of it.
    fn bytes(&self) -> i64 {
        self.capacity - self.capacity / 16
    }
}

impl Cluster {
    pub(super) fn claims(&self) -> Vec<Claim> {
        let claim = |(pod, volume): (&String, &Volume)| {
            let claim = volume.claim(pod);
            Claim {
                is_terminating: self.terminating.contains(claim.name.as_str()),
                ..claim
            }
        };
        self.storage.volumes.iter().map(claim).collect()
    }

    /// Whether petset makes no Pod of this name.
    pub(super) fn is_withheld(&self, pod: &str) -> bool {
        let volume = self.storage.volumes.get(pod);
        volume.is_some_and(|volume| volume.claim(pod).is_withheld(self.now))
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
        // kubelet enlarges the file system of a volume that it mounts.
        let volume = self.storage.volumes.get_mut(pod).expect("a volume");
        volume.grow_file_system();
    }

    /// The driver has enlarged the volume of a Pod to so many bytes for an earlier request, and kubelet nothing.
    pub fn half_expand(&mut self, pod: &str, bytes: i64) {
        let volume = self.storage.volumes.get_mut(pod).expect("a volume");
        volume.requested = bytes;
        volume.resize = Resize {
            attempted: Some(bytes),
            waits_for_node: true,
            ..Resize::default()
        };
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
            members: Observed::Present(self.pods.iter().map(member).collect()),
        }
    }

    pub(super) fn perform_on_volume(&mut self, effect: &VolumeEffect) {
        match effect {
            VolumeEffect::Resize { claim, size } => {
                let volume = self.volume_of(claim);
                let bytes = amount(&Quantity(size.clone())).expect("a size");
                assert!(bytes > volume.capacity, "the API server refuses {claim} {size}");
                volume.requested = bytes;
            }
            VolumeEffect::KeepPodAway { claim, note } => {
                self.volume_of(claim).no_pod = Some(note.clone());
            }
            VolumeEffect::LetPodBack { claim } => self.volume_of(claim).no_pod = None,
            VolumeEffect::WakeKubelet { pod, size, .. } => {
                let volume = self.storage.volumes.get_mut(pod).expect("a volume");
                volume.looked_for = Some(size.clone());
            }
        }
    }

    fn volume_of(&mut self, claim: &str) -> &mut Volume {
        let volume = self.storage.volumes.get_mut(&claim["data-".len()..]);
        volume.expect("a volume")
    }

    /// The driver enlarges what is asked for, unless kubelet is at an earlier size; kubelet, once it looks, enlarges the file system.
    pub(super) fn storage_ticks(&mut self) {
        let full_disk = self.storage.full_disk;
        for (pod, volume) in &mut self.storage.volumes {
            let waits = self.storage.is_offline && self.pods.contains_key(pod);
            if volume.requested <= volume.capacity || waits || self.storage.is_idle {
                continue;
            }
            if volume.resize.waits_for_node {
                if volume.looked_for.is_some() {
                    volume.grow_file_system();
                }
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
