//! A small world around the real decisions: an API server that keeps preconditions, a kubelet and a garbage collector.

use std::collections::{BTreeMap, BTreeSet};

use api_types::PetSet;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use petset::decide::{Plan, decide};
use petset::moves::{Move, OwnedKind, Seen};
use petset::resolve::{Desired, resolve};
use petset::status;
use petset::world::{Placement, World, is_terminating, ready_since, revision_of};
use serde_json::json;

pub const SET_UID: &str = "uid-of-the-set";

/// Everything that exists, and what happened.
pub struct Cluster {
    pub pet_set: PetSet,
    pub pods: BTreeMap<String, Pod>,
    pub claims: BTreeMap<String, PersistentVolumeClaim>,
    pub revisions: BTreeMap<String, ControllerRevision>,
    pub placement: Placement,
    pub log: Vec<String>,
    /// Pods whose containers never become ready.
    pub broken: BTreeSet<String>,
    now: Timestamp,
    counter: u64,
}

impl Cluster {
    /// A PetSet `db` with a claim per Pod, and these fields of its spec besides.
    pub fn new(more: serde_json::Value) -> Self {
        let mut spec = json!({
            "replicas": 3, "serviceName": "db-pods",
            "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}},
                         "spec": {"containers": [{"name": "main", "image": "one"}]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}],
        });
        for (key, value) in more.as_object().expect("a map of spec fields") {
            spec[key] = value.clone();
        }
        let pet_set = serde_json::from_value(json!({
            "apiVersion": "apps.k8s.appscode.com/v1", "kind": "PetSet",
            "metadata": {"name": "db", "namespace": "shop", "uid": SET_UID, "generation": 1},
            "spec": spec,
        }));
        Self {
            pet_set: pet_set.expect("a PetSet"),
            pods: BTreeMap::new(),
            claims: BTreeMap::new(),
            revisions: BTreeMap::new(),
            placement: Placement::None,
            log: Vec::new(),
            broken: BTreeSet::new(),
            now: "2026-01-01T00:00:00Z".parse().expect("a time"),
            counter: 0,
        }
    }

    /// What the controller sees.
    pub fn world(&self) -> World {
        World {
            status: self.pet_set.status.clone().unwrap_or_default(),
            pods: self.pods.values().cloned().collect(),
            claims: self.claims.clone(),
            revisions: self.revisions.values().cloned().collect(),
            placement: self.placement.clone(),
            events: BTreeMap::new(),
        }
    }

    pub fn desired(&self) -> Desired {
        resolve(&self.pet_set).expect("a good PetSet")
    }

    /// One pass of the controller, as far as `moves` of its writes; then its status.
    pub fn pass(&mut self, moves: usize) -> Plan {
        let (desired, world) = (self.desired(), self.world());
        let plan = decide(&desired, &world, self.now);
        for each in plan.moves.iter().take(moves) {
            self.perform(each);
        }
        let status = status::status(&desired, &self.world(), &plan.revisions, &plan.problems, self.now);
        self.pet_set.status = Some(status);
        plan
    }

    /// Passes, kubelet and garbage collector in turn until nothing is left to do; `check` after every write.
    pub fn settle(&mut self, check: impl Fn(&Self)) {
        for _ in 0..300 {
            let before = self.pet_set.status.clone();
            let plan = self.pass(1);
            let reported = self.pet_set.status != before;
            check(self);
            let moved = self.kubelet() | self.garbage_collector();
            check(self);
            self.now += SignedDuration::from_secs(1);
            // A status that changes wakes the controller like any other change of its PetSet.
            if plan.moves.is_empty() && !moved && !reported {
                return;
            }
        }
        panic!("never settles: {:#?}", self.log);
    }

    fn uid(&mut self) -> String {
        self.counter += 1;
        format!("uid-{}", self.counter)
    }

    fn version(&mut self) -> Option<String> {
        self.counter += 1;
        Some(self.counter.to_string())
    }

    /// Does a write; a precondition that does not hold is a conflict, and nothing happens.
    pub fn perform(&mut self, each: &Move) {
        self.log.push(each.to_string());
        match each {
            Move::CreateRevision(revision) => {
                let mut revision = (**revision).clone();
                revision.metadata.uid = Some(self.uid());
                revision.metadata.resource_version = self.version();
                let name = revision.metadata.name.clone().expect("a name");
                assert!(self.revisions.insert(name, revision).is_none(), "made twice");
            }
            Move::RenumberRevision { name, revision } => {
                let version = self.version();
                let there = self.revisions.get_mut(name).expect("a revision");
                there.revision = *revision;
                there.metadata.resource_version = version;
            }
            Move::DeleteRevision { name, uid } => {
                self.revisions
                    .retain(|key, it| key != name || it.metadata.uid.as_deref() != Some(uid));
            }
            Move::SetOwners {
                kind, seen, owners, ..
            } => {
                let version = self.version();
                let Some(meta) = self.meta(*kind, seen) else {
                    return;
                };
                meta.owner_references = (!owners.is_empty()).then(|| owners.clone());
                meta.resource_version = version;
            }
            Move::LabelPod { seen, labels } => {
                let version = self.version();
                let Some(meta) = self.meta(OwnedKind::Pod, seen) else {
                    return;
                };
                meta.labels.get_or_insert_default().extend(labels.iter().cloned());
                meta.resource_version = version;
            }
            Move::GuardClaim { seen, annotations } => {
                let version = self.version();
                let claim = self.claims.get_mut(&seen.name).expect("the claim");
                assert_eq!(
                    claim.metadata.resource_version.as_ref(),
                    Some(&seen.resource_version)
                );
                let present = claim.metadata.annotations.get_or_insert_default();
                present.extend(annotations.iter().cloned());
                claim.metadata.resource_version = version;
            }
            Move::CreateClaim(claim) => {
                let mut claim = (**claim).clone();
                claim.metadata.uid = Some(self.uid());
                claim.metadata.resource_version = self.version();
                let name = claim.metadata.name.clone().expect("a name");
                self.claims.entry(name).or_insert(claim);
            }
            Move::DeleteClaim(seen) => {
                if self.meta(OwnedKind::Claim, seen).is_some() {
                    self.claims.remove(&seen.name);
                }
            }
            Move::CreatePod(pod) => self.create(pod),
            Move::DeletePod { name, uid, .. } => self.delete(name, uid),
        }
    }

    fn create(&mut self, pod: &Pod) {
        let mut pod = pod.clone();
        let name = pod.metadata.name.clone().expect("a name");
        pod.metadata.uid = Some(self.uid());
        pod.metadata.resource_version = self.version();
        pod.metadata.creation_timestamp = Some(Time(self.now));
        for claim in self.desired().claim_templates {
            let claim = format!("{}-{name}", claim.metadata.name.expect("a name"));
            assert!(
                self.claims.contains_key(&claim),
                "{name} was made before its claim {claim}"
            );
        }
        assert!(
            self.pods.insert(name.clone(), pod).is_none(),
            "{name} was made twice"
        );
    }

    fn delete(&mut self, name: &str, uid: &str) {
        let version = self.version();
        if let Some(pod) = self
            .pods
            .get_mut(name)
            .filter(|pod| pod.metadata.uid.as_deref() == Some(uid))
        {
            pod.metadata.deletion_timestamp.get_or_insert(Time(self.now));
            pod.metadata.resource_version = version;
        }
    }

    /// A user or the eviction API deletes a Pod.
    pub fn evict(&mut self, name: &str) {
        let uid = self.pods[name].metadata.uid.clone().expect("a UID");
        self.delete(name, &uid);
    }

    /// The object, if it is as it was seen.
    fn meta(&mut self, kind: OwnedKind, seen: &Seen) -> Option<&mut ObjectMeta> {
        let meta = match kind {
            OwnedKind::Pod => self.pods.get_mut(&seen.name).map(|it| &mut it.metadata),
            OwnedKind::Revision => self.revisions.get_mut(&seen.name).map(|it| &mut it.metadata),
            OwnedKind::Claim => self.claims.get_mut(&seen.name).map(|it| &mut it.metadata),
        };
        meta.filter(|meta| {
            meta.uid.as_deref() == Some(&seen.uid)
                && meta.resource_version.as_deref().unwrap_or_default() == seen.resource_version
        })
    }

    /// Starts Pods and ends those that are being deleted; whether anything happened.
    fn kubelet(&mut self) -> bool {
        let before = self.pods.len();
        self.pods.retain(|_, pod| !is_terminating(&pod.metadata));
        let mut moved = before != self.pods.len();
        for (name, pod) in &mut self.pods {
            if pod.status.is_none() && !self.broken.contains(name) {
                pod.status = serde_json::from_value(json!({
                    "phase": "Running",
                    "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": self.now.to_string()}],
                }))
                .ok();
                self.counter += 1;
                pod.metadata.resource_version = Some(self.counter.to_string());
                moved = true;
            }
        }
        moved
    }

    /// Deletes claims whose owner is gone; whether anything happened.
    fn garbage_collector(&mut self) -> bool {
        let pods: BTreeSet<String> = self
            .pods
            .values()
            .filter_map(|pod| pod.metadata.uid.clone())
            .collect();
        let lives = |uid: &str| uid == SET_UID || pods.contains(uid);
        let before = self.claims.len();
        self.claims.retain(|_, claim| {
            let owners = claim.metadata.owner_references.as_deref().unwrap_or_default();
            owners.is_empty() || owners.iter().any(|owner| lives(&owner.uid))
        });
        before != self.claims.len()
    }

    /// Names of Pods that are ready.
    pub fn ready(&self) -> Vec<&str> {
        let ready = self.pods.iter().filter(|(_, pod)| ready_since(pod).is_some());
        ready.map(|(name, _)| name.as_str()).collect()
    }

    /// Revision of each Pod.
    pub fn revisions_of_pods(&self) -> BTreeMap<&str, &str> {
        let pods = self.pods.iter();
        pods.map(|(name, pod)| (name.as_str(), revision_of(pod)))
            .collect()
    }

    /// Changes the image in the template.
    pub fn change_template(&mut self, image: &str) {
        let spec = self.pet_set.spec.template.spec.as_mut().expect("a Pod spec");
        spec.containers[0].image = Some(image.to_owned());
        self.pet_set.metadata.generation = self.pet_set.metadata.generation.map(|it| it + 1);
    }
}
