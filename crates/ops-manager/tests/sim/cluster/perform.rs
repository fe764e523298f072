//! What the effects of an operation do to the small world.

use k8s_openapi::api::core::v1::ResourceRequirements;

use super::*;

type Amounts = Option<BTreeMap<String, Quantity>>;

impl Cluster {
    /// Does what was decided. Doing it twice must be as good as once.
    pub fn perform(&mut self, effect: &Effect, holder: &PauseHolder) {
        let annotations = self.postgres.metadata.annotations.get_or_insert_default();
        match effect {
            Effect::TakePause => {
                annotations
                    .entry(PAUSED_BY.into())
                    .or_insert_with(|| holder.to_string());
            }
            Effect::DropPause(holder) if annotations.get(PAUSED_BY) == Some(&holder.to_string()) => {
                drop(annotations.remove(PAUSED_BY))
            }
            Effect::DropPause(_) => {}
            Effect::PatchSpec(patch) => self.patch_spec(patch),
            Effect::Apply(child) => self.apply(child),
            Effect::Tls(effect) => self.perform_tls(effect),
            Effect::Volume(effect) => self.perform_on_volume(effect),
            Effect::Auth(effect) => self.auth.perform(effect),
            Effect::Member(effect) => self.perform_member(effect),
        }
    }

    fn patch_spec(&mut self, patch: &SpecPatch) {
        if let Some(change) = patch.merge_patch(&self.postgres.spec) {
            let mut spec = serde_json::to_value(&self.postgres.spec).expect("JSON");
            json_patch::merge(&mut spec, &change);
            self.postgres.spec = serde_json::from_value(spec).expect("a spec");
        }
    }

    fn perform_tls(&mut self, effect: &TlsEffect) {
        match effect {
            TlsEffect::PublishCa { secret, needed } => {
                let secret = self.secrets.get_mut(secret).expect("a Secret");
                let issued = secret.pair.as_ref().expect("a pair");
                secret.shown_ca = CaBundle::from_pem(&issued.ca).expect("PEM").union(needed);
            }
            TlsEffect::DeleteCertificate(name) => self
                .certificates
                .retain(|_, c| c.metadata.name.as_ref() != Some(name)),
            TlsEffect::Issue(name) => {
                let mut all = self.certificates.values_mut();
                set_issuing(
                    all.find(|c| c.metadata.name.as_ref() == Some(name))
                        .expect("a Certificate"),
                );
            }
            TlsEffect::ProbeIssuerCa { name, issuer } => {
                let ca = self.authorities[&issuer.name].pem_text();
                let ca = CaBundle::from_pem(ca).expect("PEM");
                self.answers.insert(name.clone(), IssuerCaAnswer::Signed(ca));
            }
        }
    }

    fn perform_member(&mut self, effect: &MemberEffect) {
        match effect {
            MemberEffect::TouchFiles { pod, token } => {
                let files = self.files();
                let pod = self.pods.get_mut(pod).expect("a Pod");
                pod.token = Some(token.clone());
                pod.folders = files;
            }
            MemberEffect::Reload {
                pod, configuration, ..
            } => {
                assert!(self.clients_find_what_members_trust(), "{pod} is reloaded first");
                let follows = self.keeps_old_files.as_ref() != Some(pod);
                let name = pod.clone();
                let pod = self.pods.get_mut(pod).expect("a Pod");
                if pod.starting == 0 && follows {
                    let read = pod.folders.clone();
                    if *configuration {
                        pod.loaded = read;
                        self.read_parameters(&name);
                    } else {
                        (pod.loaded.leaf, pod.loaded.trust) = (read.leaf, read.trust);
                    }
                }
            }
            MemberEffect::EndSessions { encrypted } => self.end_sessions(*encrypted),
            MemberEffect::Evict { pod, uid } => {
                if self.pods.get(pod).is_some_and(|live| live.uid == *uid) {
                    self.evictions.push(pod.clone());
                    self.keeps_old_files = self.keeps_old_files.take().filter(|it| it != pod);
                    self.pods.remove(pod);
                    self.cure(pod, Cure::Restart);
                    if self.silent == Some(pod.as_str()) {
                        self.broken = self.silent.take();
                    }
                }
            }
            MemberEffect::Resize { pod, uid, containers } => {
                if self.pods.get(pod).is_some_and(|live| live.uid == *uid) {
                    self.resize(pod, containers);
                }
            }
            MemberEffect::Rebuild { pod } => {
                assert_ne!(*pod, self.leader, "the primary's data is the source");
                self.rebuilt.push(pod.clone());
                self.cure(pod, Cure::Rebuild);
            }
            MemberEffect::Switchover { from, to } if self.leader == *from => {
                self.leader.clone_from(to);
                self.switchovers += 1;
            }
            MemberEffect::Switchover { .. } => {}
            MemberEffect::Promote { pod } => {
                if self.world().leader().is_none() {
                    self.leader.clone_from(pod);
                    self.promotions.push(pod.clone());
                }
            }
            MemberEffect::ServeReads { pod, uid, serve } => {
                let pod = self.pods.get_mut(pod).filter(|live| live.uid == *uid);
                if let Some(pod) = pod {
                    pod.serves_reads = *serve;
                }
            }
            MemberEffect::ForgetSlots { forget, .. } => self.forgets_slots = *forget,
            MemberEffect::RestartPostgres { pod } => self.restart_postgres(pod),
            MemberEffect::ConfigurePatroni { patch, .. } => {
                json_patch::merge(&mut self.dynamic, patch);
                for pod in self.pods.keys().cloned().collect::<Vec<_>>() {
                    self.read_parameters(&pod);
                }
            }
        }
    }

