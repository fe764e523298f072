//! What provisioner, petset, Patroni and cert-manager do meanwhile.

use api_types::quantity;

use super::*;

/// Stands for the template of a PetSet without the resources of its containers.
fn without_resources(pet_set: &PetSet) -> String {
    let mut template = pet_set.spec.template.clone();
    let containers = template.spec.iter_mut().flat_map(|spec| &mut spec.containers);
    containers.for_each(|container| container.resources = None);
    blueprint::hash_of(&template)
}

impl Cluster {
    /// The provisioner acknowledges a pause, and drops its word when the pause has ended.
    pub fn provisioner_ticks(&mut self) {
        let holder = self.postgres.pause_holder();
        let paused_by = holder.map(|holder| PausedBy::new(&holder, Timestamp::UNIX_EPOCH));
        self.postgres.status.get_or_insert_default().paused_by = paused_by;
        self.provisioner_adds_members();
    }

    /// While nobody holds the pause, a larger number in the spec is applied at once.
    fn provisioner_adds_members(&mut self) {
        let (spec, running) = (self.postgres.spec.replicas, self.pet_set.spec.replicas);
        if self.world().holder().is_none() && spec > running {
            let children = build(
                &self.postgres,
                self.version_of_spec(),
                TlsInputs::default(),
                Some(&self.pet_set),
                self.user_conf(),
            );
            self.apply(&Child::PetSet(Box::new(children.pet_set)));
        }
    }

    /// The petset operator removes the last Pods beyond the number of replicas; Patroni hands over before a primary ends.
    fn remove_last_pods(&mut self) {
        let wanted = self.pet_set.spec.replicas.unwrap_or(1);
        let kept = |name: &str| name[3..].parse::<i32>().is_ok_and(|ordinal| ordinal < wanted);
        let Some(last) = self.pods.keys().rfind(|name| !kept(name)).cloned() else {
            return;
        };
        let pod = self.pods.remove(&last).expect("a Pod");
        let is_leader = self.leader == last;
        if pod.serves_reads && !is_leader {
            self.lost_reads.push(last);
        } else if is_leader {
            self.leader = self.pods.keys().next().cloned().unwrap_or_default();
        }
    }

    /// Patroni makes a slot for every member, and drops those of members that are gone when it is told to.
    fn patroni_ticks(&mut self) {
        let slot = |pod: &String| pod.replace('-', "_");
        let members: BTreeSet<String> = self.pods.keys().map(slot).collect();
        if self.forgets_slots {
            self.slots.clear();
        }
        self.slots.extend(members);
    }

    /// The petset operator sees the template and makes the Pods; kubelet starts them.
    pub fn petset_ticks(&mut self) {
        self.storage_ticks();
        self.remove_last_pods();
        self.patroni_ticks();
        self.auth.tick();
        let revision = blueprint::hash_of(&self.pet_set.spec.template);
        let mut status = self.pet_set.status.clone().unwrap_or_default();
        status.observed_generation = self.pet_set.metadata.generation;
        status.update_revision = Some(revision.clone());
        self.pet_set.status = Some(status);
        let template = without_resources(&self.pet_set);
        for pod in self.pods.values_mut() {
            let containers = self
                .pet_set
                .spec
                .template
                .spec
                .iter()
                .flat_map(|it| &it.containers);
            let has_all = containers.clone().all(|it| {
                let asked = pod.resources.get(&it.name).map(|it| &it.asked);
                let wanted = it.resources.clone().unwrap_or_default();
                quantity::has_all(asked, &wanted, quantity::is_same)
            });
            if has_all && pod.resizing.is_none() && pod.template == template {
                pod.revision.clone_from(&revision);
            }
            let asked = pod.resources["postgres"].asked.requests.as_ref();
            let memory = asked.and_then(|asked| api_types::quantity::amount(asked.get("memory")?));
            let is_pulled = self.bad_image != Some(pod.image.as_str());
            if is_pulled && memory.is_none_or(|memory| memory <= self.room) {
                pod.starting = pod.starting.saturating_sub(1);
            }
        }
        for ordinal in 0..self.pet_set.spec.replicas.unwrap_or(1) {
            let name = format!("pg-{ordinal}");
            if !self.pods.contains_key(&name) && !self.is_withheld(&name) {
                self.counter += 1;
                let uid = format!("pod-{}", self.counter);
                let pod = Pod {
                    serves_reads: true,
                    uid,
                    revision: revision.clone(),
                    starting: 2,
                    resources: resources::of(self.pet_set.spec.template.spec.as_ref(), None),
                    resizing: None,
                    restarts: 0,
                    template: template.clone(),
                    image: blueprint::database_image(&self.pet_set)
                        .unwrap_or_default()
                        .to_owned(),
                    parameters: Settings::new(),
                    token: None,
                    folders: self.files(),
                    loaded: self.files(),
                };
                self.pods.insert(name.clone(), pod);
                self.make_volume(&name);
                self.start_postgres(&name);
            }
        }
    }

    /// cert-manager issues what is to be issued.
    pub fn cert_manager_ticks(&mut self) {
        for certificate in self.certificates.values_mut() {
            let status = certificate.status.get_or_insert_default();
            if !status
                .conditions
                .iter()
                .any(|c| c.type_ == "Issuing" && c.status == "True")
            {
                continue;
            }
            self.counter += 1;
            status.revision = Some(status.revision.unwrap_or(0) + 1);
            status.conditions = vec![condition_of("Ready")];
            let spec = &certificate.spec;
            let from = self.issues_from_2026.then_some((2026, 1, 1));
            let pair = issue(&self.authorities[&spec.issuer_ref.name], spec, from);
            let ca = CaBundle::from_pem(&pair.ca).expect("PEM");
            self.issued_by
                .extend(pair.fingerprint().map(|leaf| (leaf, ca.clone())));
            let secret = IssuedSecret {
                shown_ca: ca,
                pair: Some(pair),
                issuer: Some(spec.issuer_ref.name.clone()),
            };
            self.secrets.insert(spec.secret_name.clone(), secret);
        }
    }
}