    /// The API server takes it; kubelet does it, or finds that the node is too small.
    fn resize(&mut self, name: &str, containers: &BTreeMap<String, ResourceRequirements>) {
        let pod = self.pods.get_mut(name).expect("a Pod");
        let memory =
            |of: &ResourceRequirements| api_types::quantity::amount(of.requests.as_ref()?.get("memory")?);
        let (old, new) = (pod.resources["postgres"].clone(), &containers["postgres"]);
        let running = old.running.unwrap_or(old.asked);
        let grows = memory(new) > memory(&running);
        let has_room = memory(new) <= Some(self.room) && self.full_node != Some(name);
        for (container, wanted) in containers {
            let asked = &mut pod.resources.get_mut(container).expect("a container").asked;
            // A strategic merge patch takes nothing away.
            let over = |now: &mut Amounts, wanted: &Amounts| {
                let wanted = wanted.clone().unwrap_or_default();
                now.get_or_insert_default().extend(wanted);
            };
            over(&mut asked.requests, &wanted.requests);
            over(&mut asked.limits, &wanted.limits);
        }
        let postgres = pod.resources.get_mut("postgres").expect("a container");
        if grows && !has_room {
            postgres.running = Some(running);
            pod.resizing = Some(Resizing::Infeasible(
                "Infeasible: Node didn't have enough capacity".into(),
            ));
            return;
        }
        (postgres.running, pod.resizing) = (None, None);
        pod.restarts += i32::from(self.killed_by_resize == Some(name));
        self.resized.push(name.to_owned());
    }

    fn cure(&mut self, pod: &str, by: Cure) {
        if self.broken == Some(pod) && self.cure == by {
            self.broken = None;
        }
    }

    pub(super) fn apply(&mut self, child: &Child) {
        match child {
            Child::Config(secret) => self.config = secret.clone(),
            Child::LastGood(secret) => self.last_good = Some(secret.clone()),
            Child::AppBinding(app_binding) => self.app_binding = app_binding.metadata.clone(),
            Child::PetSet(pet_set) => {
                let generation = self.pet_set.metadata.generation.unwrap_or(0) + 1;
                let status = self.pet_set.status.clone();
                self.pet_set = PetSet {
                    status,
                    ..(**pet_set).clone()
                };
                self.pet_set.metadata.generation = Some(generation);
            }
            Child::Certificate(certificate) => {
                let alias = CertificateAlias::ALL.into_iter().find(|alias| {
                    certificate.metadata.name.as_deref() == Some(&api_types::names::certificate("pg", *alias))
                });
                let alias = alias.expect("an alias");
                let old = self.certificates.get(&alias);
                let changed = old.is_none_or(|old| old.spec != certificate.spec);
                let mut new = Certificate {
                    status: old.and_then(|old| old.status.clone()),
                    ..certificate.clone()
                };
                if changed {
                    set_issuing(&mut new);
                }
                self.certificates.insert(alias, new);
            }
        }
    }
}
